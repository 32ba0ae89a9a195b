/* The schema as data: the tables that the build makes of sql/migrations and sql/schema, and the
 * engine of migrate.h with the set as an argument, for tests. */
#ifndef SW_STORE_MIGRATION_H
#define SW_STORE_MIGRATION_H

#include "store/pg/migrate.h"

typedef struct sw_migration {
    int version;
    const char *name;     /* `0021_resources` */
    const char *checksum; /* SHA-256 of its text, hexadecimal */
    const char *sql;
    bool compatible; /* `-- compatible` in line 1: programs of the previous version keep working */
    /* Checksum of another text of this version that made the same tables, or NULL: a baseline
     * names the last of the migrations that it stands for. */
    const char *replaces;
} sw_migration;

/* A file of functions, views, triggers, policies or grants, which can be applied again at any
 * time. */
typedef struct sw_schema_file {
    const char *name;     /* `03_rights` */
    const char *checksum; /* SHA-256 of its text, hexadecimal */
    const char *sql;
} sw_schema_file;

typedef struct sw_migration_set {
    const sw_migration *items; /* versions without a gap, at least one */
    int count;
    const sw_schema_file *files; /* in the order in which they are applied */
    int file_count;
} sw_migration_set;

/* The schema of this build. */
extern const sw_migration_set sw_migrations;

sw_code sw_migration_set_apply(const sw_migration_set *set, const char *conninfo, bool dry_run,
                               sw_migrate_fn *fn, void *context, sw_error *error);
sw_code sw_migration_set_status(const sw_migration_set *set, const char *conninfo, sw_migrate_fn *fn,
                                void *context, sw_error *error);

#endif

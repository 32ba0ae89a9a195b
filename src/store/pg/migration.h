/* The numbered migrations as data: the table that the build makes of sql/migrations, and the engine of
 * migrate.h with the set as an argument, for tests. */
#ifndef SW_STORE_MIGRATION_H
#define SW_STORE_MIGRATION_H

#include "store/pg/migrate.h"

typedef struct sw_migration {
    int version;          /* 1, 2, 3 ... */
    const char *name;     /* `0001_sitewire` */
    const char *checksum; /* SHA-256 of its text, hexadecimal */
    const char *sql;
    bool compatible; /* its first line is `-- compatible`: programs that know only the version before work on
                      */
} sw_migration;

typedef struct sw_migration_set {
    const sw_migration *items; /* items[i] has version i + 1 */
    int count;
} sw_migration_set;

/* All migrations of this build. */
extern const sw_migration_set sw_migrations;

sw_code sw_migration_set_apply(const sw_migration_set *set, const char *conninfo, bool dry_run,
                               sw_migrate_fn *fn, void *context, sw_error *error);
sw_code sw_migration_set_status(const sw_migration_set *set, const char *conninfo, sw_migrate_fn *fn,
                                void *context, sw_error *error);

#endif

/* The schema, embedded in the programs and applied by `sitewire migrate` and `sitewire up`.
 * Blocking.
 *
 * Numbered migrations (sql/migrations) make and change the tables. The table sitewire.migration
 * holds one row for each version that was applied, and the view sitewire.schema sums it up for
 * programs: `version` is the newest one, `required` the newest one that is not marked `--
 * compatible`. A program that knows the versions minimum to maximum works with the schema if
 * version >= minimum and required <= maximum. So in a rolling upgrade the schema goes first and old
 * programs keep working, if its migrations are compatible; or programs go first, if they know the
 * version before (sw_service.schema_minimum).
 *
 * Schema files (sql/schema) hold everything else: functions, views, triggers, policies and grants.
 * If one of them differs from what was applied last (sitewire.schema_file), all of them are applied
 * again; also if somebody has changed by hand what they define (sitewire.damage).
 *
 * Version 20 is the baseline. A database of an older version needs a sitewire of that time to
 * get to version 20 first. */
#ifndef SW_STORE_MIGRATE_H
#define SW_STORE_MIGRATE_H

#include <sitewire/status.h>
#include <stddef.h>

/* The newest version that this build knows. */
int sw_migrate_latest(void);

typedef struct sw_migration_state {
    int version;      /* 0 for a schema file */
    const char *name; /* `0021_resources`, `schema/03_rights`; lives during the callback */
    bool applied;
    char applied_at[40];   /* ISO 8601, or "" */
    const char *waits_for; /* not NULL: no migration, but what it waits for */
    const char *notice;    /* not NULL: no migration, but what an admin has to do after one */
} sw_migration_state;

/* Called for each migration, then for each schema file, in order: applied, or pending. */
typedef void sw_migrate_fn(const sw_migration_state *state, void *context);

/* Applies what is pending in one transaction, so a failure leaves the database as it was. An
 * advisory lock allows many callers at once: one works, and the others report to `fn` what they
 * wait for. `fn` (or NULL) sees each migration and each changed schema file that was applied.
 * dry_run: does all of it and rolls back. conninfo is libpq's, passed through; NULL or "" means
 * PG*.
 *
 * FAILED_PRECONDITION for damage that the schema files cannot repair (everything else is applied
 * then), for a schema newer than this build (unless the newer migrations are
 * compatible; then schema files are left as they are), for one older than the baseline, for a
 * migration whose checksum differs from the one that was applied, a PostgreSQL before 13, or a
 * database whose encoding is not UTF8. PERMISSION_DENIED if
 * the login does not own the schema. UNAVAILABLE if PostgreSQL cannot be reached. */
sw_code sw_migrate_apply(const char *conninfo, bool dry_run, sw_migrate_fn *fn, void *context,
                         sw_error *error);
/* Shows every migration and schema file to `fn`, including migrations that this build does not
 * know, and then fails where apply would. */
sw_code sw_migrate_status(const char *conninfo, sw_migrate_fn *fn, void *context, sw_error *error);

#endif

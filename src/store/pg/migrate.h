/* Numbered migrations, embedded in the programs: applied by `sitewire migrate` and `sitewire up`. Blocking.
 *
 * The table sitewire.migration holds one row per version applied; the view sitewire.schema sums it up for
 * programs: `version` is the newest, `required` the newest that is not marked `-- compatible`. A program that
 * knows the versions minimum to maximum works with the schema if version >= minimum and required <= maximum.
 * So in a rolling upgrade the schema goes first and old programs work on, if its migration is compatible; or
 * programs go first, if they know the version before (sw_service.schema_minimum). */
#ifndef SW_STORE_MIGRATE_H
#define SW_STORE_MIGRATE_H

#include <sitewire/status.h>
#include <stddef.h>

/* The newest version that this build knows. */
int sw_migrate_latest(void);

typedef struct sw_migration_state {
    int version;
    const char *name; /* lives during the callback */
    bool applied;
    char applied_at[40]; /* ISO 8601, or "" */
} sw_migration_state;

/* Called for each migration, in order: applied, or pending. */
typedef void sw_migrate_fn(const sw_migration_state *state, void *context);

/* Applies what is pending, each in a transaction of its own, under an advisory lock, so that many may call it
 * at once. dry_run: does it all in one transaction and rolls back. `fn` (or NULL) sees each one that was
 * applied. conninfo is libpq's, passed through; NULL or "" means PG*. FAILED_PRECONDITION for a schema newer
 * than this build (but not if the newer migrations are compatible ones), a migration whose checksum differs
 * from the one that was applied, a PostgreSQL before 13 or a database whose encoding is not UTF8. UNAVAILABLE
 * if PostgreSQL cannot be reached. */
sw_code sw_migrate_apply(const char *conninfo, bool dry_run, sw_migrate_fn *fn, void *context,
                         sw_error *error);
/* Shows every migration to `fn`, those that this build does not know among them, and then fails where apply
 * would. */
sw_code sw_migrate_status(const char *conninfo, sw_migrate_fn *fn, void *context, sw_error *error);

#endif

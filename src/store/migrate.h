/* Numbered migrations, embedded in the programs: applied by `sitewire migrate` and `sitewire up`. */
#ifndef SW_STORE_MIGRATE_H
#define SW_STORE_MIGRATE_H

#include <sitewire/status.h>
#include <stddef.h>

/* The newest version that this build knows. */
int sw_migrate_latest(void);

typedef struct sw_migration_state {
    int version;
    const char *name;
    bool applied;
    char applied_at[40]; /* ISO 8601, or "" */
} sw_migration_state;

/* Called for each migration: known and applied, known and pending. */
typedef void sw_migrate_fn(const sw_migration_state *state, void *context);

/* Applies what is pending, each in a transaction of its own, under an advisory lock. dry_run: does it all in one
 * transaction and rolls back. `fn` (or NULL) sees each one that was applied. FAILED_PRECONDITION for a schema
 * newer than this build, or a migration whose checksum differs from the one that was applied. */
sw_code sw_migrate_apply(const char *conninfo, bool dry_run, sw_migrate_fn *fn, void *context, sw_error *error);
sw_code sw_migrate_status(const char *conninfo, sw_migrate_fn *fn, void *context, sw_error *error);

#endif

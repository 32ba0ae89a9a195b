/* Reads the sealed history for an audit, directly from the database, without services and rights.
 * Blocking. Used by `sitewire audit`. */
#ifndef SW_STORE_AUDIT_H
#define SW_STORE_AUDIT_H

#include <sitewire/status.h>
#include <stddef.h>
#include <stdint.h>

#define SW_CHANGE_FIELDS 14

/* Their names, in the order in which they are hashed (users.text_of). */
extern const char *const sw_change_fields[SW_CHANGE_FIELDS];

/* A position of the chain. Texts live during the callback. */
typedef struct sw_sealed {
    int64_t position;
    int64_t change;                       /* the id of what was sealed */
    const char *hash;                     /* in hex */
    bool gone;                            /* the change no longer exists, so there are no values */
    const char *values[SW_CHANGE_FIELDS]; /* as texts, or NULL */
} sw_sealed;

/* False ends the reading, without an error. */
typedef bool sw_audit_fn(const sw_sealed *sealed, void *context);

/* Changes without a seal. */
typedef struct sw_unsealed {
    int64_t count;
    char oldest[40]; /* when the oldest of these changes was made, or "" */
} sw_unsealed;

/* Passes every position to `fn`, in order, all as of the same moment. conninfo is libpq's; NULL or
 * "" means PG*. PERMISSION_DENIED if the role may not read all changes, FAILED_PRECONDITION without
 * the schema, UNAVAILABLE if PostgreSQL cannot be reached. */
sw_code sw_audit_read(const char *conninfo, sw_audit_fn *fn, void *context, sw_unsealed *unsealed,
                      sw_error *error);

/* A row that is not what the last of its changes left, or a change whose permanent number is wrong.
 * Texts live during the callback; false ends the comparison, without an error. */
typedef bool sw_difference_fn(const char *resource, const char *key, const char *what, void *context);

/* Compares every row of every table under history with the last change of its name, all as of the
 * same moment. A difference means that triggers were disabled, or that history was not written by
 * them. Columns that history does not keep, and those that came after a row's last change, are not
 * compared. At most 20 differences of each table. Errors as above. */
sw_code sw_audit_compare(const char *conninfo, sw_difference_fn *fn, void *context, sw_error *error);

#endif

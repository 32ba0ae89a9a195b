/* The store: a method is a message pair and a statement. Binds request fields to $n and result
 * columns to reply fields by name, pipelined over several libpq connections. Used by the
 * services. One thread (the loop's). */
#ifndef SW_STORE_STORE_H
#define SW_STORE_STORE_H

#include "net/loop.h"
#include "rpc/dispatch.h"
#include "store/bind/resource.h"
#include <libpq-fe.h>

typedef struct sw_store sw_store;

/* Reasons for not serving that pass by themselves. */
#define SW_STORE_CONNECTING "connecting to the database"
#define SW_STORE_LOOKING    "looking at the schema"
#define SW_STORE_WAITING    "the database cannot be reached yet; try again"

typedef struct sw_store_options {
    /* libpq's, several hosts too; NULL or "" means PG*. By default TCP keepalives and
     * tcp_user_timeout are short, and one of several hosts must be the primary. */
    const char *conninfo;
    int read_lanes;       /* connections for reads of a row by its key; 0 means 2 */
    int list_lanes;       /* connections for all other reads; 0 means 4 */
    int write_lanes;      /* connections for mutations; 0 means 8 */
    int lists_per_caller; /* of these other reads: at once for each caller; 0 means 64 */
    int lists;            /* the same: waiting in all; 0 means 128 */
    int schema_minimum;   /* schema versions that this program works with */
    int schema_maximum;
    /* `reason`: why it does not serve, or what it cannot do although it serves; "" if all is well.
     * Called when that changes, or sw_store_database. */
    void (*on_serving)(void *context, bool serving, const char *reason);
    void *context;
    void *hook_context; /* of the hooks of queries */
} sw_store_options;

/* The data of a hook. It lives as long as the call. */
typedef struct sw_hook_context {
    void *context; /* hook_context of the store */
    const ProtobufCMessage *request;
    ProtobufCMessage *inner; /* of the type that the query names; empty at the start of each call */
    ProtobufCMessage *reply; /* for `end` only */
    sw_arena *arena;
} sw_hook_context;

/* An error ends the call. */
typedef sw_code sw_query_hook(const sw_hook_context *hook, sw_error *error);

/* Who may call a method. sitewire.enter checks this before the statement, in the same transaction.
 * A method that declares nothing is for admins. Methods of resources require a profile; then the
 * rules of the rows decide (sql/schema/12_access.sql). */
typedef enum sw_requirement {
    SW_REQUIRES_ADMIN,
    SW_REQUIRES_PROFILE,  /* any user with a right on some project; the statement decides the rest */
    SW_REQUIRES_OPEN,     /* any known user */
    SW_REQUIRES_ENROLL,   /* the same, or a one-time code (sql/schema/05_keys.sql) */
    SW_REQUIRES_INTERNAL, /* brokers only */
} sw_requirement;

/* One method with a statement of its own: parameters `:name` name request fields, columns name
 * fields of the reply (one row) or, if the reply has a repeated message field `items`, of its
 * items. Nested messages match composite types. A query that writes is rolled back if its request
 * has a field `validate_only` that is set. Its request_id is not recorded: a query that writes must
 * itself make sure that running twice does no harm.
 *
 * A method that needs what SQL cannot do has hooks between its steps, and an inner message, which
 * never leaves the service: `begin`, the statement `lookup` (which only reads, and whose columns go
 * into the inner message), `middle`, the statement `sql`, `end`. Any of them may be absent. A
 * parameter names a field of the inner message or, if that has none of the name, of the request.
 * With `end`, the columns of `sql` go into the inner message, and `end` makes the reply. */
typedef struct sw_query {
    const ProtobufCServiceDescriptor *service;
    const char *method;
    const char *sql; /* the text of sql/queries/<name>.sql, embedded */
    bool writes;
    sw_requirement requires; /* unset: admins only */
    bool point;              /* reads few rows by their key: shares the lanes of Get */
    bool secret;             /* the memory of its calls is wiped after use */
    const ProtobufCMessageDescriptor *inner;
    const char *lookup;
    sw_query_hook *begin, *middle, *end;
} sw_query;

sw_code sw_store_new(sw_loop *loop, const sw_store_options *options, sw_store **store, sw_error *error);
void sw_store_destroy(sw_store **store);
/* Registers a handler for each method of the rows (ended by a NULL service). Call before
 * sw_store_start. */
sw_code sw_store_add(sw_store *store, sw_dispatch *dispatch, const sw_resource *resources,
                     const sw_query *queries, sw_error *error);

/* A statement that the store runs periodically while it serves, on behalf of nobody. Runs do not
 * overlap. A run that fails is not repeated before the next one is due. Texts live as long as the
 * store. One that fails twice in a row, or does not end within SW_PERIODIC_STALL_MS, is reported by
 * on_serving and sw_store_each_work until it succeeds. */
#define SW_PERIODIC_STALL_MS 30000
typedef struct sw_periodic {
    const char *name; /* for people, such as `sealing` */
    const char *sql;
    int64_t every_ms;
    const char *sql_on_change; /* runs as soon as a call of this store has changed something; or NULL */
    /* The text of $1, lent until the result comes; NULL: there is nothing to do this time. May be
     * NULL: the statement has no parameter. */
    const char *(*argument)(void *context);
    const char *channel; /* `sql` also runs when a NOTIFY arrives there; at most one per store; or NULL */
    /* Gets the result after the commit: rows in binary format, lent; NULL after a failure. Returns
     * after how many ms the statement is to run again, or -1 for every_ms. May be NULL. */
    int64_t (*on_result)(void *context, const PGresult *result);
    void *context;
} sw_periodic;

/* How a periodic statement fares. Texts live until the next run. */
typedef struct sw_work_view {
    const char *name;
    uint64_t runs, failures; /* ended, of them failed */
    bool failing;
    const char *error;    /* of the last failure, while it fails; else "" */
    int64_t succeeded_us; /* on the wall clock; 0: never */
} sw_work_view;

/* Walks through them with *at from NULL; false at the end. */
bool sw_store_each_work(const sw_store *store, const void **at, sw_work_view *view);

/* The database server that is used: the one for changes, else the one for reads. */
typedef struct sw_database {
    uint64_t system;   /* system identifier of PostgreSQL; 0: not connected */
    uint32_t timeline; /* higher after each promotion */
    bool standby;
    bool writable; /* changes can be served */
} sw_database;

sw_database sw_store_database(const sw_store *store);
/* Another program has seen this timeline of a database: the store does not write to an older one
 * any more. */
void sw_store_note_timeline(sw_store *store, uint64_t system, uint32_t timeline);
/* How often it has connected to PostgreSQL; lives as long as the store. */
const uint64_t *sw_store_connects(const sw_store *store);

/* Call before sw_store_start. */
sw_code sw_store_add_periodic(sw_store *store, const sw_periodic *periodic, sw_error *error);
/* Connects in the background, and keeps trying; then checks the schema version, the duties of
 * each table and every statement. Fails at once only if waiting cannot help. */
sw_code sw_store_start(sw_store *store, sw_error *error);

#endif

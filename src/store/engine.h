/* What the files of the store share: the store, its methods, and its calls. Internal to
 * src/store. */
#ifndef SW_STORE_ENGINE_H
#define SW_STORE_ENGINE_H

#include "store/bind/composite.h"
#include "store/bind/filter.h"
#include "store/bind/page.h"
#include "store/pg/pool.h"
#include "store/store.h"

typedef enum {
    SW_VERB_GET,
    SW_VERB_LIST,
    SW_VERB_CREATE,
    SW_VERB_UPDATE,
    SW_VERB_DELETE,
    SW_VERB_RENAME,
    SW_VERB_QUERY
} sw_verb;

/* A statement of a query. */
typedef struct sw_query_statement {
    char *sql;
    sw_column *parameters, *columns;
    int parameter_count, column_count;
    const ProtobufCMessageDescriptor *result; /* whose fields the columns are */
    const ProtobufCFieldDescriptor *items;    /* if it has them, the columns are their fields */
} sw_query_statement;

/* A method, with the fields of its messages. Fields that its verb does not have are NULL. */
typedef struct sw_store_method {
    sw_store *store;
    sw_verb verb;
    bool writes;
    sw_requirement requires;
    const ProtobufCMethodDescriptor *descriptor;
    char *path; /* `/package.Service/Method` */
    sw_table *table;
    const ProtobufCFieldDescriptor *keys[SW_KEYS_MAX], *resource, *new_key, *revision, *validate_only,
        *allow_missing, *update_mask, *page_size, *page_token, *filters, *order_by, *search, *show_total_size,
        *read_time;
    const ProtobufCFieldDescriptor *items, *next_page_token, *total_size; /* of the reply */
    sw_query_statement statement, lookup; /* of a query; lookup.sql is NULL if it has none */
    const sw_query *query;
} sw_store_method;

/* A foreign key, so that errors name what violates it. */
typedef struct sw_foreign_key {
    const char *name, *from, *from_columns, *to, *to_columns;
    const char *referrers; /* statement: keys of some rows that refer to ($1 ...), the to_columns */
} sw_foreign_key;

typedef enum { SW_STEP_COUNT, SW_STEP_LOOKUP, SW_STEP_MAIN, SW_STEP_RECORD, SW_STEP_REFERRERS } sw_step;

/* A call as the store runs it. Everything but this struct lives in the call's arena. */
typedef struct sw_store_call {
    sw_work work; /* first, so that `done` finds the call */
    sw_store *store;
    const sw_store_method *method;
    sw_call *rpc; /* NULL once it has been answered; only its work is still running then */
    sw_arena *arena;
    ProtobufCMessage *request;
    ProtobufCMessage *inner;            /* of a query with one */
    struct sw_store_call *next, **link; /* parked until the store is ready */
    int64_t parked_ms;
    sw_step step;
    sw_sql main;
    int tries;
    bool validate_only;
    bool lost;              /* the connection was lost after the change was sent: it may have taken effect */
    bool upserts;           /* `main` inserts the row, or updates it if it exists */
    bool update_only;       /* the row cannot be inserted: only update it, in spite of allow_missing */
    const char *request_id; /* of a mutation that writes a record, or NULL */
    uint8_t hash[16];
    const char *enter[SW_ENTER_COUNT]; /* on whose behalf */
    /* Of a List: */
    int page_size;
    int64_t total; /* -1: not asked for */
    sw_selection selection;
    sw_order order;
    sw_value *after; /* where the previous page ended, one for each key of the order; or NULL */
    uint8_t shape[SW_PAGE_SHAPE];
    sw_error *failure;                 /* the error to end with, kept during a further lookup */
    const sw_foreign_key *foreign_key; /* that a delete would violate */
} sw_store_call;

struct sw_store {
    sw_loop *loop;
    sw_pool *pool;
    int schema_minimum, schema_maximum;
    void (*on_serving)(void *context, bool serving, const char *reason);
    void (*report)(sw_store *store); /* sw_store_report, for files below serving.c */
    void *context;
    void *hook_context;
    sw_store_method **methods;
    size_t method_count;
    sw_table **tables;
    size_t table_count;
    bool ready; /* the schema fits, and its catalog has been read */
    bool closing;
    bool serving, reported;
    sw_database database;  /* as reported last */
    char reason[512];      /* why it is not ready */
    char last_reason[512]; /* why it does not serve */
    uint8_t page_key[SW_PAGE_KEY];
    const sw_foreign_key *foreign_keys;
    size_t foreign_key_count;
    sw_attributes attributes; /* of composite types */
    sw_arena *catalog;        /* of these; grows only when the schema changes */
    sw_store_call *parked, **parked_last;
    sw_store_call *spare; /* to be used again */
    sw_timer *parked_timer;
    struct sw_schema_check *schema_check;
    struct sw_periodic_run *periodic;
};

/* call.c */
void sw_store_call_handle(sw_call *rpc, const ProtobufCMessage *request, void *method);
/* Starts calls that waited for the store to be ready, and fails those that have waited too long. */
void sw_store_calls_unpark(sw_store *store);

/* serving.c: reports whether the store can serve, and why not, if that has changed */
void sw_store_report(sw_store *store);

/* standard_read.c, standard_write.c, query.c: the main statement of a call */
sw_code sw_read_build(sw_store_call *call, sw_error *error);
sw_code sw_list_build(sw_store_call *call, bool count, sw_error *error);
sw_code sw_write_build(sw_store_call *call, sw_error *error);
sw_code sw_query_build(sw_store_call *call, const sw_query_statement *statement, sw_error *error);
/* Appends `"a" = $1 AND "b" = $2` for the key in the request. */
sw_code sw_key_condition(sw_store_call *call, sw_sql *sql, sw_error *error);
/* The key of the row that a call is about, parts joined with `/`. */
const char *sw_key_text(const sw_store_call *call);
/* The statement that reads the record of a request_id. */
void sw_record_build(const sw_store_call *call, sw_sql *sql);

/* reply.c: a result into a message; ends the call with what a result says */
sw_code sw_query_statement_read(const sw_store_call *call, const sw_query_statement *statement,
                                const PGresult *result, ProtobufCMessage *message, sw_error *error);
ProtobufCMessage *sw_message_new(const ProtobufCMessageDescriptor *type,
                                 sw_arena *arena); /* NULL: no memory */
void sw_store_call_reply(sw_store_call *call, const PGresult *result);
void sw_store_call_replay(sw_store_call *call, const PGresult *result);

/* fault.c */
void sw_fault_fill(const sw_store_call *call, const PGresult *result, sw_error *error);
void sw_fault_not_found(const sw_store_call *call, sw_error *error);
/* The foreign key that a failed delete would violate, or NULL. */
const sw_foreign_key *sw_fault_foreign_key(const sw_store_call *call, const PGresult *result);
void sw_fault_referrers(const sw_foreign_key *foreign_key, const PGresult *keys, sw_error *error);
/* Appends the statement that finds the rows that refer to the call's row. */
bool sw_referrers_build(const sw_store_call *call, const sw_foreign_key *foreign_key, sw_sql *sql);

/* periodic.c */
/* Names the background work that fails, and why; "" if none does. */
void sw_periodic_explain(const struct sw_periodic_run *all, char *text, size_t size);
void sw_periodic_destroy_all(struct sw_periodic_run **all);
/* Something has changed: by a call of this store, or as a NOTIFY reports. */
void sw_periodic_wake_all(struct sw_periodic_run *periodic, bool by_us);

/* query.c: parse at registration, load when PostgreSQL has described the statement; run a hook, if
 * any */
sw_code sw_query_parse(const sw_store_method *method, sw_query_statement *statement, const char *sql,
                       const ProtobufCMessageDescriptor *result, sw_error *error);
void sw_query_statement_clear(sw_query_statement *statement);
sw_code sw_query_load(const sw_store_method *method, sw_query_statement *statement,
                      const PGresult *description, sw_error *error);
sw_code sw_query_hook_run(sw_store_call *call, sw_query_hook *hook, ProtobufCMessage *reply, sw_error *error);

/* schema_check.c */
sw_code sw_schema_check_new(sw_store *store, struct sw_schema_check **check, sw_error *error);
void sw_schema_check_destroy(struct sw_schema_check **check);
/* Checks the schema, if the control lane is up and no check is running. */
void sw_schema_check_start(struct sw_schema_check *check);

#endif

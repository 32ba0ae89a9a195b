/* What the files of the store share: the store, a method's plan, and an operation, which is one call under way.
 * Internal to src/store. */
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
typedef struct sw_part {
    char *sql;
    sw_column *parameters, *columns;
    int parameter_count, column_count;
    const ProtobufCMessageDescriptor *result; /* whose fields the columns are */
    const ProtobufCFieldDescriptor *items;    /* or, if it has them, those of its items */
} sw_part;

/* A method, with the fields of its messages found by name. Those that a verb does not have are NULL. */
typedef struct sw_plan {
    sw_store *store;
    sw_verb verb;
    bool writes;
    sw_requirement requires;
    const ProtobufCMethodDescriptor *method;
    char *path; /* `/package.Service/Method` */
    sw_table *table;
    const ProtobufCFieldDescriptor *keys[SW_KEYS_MAX], *resource, *new_key, *revision, *validate_only,
        *allow_missing, *update_mask, *page_size, *page_token, *filters, *order_by, *search, *show_total_size,
        *read_time;
    const ProtobufCFieldDescriptor *items, *next_page_token, *total_size; /* of the reply */
    sw_part part, look; /* of a query; look.sql is NULL if it has none */
    const sw_query *query;
} sw_plan;

/* A foreign key, so that its violations can be told by name. */
typedef struct sw_reference {
    const char *name, *from, *from_columns, *to, *to_columns;
    const char *referrers; /* statement: keys of some rows that refer to ($1 ...), the to_columns */
} sw_reference;

typedef enum { SW_STEP_COUNT, SW_STEP_LOOK, SW_STEP_MAIN, SW_STEP_RECORD, SW_STEP_REFERRERS } sw_step;

/* A call under way. Everything but itself lives in the call's arena. */
typedef struct sw_op {
    sw_work work; /* first, so that `done` finds the op */
    sw_store *store;
    const sw_plan *plan;
    sw_call *call; /* NULL once it has ended; the op waits for its work then */
    sw_arena *arena;
    ProtobufCMessage *request;
    ProtobufCMessage *inner;    /* of a query that has one */
    struct sw_op *next, **link; /* parked until the store is ready */
    int64_t parked_ms;
    sw_step step;
    sw_sql main;
    int tries;
    bool validate_only;
    bool lost;              /* the change went out on a connection that was lost: it may have been made */
    bool upserts;           /* main inserts the row or, if it is there, updates it */
    bool update_only;       /* it cannot be inserted as it is: only update it, in spite of allow_missing */
    const char *request_id; /* of a mutation that leaves a record, or NULL */
    uint8_t hash[16];
    const char *enter[SW_ENTER_COUNT]; /* on whose behalf */
    /* Of a List: */
    int page_size;
    int64_t total; /* -1: not asked for */
    sw_selection selection;
    sw_order order;
    sw_value *after; /* where the page before ended, one for each key of the order; NULL: the first page */
    uint8_t shape[SW_PAGE_SHAPE];
    sw_error *failure;             /* kept while something is looked up */
    const sw_reference *reference; /* what a delete ran into */
} sw_op;

struct sw_store {
    sw_loop *loop;
    sw_pool *pool;
    int schema_minimum, schema_maximum;
    void (*on_serving)(void *context, bool serving, const char *reason);
    void *context;
    void *hook_context;
    sw_plan **plans;
    size_t plan_count;
    sw_table **tables;
    size_t table_count;
    bool ready; /* the schema fits and is known */
    bool closing;
    bool serving, reported;
    char reason[512];      /* why it is not ready */
    char last_reason[512]; /* why it does not serve */
    uint8_t page_key[SW_PAGE_KEY];
    const sw_reference *references;
    size_t reference_count;
    sw_attributes attributes; /* of composite types */
    sw_arena *catalog;        /* of these; grows only when the schema changes */
    sw_op *parked, **parked_last;
    sw_op *spare; /* ops to be used again */
    sw_timer *parked_timer;
    struct sw_boot *boot;
    struct sw_chore *chores;
};

/* call.c */
void sw_op_handle(sw_call *call, const ProtobufCMessage *request, void *plan);
/* Starts what waited for the store to be ready, or ends what has waited too long. */
void sw_op_unpark(sw_store *store);

/* serving.c: reports whether the store can serve, and why not, if that has changed */
void sw_store_report(sw_store *store);

/* standard_read.c, standard_write.c, query.c: the main statement of an op */
sw_code sw_read_build(sw_op *op, sw_error *error);
sw_code sw_list_build(sw_op *op, bool count, sw_error *error);
sw_code sw_write_build(sw_op *op, sw_error *error);
sw_code sw_query_build(sw_op *op, const sw_part *part, sw_error *error);
/* Appends `"a" = $1 AND "b" = $2` for the key in the request. */
sw_code sw_key_condition(sw_op *op, sw_sql *sql, sw_error *error);
/* The key of the row that a call is about, parts joined with `/`. */
const char *sw_key_text(const sw_op *op);
/* The statement that reads the record of a request_id. */
void sw_record_build(const sw_op *op, sw_sql *sql);

/* reply.c: a result into a message; ends the call with what a result says */
sw_code sw_part_read(const sw_op *op, const sw_part *part, const PGresult *result, ProtobufCMessage *message,
                     sw_error *error);
ProtobufCMessage *sw_message_new(const ProtobufCMessageDescriptor *type,
                                 sw_arena *arena); /* NULL: no memory */
void sw_op_reply(sw_op *op, const PGresult *result);
void sw_op_replay(sw_op *op, const PGresult *result);

/* fault.c */
void sw_fault_fill(const sw_op *op, const PGresult *result, sw_error *error);
void sw_fault_not_found(const sw_op *op, sw_error *error);
/* The foreign key that a failed delete ran into, or NULL. */
const sw_reference *sw_fault_reference(const sw_op *op, const PGresult *result);
void sw_fault_referrers(const sw_reference *reference, const PGresult *keys, sw_error *error);
/* Appends the statement that finds what refers to the op's row. */
bool sw_referrers_build(const sw_op *op, const sw_reference *reference, sw_sql *sql);

/* periodic.c */
void sw_chores_destroy(struct sw_chore **chores);
/* Something was changed: by a call of this store, or by somebody who says so. */
void sw_chores_wake(struct sw_chore *chores, bool by_us);

/* query.c: at registration, and once a description is there; runs one of its hooks, if there is one */
sw_code sw_query_parse(const sw_plan *plan, sw_part *part, const char *sql,
                       const ProtobufCMessageDescriptor *result, sw_error *error);
void sw_part_clear(sw_part *part);
sw_code sw_query_load(const sw_plan *plan, sw_part *part, const PGresult *description, sw_error *error);
sw_code sw_query_hook_run(sw_op *op, sw_query_hook *hook, ProtobufCMessage *reply, sw_error *error);

/* schema_check.c */
sw_code sw_boot_new(sw_store *store, struct sw_boot **boot, sw_error *error);
void sw_boot_destroy(struct sw_boot **boot);
/* The control lane is up: look at the schema. */
void sw_boot_start(struct sw_boot *boot);

#endif

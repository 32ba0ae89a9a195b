/* The store for tests: the registry's schema in a database of its own, a loop, and calls made
 * without sockets. Used by tests/store/test_store_*.c. */
#ifndef SW_TESTS_STORE_FIXTURE_H
#define SW_TESTS_STORE_FIXTURE_H

#include "rpc/transport.h"
#include "sitewire/referential/v1/referential.pb-c.h"
#include "store/store.h"
#include <libpq-fe.h>

/* A call and, once it has ended, its outcome. */
typedef struct test_call {
    bool ended;
    sw_error error;          /* code SW_OK after a success */
    ProtobufCMessage *reply; /* or NULL */
    char outcome[32];        /* trailer sitewire-outcome */
    bool replayed;
    uint32_t sql_us;
    const ProtobufCMessageDescriptor *reply_type;
    uint64_t tag;
} test_call;

typedef struct test_store {
    sw_transport transport; /* first: replies find the rest */
    sw_loop *loop;
    sw_dispatch *dispatch;
    sw_store *store;
    PGconn *conn; /* for looking into the database */
    char *conninfo;
    void *hook_context;           /* set before it is opened */
    const sw_resource *resources; /* the same; NULL: test_resources */
    const char *through;          /* the same: added to the conninfo of the store, or NULL */
    const sw_query *queries;
    const sw_periodic *periodic; /* set before it is opened; or NULL */
    const char *caller;          /* of the calls to come; NULL: the seeded admin */
    char service_conninfo[1024]; /* of the role that the service logs in as */
    bool serving, told;
    char reason[512];
    uint64_t tag;
    test_call *calls[4096]; /* under way, by tag modulo */
} test_store;

extern const sw_resource test_resources[];

/* Makes a database `name`, migrates it and starts a store that serves it. NULL queries: none. A
 * test_store begins as zeros and the two members that are set before. */
void test_store_open(test_store *test, const char *name, const sw_query *queries);
/* The same without migrating and without waiting until it serves. */
void test_store_open_bare(test_store *test, const char *name, const sw_query *queries);
/* A store on a database that another one has made. It need not serve yet. */
void test_store_join(test_store *test, const char *conninfo);
/* A new store on the same database, which looks at the schema as it is now. */
void test_store_restart(test_store *test);
void test_store_close(test_store *test);
void test_store_migrate(test_store *test);

/* Waits until the store serves, or does not; fails the test after ten seconds. */
void test_store_wait(test_store *test, bool serving);
/* Waits until it does not serve for a reason with this text in it; fails the test after ten
 * seconds. */
void test_store_wait_reason(test_store *test, const char *text);
/* One round of the loop. */
void test_store_turn(test_store *test);

/* Starts a call `GetWebsite`. request_id may be NULL; timeout_ms 0 means 30 s. */
void test_store_start(test_store *test, test_call *call, const char *method, const ProtobufCMessage *request,
                      const char *request_id, uint32_t timeout_ms);
void test_store_end(test_store *test, test_call *call); /* waits for it */
void test_store_cancel(test_store *test, test_call *call);
void test_call_clear(test_call *call);

/* A call from start to end. The reply lives until the next one; it is NULL after a failure
 * (test->last). */
const void *test_store_call(test_store *test, const char *method, const ProtobufCMessage *request,
                            const char *request_id);
/* The outcome of the last test_store_call. */
const test_call *test_store_last(void);
/* The last call failed like this; field NULL: any. `text` is part of the message, NULL: any. */
void test_store_failed(sw_code code, const char *field, const char *text);

#endif

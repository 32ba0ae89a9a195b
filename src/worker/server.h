/* The runtime of a service process: connects to the brokers, registers, serves calls, publishes
 * events and drains. It offers Health, Reflection, Stats and Drain by itself. One thread. */
#ifndef SW_WORKER_SERVER_H
#define SW_WORKER_SERVER_H

#include "net/loop.h"
#include "rpc/dispatch.h"
#include "wire/frame.h"
#include "worker/database.h"

typedef struct sw_server sw_server;

typedef struct sw_server_options {
    const char *process;  /* `referential` */
    const char *instance; /* NULL: made from process, pid and a random suffix */
    const char *version;
    const char *endpoints; /* backends of the brokers, comma-separated: all are connected */
    const char *publish;   /* where brokers accept events, the same way; NULL or "": none */
    const char *key_file;  /* its key file, for all endpoints; NULL or "": nothing is encrypted */
    uint32_t capacity;     /* calls at once per broker; 0 means 256 */
    int64_t heartbeat_ms;  /* 0 means 500 */
    size_t payload_max;    /* bytes of a request; 0 means 4 MiB */
    int64_t drain_ms;      /* the longest time of a drain by default; 0 means 30000 */
    /* Compiled FileDescriptorSet for Reflection. */
    const void *schema;
    size_t schema_size;
    /* For the program's log, or NULL: `event` is "broker connected", "broker lost", "handshake
     * refused by broker", "broker hung up in the handshake", "registration refused by broker" or,
     * once per connection, "malformed message". `reason` is the broker's, or "". */
    void (*on_event)(void *context, const char *event, const char *endpoint, const char *reason);
    /* Before a call: a broker knows a newer timeline of the database than this process has named.
     * Or NULL. */
    void (*on_timeline)(void *context, uint64_t database, uint32_t timeline);
    /* Adds to the reply of Stats what only the program knows. Or NULL. */
    void (*stats)(void *context, sw_arena *arena, Sw__GetStatsResponse *reply);
    void *context;
} sw_server_options;

/* INVALID_ARGUMENT without an endpoint or for a capacity over 65,535; RESOURCE_EXHAUSTED without
 * memory or for more than 64 endpoints; the failures of sw_key_file_read. *server is then NULL. */
sw_code sw_server_new(sw_loop *loop, const sw_server_options *options, sw_server **server, sw_error *error);
void sw_server_destroy(sw_server **server);
sw_dispatch *sw_server_dispatch(sw_server *server);
/* The unique name of the process; lives as long as the server. */
const char *sw_server_instance(const sw_server *server);

/* Checks that every method has a handler and that every counter was added, connects and registers.
 * After a failure, destroy the server. */
sw_code sw_server_start(sw_server *server, sw_error *error);

/* Whether calls can be served. A service that is not serving stays registered, and Health reports
 * it with the reason. One that serves with limits gives a reason, too. */
void sw_server_set_serving(sw_server *server, bool serving, const char *reason);
/* The database that is used. Brokers prefer other processes if this one cannot change it, or does
 * not serve. Call it after sw_server_set_serving. */
void sw_server_set_database(sw_server *server, const sw_worker_database *database);
/* A named counter shown by Stats; the pointer is read when asked. Without memory for it, the server
 * does not start. */
void sw_server_add_counter(sw_server *server, const char *name, const uint64_t *value);
/* Begins to drain: takes no new calls, and stops the loop once none is in flight or the time is
 * over (0: the default). */
void sw_server_drain(sw_server *server, int64_t timeout_ms);
/* A new default for drains that begin later. */
void sw_server_set_drain(sw_server *server, int64_t drain_ms);
bool sw_server_is_draining(const sw_server *server);
/* Sends an event (topic and body) to all brokers and consumes the message. A broker that is away or
 * does not read misses it. */
void sw_server_publish(sw_server *server, sw_message *message);
/* The number of brokers that the server is registered with now. */
size_t sw_server_brokers(const sw_server *server);

#endif

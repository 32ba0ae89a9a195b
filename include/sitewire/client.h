/* libsitewire: calls to sitewire's services. Plain C; no global state, no signal handling, no threads of its own.
 * A client and everything it hands out belong to one thread at a time. See docs/client.md for a tour. */
#ifndef SITEWIRE_CLIENT_H
#define SITEWIRE_CLIENT_H

#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>
#include <stdint.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

typedef struct sw_client sw_client;

/* How a client behaves. Zero means the default; start from `= {.size = sizeof(sw_client_options)}`. */
typedef struct sw_client_options {
    size_t size;            /* of this struct, so that it can grow */
    int64_t timeout_ms;     /* time of a call that gives none; default 30 000 */
    int64_t connect_ms;     /* before an endpoint that does not answer is left for the next; default 2 000 */
    uint32_t retries;       /* further tries of a call that is safe to repeat; default 8; UINT32_MAX: none */
    uint32_t in_flight_max; /* calls at once; default 65 536; one more is RESOURCE_EXHAUSTED */
    size_t reply_max;       /* bytes of a reply payload; default 64 MiB */
    /* The key for tcp:// endpoints, a file as `sitewire key` makes it, of mode 0600 and ours. Default: $SITEWIRE_KEY, or
     * ~/.config/sitewire/key if that is there. "off": tcp is not encrypted. */
    const char *key_file;
} sw_client_options;

/* `endpoints`: ZeroMQ endpoints, comma-separated, in order of preference; NULL means $SITEWIRE_ENDPOINT. Connects
 * in the background: an endpoint that nobody listens on is found by calls, not here, and so is a broker that refuses our
 * key (UNAUTHENTICATED). INVALID_ARGUMENT names an endpoint that is malformed, FAILED_PRECONDITION a key file that cannot
 * be used. The caller closes the client. */
sw_code sw_client_open(const char *endpoints, const sw_client_options *options, sw_client **client,
                       sw_error *error);

/* Ends what is in flight with CANCELLED (callbacks are called), frees everything and nulls the pointer. */
void sw_client_close(sw_client **client);

typedef struct sw_metadata {
    const char *key, *value;
} sw_metadata;

/* What one call asks for. NULL or zero means the defaults. */
typedef struct sw_call_options {
    size_t size;             /* of this struct */
    int64_t timeout_ms;      /* default: the client's */
    const char *request_id;  /* default: a random UUID for methods that change something */
    const char *destination; /* default: the method's service; `@instance` for one process */
    const sw_metadata *metadata;
    size_t metadata_count;
    uint32_t credit; /* > 0: a stream; that many messages before sw_client_credit must be called */
    bool no_retry;   /* give up at the first failure */
} sw_call_options;

/* The outcome of a call, or one message of a stream. Valid during the callback, or until the next call on the
 * client for the synchronous functions. */
typedef struct sw_reply {
    sw_code code;
    const sw_error *error; /* filled in unless code is OK */
    bool final;            /* false: one message of a stream, more follow */
    const void *payload;   /* the encoded message, or the JSON text for JSON calls (NUL-terminated) */
    size_t payload_size;
    const sw_metadata *trailers;
    size_t trailer_count;
    int64_t total_us, queue_us, service_us, sql_us; /* time spent: all of it, and at each hop */
    uint32_t tries;                                 /* 1 for a call that was sent once */
    const char *endpoint;                           /* that answered, or "" */
} sw_reply;

typedef void sw_reply_fn(const sw_reply *reply, void *context);

/* The message in the reply whose callback runs, lent for as long as the reply is valid: there is nothing to free. The memory
 * is used again for the next reply, so this is also the fast way to read large ones. The end of a stream, which carries no message,
 * reads as an empty one: look at `final` first. NULL if there is none, and *error (or NULL) says why: the reply's own error if its
 * code is not OK; DATA_LOSS: cut off, nested deeper than 32, or text that is not UTF-8; RESOURCE_EXHAUSTED: no memory, or more
 * than 8 times reply_max and a megabyte; FAILED_PRECONDITION: not in the reply's callback. */
const void *sw_client_message(sw_client *client, const sw_reply *reply,
                              const ProtobufCMessageDescriptor *type, sw_error *error);

/* --- Asynchronous: start, then let the client work --- */

/* Starts a call; `fn` is called from sw_client_process, once, or for each message of a stream and once at its end.
 * The request is copied. *call_id (or NULL) is for cancel and credit. On failure `fn` is not called. */
sw_code sw_client_start(sw_client *client, const char *method, const ProtobufCMessage *request,
                        const sw_call_options *options, sw_reply_fn *fn, void *context, uint64_t *call_id,
                        sw_error *error);
/* The same with an encoded payload, and with JSON (proto3 JSON in and out; needs Reflection of the destination,
 * which is fetched once). `method` is `Service/Method`, with or without the package, or `/package.Service/Method`. */
sw_code sw_client_start_bytes(sw_client *client, const char *method, const void *payload, size_t size,
                              const sw_call_options *options, sw_reply_fn *fn, void *context,
                              uint64_t *call_id, sw_error *error);
sw_code sw_client_start_json(sw_client *client, const char *method, const char *json,
                             const sw_call_options *options, sw_reply_fn *fn, void *context,
                             uint64_t *call_id, sw_error *error);

/* Asks for the end of a call: its callback comes with CANCELLED, or with the reply that was faster. */
void sw_client_cancel(sw_client *client, uint64_t call_id);
/* Allows `messages` more of a stream. */
void sw_client_credit(sw_client *client, uint64_t call_id, uint32_t messages);

/* Does what there is to do and calls callbacks; waits for something to do timeout_ms at the most (0: not at all,
 * -1: until a callback was called or nothing is in flight). Returns the number of callbacks called. */
int sw_client_process(sw_client *client, int64_t timeout_ms);

/* Readable when sw_client_process has work: for a foreign event loop. Never read it; after starting calls, and
 * whenever it is readable, call sw_client_process(client, 0). */
int sw_client_fd(sw_client *client);
/* Calls in flight. */
size_t sw_client_in_flight(const sw_client *client);

/* --- Synchronous: one call, and wait --- */

/* *reply (or NULL) is unpacked for the caller, who frees it with protobuf_c_message_free_unpacked(m, NULL). */
sw_code sw_client_call(sw_client *client, const char *method, const ProtobufCMessage *request,
                       const ProtobufCMessageDescriptor *reply_type, ProtobufCMessage **reply,
                       const sw_call_options *options, sw_error *error);
/* *json is malloc'ed for the caller. */
sw_code sw_client_call_json(sw_client *client, const char *method, const char *request, char **json,
                            const sw_call_options *options, sw_error *error);
/* What the last synchronous call's reply said (times, trailers). */
const sw_reply *sw_client_last(const sw_client *client);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif

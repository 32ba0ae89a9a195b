/* libsitewire: calls to sitewire's services. Plain C: no global state, no signal handlers, no
 * threads of its own. A tour with examples is in docs/client.md.
 *
 * Threads: a client, and everything it hands out, may be used by one thread at a time. Different
 * clients are independent; open one for each thread.
 *
 * Ownership: what a function takes as `const` is only read, and copied where it must outlive the
 * function. What comes back through `**` belongs to the caller, unless its comment says
 * otherwise.
 *
 * Errors: a function that can fail returns a sw_code, SW_OK (0) for success. Its last argument,
 * a sw_error or NULL, gets the details of a failure. Any such function may also fail with
 * RESOURCE_EXHAUSTED, out of memory, which the comments do not repeat.
 *
 * Sizes are in bytes, times ending in _ms in milliseconds, those ending in _us in microseconds.
 * Text is UTF-8. */
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

/* --- Opening and closing --- */

/* How a client behaves. Zero or NULL means the default. Start from
 * `= {.size = sizeof(sw_client_options)}`. */
typedef struct sw_client_options {
    size_t size;            /* of this struct, so that it can grow; required */
    int64_t timeout_ms;     /* of a call that sets none; default 30 000, at most a day */
    int64_t connect_ms;     /* for an endpoint to answer; default 2 000, at most an hour */
    uint32_t retries;       /* further tries of a call; default 8; UINT32_MAX: none */
    uint32_t in_flight_max; /* calls at once; default 65 536, at most 16 777 216 */
    size_t reply_max;       /* largest payload of a reply; default 64 MiB, at most 2 GiB - 1 */
    /* The key for tcp:// endpoints: a file that `sitewire key` made, readable by this user only
     * (mode 0600 or 0400). Default: $SITEWIRE_KEY, or ~/.config/sitewire/key if it exists.
     * "off": no encryption. */
    const char *key_file;
    /* Shows the key on ipc:// endpoints, too. Otherwise the broker knows a caller there by the uid
     * of its process. */
    bool key_on_ipc;
    /* Clients are spread over the endpoints: each has an order of its own, at random. Otherwise the
     * list is in order of preference. */
    bool spread;
} sw_client_options;

/* Opens a client. `endpoints` is a comma-separated list in order of preference,
 * `tcp://HOST:PORT` or `ipc://PATH`; NULL means $SITEWIRE_ENDPOINT. The client uses the first one
 * that serves, and goes back to it when it serves again. `options` may be NULL.
 * Connects in the background and does not wait: calls find out that an endpoint does not answer
 * (UNAVAILABLE), or that a broker refuses the key (UNAUTHENTICATED). INVALID_ARGUMENT: an option
 * or an endpoint is malformed. FAILED_PRECONDITION: the key file cannot be used; the message
 * says why. On failure *client is NULL; otherwise the caller closes it. */
sw_code sw_client_open(const char *endpoints, const sw_client_options *options, sw_client **client,
                       sw_error *error);

/* Ends every call with CANCELLED, which runs its callback, then frees everything and nulls the
 * pointer. Not from a callback. NULL is fine. */
void sw_client_close(sw_client **client);

/* --- Calls and replies --- */

typedef struct sw_metadata {
    const char *key, *value;
} sw_metadata;

/* What one call asks for. Zero or NULL means the default. Start from `= {.size =
 * sizeof(sw_call_options)}`. */
typedef struct sw_call_options {
    size_t size;        /* of this struct; required */
    int64_t timeout_ms; /* until DEADLINE_EXCEEDED; default: the client's; at most a day */
    /* The services let all calls with one request_id take effect only once. 1 to 128 printable
     * ASCII characters. Default: a random UUID, unless the method is known to be read-only. */
    const char *request_id;
    const char *destination;     /* a service, or `@INSTANCE`; default: the method's service */
    const sw_metadata *metadata; /* `metadata_count` entries, at most 64; keys must not be empty */
    size_t metadata_count;
    uint32_t credit; /* > 0: a stream, which may send so many messages at first */
    bool no_retry;   /* the first failure is final */
} sw_call_options;

/* The outcome of a call, or one message of a stream. It and everything it points to are valid
 * during the callback; for sw_client_last until the next synchronous call on the client. */
typedef struct sw_reply {
    sw_code code;
    const sw_error *error; /* NULL if the code is OK */
    bool final;            /* false: one message of a stream; more follow */
    /* The encoded message; for JSON calls the text, NUL-terminated. Empty, never NULL, if there
     * is none: after a failure, and in the final reply of a stream. */
    const void *payload;
    size_t payload_size;
    const sw_metadata *trailers;
    size_t trailer_count;
    int64_t total_us;     /* since the call was started */
    int64_t queue_us;     /* of it, in the broker's queue */
    int64_t service_us;   /* in the service */
    int64_t sql_us;       /* of service_us, in SQL */
    uint32_t tries;       /* how often the call was sent */
    const char *endpoint; /* that it was sent to last, or "" */
} sw_reply;

/* Gets a reply. Runs in sw_client_process, or in sw_client_close. It may start, cancel and
 * credit calls; it must not make synchronous calls or close the client. */
typedef void sw_reply_fn(const sw_reply *reply, void *context);

/* Unpacks the message of the reply whose callback runs. The message is lent and valid as long as
 * the reply; there is nothing to free. Its memory is used again for the next reply, which makes
 * this the fastest way to read replies. The final reply of a stream reads as an empty message:
 * check `final` first. NULL on failure, with *error:
 * - the reply's own error, if its code is not OK;
 * - DATA_LOSS: the payload is cut off, nested deeper than 32, or has text that is not UTF-8;
 * - RESOURCE_EXHAUSTED: the message takes more than 1 MiB + 8 * reply_max of memory;
 * - FAILED_PRECONDITION: this reply's callback is not running. */
const void *sw_client_message(sw_client *client, const sw_reply *reply,
                              const ProtobufCMessageDescriptor *type, sw_error *error);

/* --- Asynchronous calls: start them, then let the client work --- */

/* Starts a call. `method` is `Service/Method`, `package.Service/Method` or
 * `/package.Service/Method`; the first form needs a method that was known when the library was
 * built. `request` is copied, and so are the options. `fn` is called once, and for a stream also
 * for each message before. *call_id (or NULL) gets the number for sw_client_cancel and
 * sw_client_credit; it is never 0 and not used again soon.
 *
 * On failure nothing is sent and `fn` is not called. INVALID_ARGUMENT: the method, an option or
 * the metadata. RESOURCE_EXHAUSTED: in_flight_max calls are in flight, or the request has more
 * than about 64 MiB. */
sw_code sw_client_start(sw_client *client, const char *method, const ProtobufCMessage *request,
                        const sw_call_options *options, sw_reply_fn *fn, void *context, uint64_t *call_id,
                        sw_error *error);
/* The same with a request that is encoded already. */
sw_code sw_client_start_bytes(sw_client *client, const char *method, const void *payload, size_t size,
                              const sw_call_options *options, sw_reply_fn *fn, void *context,
                              uint64_t *call_id, sw_error *error);
/* The same with proto3 JSON as request and reply. The first JSON call on a client fetches the
 * schema from the broker and its services and waits for it; so it fails as a synchronous call
 * does, and with FAILED_PRECONDITION in a callback. INVALID_ARGUMENT names the field of the JSON
 * that is wrong, UNIMPLEMENTED a method that does not exist. */
sw_code sw_client_start_json(sw_client *client, const char *method, const char *json,
                             const sw_call_options *options, sw_reply_fn *fn, void *context,
                             uint64_t *call_id, sw_error *error);

/* Asks for the end of a call. Its callback gets CANCELLED, or the reply if that is faster. Does
 * nothing if the call is over. */
void sw_client_cancel(sw_client *client, uint64_t call_id);
/* Allows a stream to send so many messages more. Does nothing if the stream is over. */
void sw_client_credit(sw_client *client, uint64_t call_id, uint32_t messages);

/* Sends, receives and calls callbacks. Waits up to timeout_ms for something to do; 0: does not
 * wait; -1: until a callback was called or no call is in flight. Returns how many callbacks it
 * called. In a callback it returns 0. */
int sw_client_process(sw_client *client, int64_t timeout_ms);

/* A descriptor for another event loop: it is readable when sw_client_process has work. Never
 * read it. Call sw_client_process(client, 0) whenever it is readable, and after starting calls.
 * It is the client's, and stays the same. -1 if there are no descriptors left. */
int sw_client_fd(sw_client *client);
/* How many calls are in flight: started, and not yet over. */
size_t sw_client_in_flight(const sw_client *client);

/* --- Synchronous calls: one at a time --- */

/* Makes a call and waits for its end; callbacks of other calls may run meanwhile. *reply (or
 * NULL) gets the message, which the caller frees with protobuf_c_message_free_unpacked(m, NULL);
 * on failure it is NULL. Fails as sw_client_start does, with the code of the reply, and with
 * DATA_LOSS if that cannot be unpacked. INVALID_ARGUMENT: a stream needs an asynchronous call.
 * FAILED_PRECONDITION: in a callback. */
sw_code sw_client_call(sw_client *client, const char *method, const ProtobufCMessage *request,
                       const ProtobufCMessageDescriptor *reply_type, ProtobufCMessage **reply,
                       const sw_call_options *options, sw_error *error);
/* The same with JSON, as sw_client_start_json. *json (or NULL) is malloc'ed for the caller; NULL
 * on failure. */
sw_code sw_client_call_json(sw_client *client, const char *method, const char *request, char **json,
                            const sw_call_options *options, sw_error *error);
/* The reply of the last synchronous call, without its payload: times, trailers, tries. Never
 * NULL. */
const sw_reply *sw_client_last(const sw_client *client);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif

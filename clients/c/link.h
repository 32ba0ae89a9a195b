/* The link to a broker: one connection at a time, to one endpoint of a list. When it is lost, or
 * cannot be made, the link goes on to the next endpoint; after each round of the list it pauses.
 * It uses a new socket for every attempt, so that what was sent over a lost connection stays
 * lost and no old reply comes in.
 *
 * The link knows no calls. It reports to its owner through sw_link_owner. Used by client.c, and
 * by send.c and receive.c for the connection. Not thread-safe. */
#ifndef SW_CLIENT_LINK_H
#define SW_CLIENT_LINK_H

#include "c/client_key.h"
#include "c/endpoints.h"
#include "c/probe/watched.h"
#include "c/random.h"
#include "net/dealer.h"

typedef enum { SW_LINK_DOWN, SW_LINK_CONNECTING, SW_LINK_UP } sw_link_state;

/* What the link reports to its owner and asks of it, always from sw_link_work or sw_link_resume. */
typedef struct sw_link_owner {
    /* Connected. */
    void (*on_up)(void *context);
    /* The connection is gone, and what was sent over it is lost. The link still names its
     * endpoint. Also comes for attempts that failed. */
    void (*on_down)(void *context);
    /* No endpoint of the list could be reached; the reason of the last one is in link->reason.
     * `refused`: a key is missing or wrong, so trying again does not help. */
    void (*on_unreachable)(void *context, bool refused);
    /* Messages may have come: reads some. True if there may be more. */
    bool (*on_readable)(void *context);
    /* When the oldest message that still waits for a reply was sent (us); SW_NEVER if none does. */
    int64_t (*waits_since)(void *context);
    void *context;
} sw_link_owner;

typedef struct sw_link_options {
    const char *endpoints; /* NULL: $SITEWIRE_ENDPOINT */
    const char *key_file;  /* NULL: the default, see client_key.h */
    bool key_on_ipc;       /* the key is shown on ipc, too */
    uint64_t spread;       /* shuffles the endpoints; 0: they are in order of preference */
    int64_t connect_ms;    /* before an endpoint that does not answer is left */
    size_t message_max;    /* bytes of a message that comes in */
    int receive_max;       /* messages that wait to be read */
    sw_random *random;     /* outlives the link */
} sw_link_options;

typedef struct sw_link {
    sw_link_owner owner;
    sw_link_options options;
    sw_endpoints endpoints;
    sw_client_key key;
    void *context; /* of libzmq */
    sw_link_state state;
    sw_dealer *dealer; /* NULL unless connecting or up */
    /* messages may wait: the descriptor says so, or libzmq was not asked since it was used */
    bool unread;
    bool held;          /* the connection will be replaced: no further calls are sent over it */
    sw_watched watched; /* the connection, in the set of sw_link_watch */
    int64_t due_us;     /* DOWN: when to try; CONNECTING: when to give up */
    uint32_t failures;  /* attempts in a row without a message from the broker */
    uint32_t refusals;  /* of these, the last ones for which a key was the cause */
    int64_t looked_us;  /* when events were last asked for */
    uint64_t heard;     /* signs of life of the peer that were counted, as of heard_us */
    int64_t heard_us;
    int64_t silent_us; /* since when the peer owes a sign of life; SW_NEVER: it owes none */
    int64_t asked_us;  /* when it was sent a ping for that; SW_NEVER: not yet */
    sw_server_choice server;
    sw_file_stamp key_stamp;
    int64_t key_us;   /* when to look at the key file again */
    bool renewed;     /* it has another key: the connection is to be replaced */
    bool excused;     /* a handshake failed while the program was away; the next failure counts */
    char reason[240]; /* why the last attempt or connection ended; "" at first */
} sw_link;

/* Starts nothing yet: the first sw_link_work connects. INVALID_ARGUMENT names the endpoint that
 * is malformed, FAILED_PRECONDITION the key file that cannot be used. Destroy it also after a
 * failure. */
sw_code sw_link_init(sw_link *link, const sw_link_options *options, const sw_link_owner *owner,
                     sw_error *error);
void sw_link_destroy(sw_link *link);

/* Handles what happened to the connection, and what is due. `look`: its second descriptor is
 * ready; otherwise events are looked for now and then. True if something changed. */
bool sw_link_work(sw_link *link, bool look, int64_t now_us);
/* To be called before the first message after a pause: replaces a connection that was lost
 * meanwhile, so that the message is not lost with it. Not while calls are pending. */
void sw_link_resume(sw_link *link, int64_t now_us);
/* When sw_link_work must be called at the latest; SW_NEVER: not before something happens. */
int64_t sw_link_due_us(const sw_link *link);

/* Opens a connection to an endpoint as the link itself does; NULL with an errno. The caller owns
 * it. `server` outlives it. */
sw_dealer *sw_link_open_dealer(sw_link *link, size_t endpoint, sw_server_choice *server);
/* Leaves the connection, and goes to another endpoint. */
void sw_link_go_to(sw_link *link, size_t endpoint, const char *reason, int64_t now_us);
/* Replaces the connection by one that is up, and now belongs to the link. */
void sw_link_adopt(sw_link *link, size_t endpoint, sw_dealer *dealer, const sw_server_choice *server,
                   int64_t now_us);

/* Sends, and consumes the message in any case. False if it did not leave. */
bool sw_link_send(sw_link *link, sw_message *message);
/* The broker refuses the key. True if the key file has another one by now: the link connects again
 * with that, as soon as nothing waits for a reply, or in half a second. */
bool sw_link_renew(sw_link *link, int64_t now_us);
/* A message was received, so the endpoint is alive. */
void sw_link_heard(sw_link *link);

/* The endpoint in use, or tried now. */
const char *sw_link_endpoint(const sw_link *link);
/* Lets an epoll set watch the connection, now and after it was replaced. */
void sw_link_watch(sw_link *link, int epoll);
/* The set follows what the connection waits for; to be called after it was used. */
void sw_link_update_watch(sw_link *link);

#endif

/* Who calls, and what they may call. A caller with CURVE is identified by its public key, one on
 * ipc without it by its uid; the user service says which user that is. auth.c says who comes in and
 * judges callers, user_query.c asks the user service. Pure functions of time: callers pass
 * `now_us`. Used by the files of io/. */
#ifndef SW_BROKER_AUTH_H
#define SW_BROKER_AUTH_H

#include "broker/auth/caller.h"
#include "broker/auth/local_users.h"
#include "broker/auth/offers.h"
#include "broker/auth/refusal_report.h"
#include "broker/auth/refusals.h"
#include "broker/auth/user_query.h"
#include "broker/options.h"
#include "cert/cert_store.h"

/* Whoever owns the auth. `context` is passed to all functions. */
typedef struct sw_auth_owner {
    void *context;
    /* As in sw_user_query_owner: sends a call of the broker itself. */
    bool (*call)(void *context, const sw_call_header *header, const ProtobufCMessage *request);
    /* The verdict or the rights of an identity may have changed. */
    void (*changed)(void *context, sw_identity *identity);
    /* Ends the connection of a caller that stays refused. */
    void (*cut)(void *context, sw_caller *caller);
} sw_auth_owner;

typedef struct sw_auth {
    sw_auth_owner owner;
    const sw_core *core;
    sw_key_file key; /* the broker's own; empty: nobody can use CURVE */
    uint8_t secret_key[32];
    bool is_curve; /* tcp demands CURVE */
    int64_t cache_us;
    int64_t now_us; /* of the last sw_auth_idle or reply */
    sw_local_users local_users;
    sw_identities identities;
    sw_refusals refusals;
    sw_refusal_report report;
    sw_offers offers;
    sw_user_query query;
    sw_cert_store *services; /* the keys that may serve; NULL: none */
    int64_t check_us;        /* when to ask again about identities that are connected */
    /* of the core, when it was last seen whether the user service is there */
    uint64_t epoch;
    uint64_t calls_refused, known; /* for Stats; known: identities */
    char said[128];                /* the last reason that was put together */
} sw_auth;

/* Reads the options. INVALID_ARGUMENT or FAILED_PRECONDITION names the option at fault. `secret`
 * seeds hashes; the options must outlive the auth. */
sw_code sw_auth_open(sw_auth *auth, const sw_auth_owner *owner, const sw_broker_options *options,
                     const sw_core *core, uint64_t secret, sw_error *error);
/* Handshakes from now on use that key. */
void sw_auth_set_key(sw_auth *auth, const sw_key_file *key);
/* After all connections are closed. Accepts what open left half-built, and an auth of zeros. */
void sw_auth_close(sw_auth *auth);
/* Once per round: asks the user service about what is due, cuts off the refused, forgets the
 * absent. */
void sw_auth_idle(sw_auth *auth, int64_t now_us);
/* When sw_auth_idle has something to do at the latest. */
int64_t sw_auth_next_us(const sw_auth *auth);
/* The reply to owner.call, or its failure: see user_query.h. */
void sw_auth_reply(sw_auth *auth, uint64_t call_id, sw_view header, sw_view payload, int64_t now_us);
void sw_auth_failed(sw_auth *auth, uint64_t call_id, int64_t now_us);

/* The key with which a listener for tcp, or for ipc, offers CURVE; NULL: it does not. */
const uint8_t *sw_auth_secret_key(const sw_auth *auth, bool is_network);

/* A caller whose handshake is done: finds its identity. With CURVE its key needs a good verdict to
 * come in. Without, it comes in and its calls are judged: the kernel vouches for a local user while
 * the user service is away. */
sw_admission sw_auth_admit(sw_auth *auth, sw_caller *caller, int64_t now_us);
/* The same for a subscriber, who needs a good verdict in any case. `uid` counts if `key` is empty.
 * *identity is set unless it is refused at once. */
sw_admission sw_auth_admit_subscriber(sw_auth *auth, sw_waiter *waiter, sw_view key, int64_t uid,
                                      sw_identity **identity, int64_t now_us);
/* The same for a service or a publisher with CURVE, whose key must be in --service-keys. `address`
 * is for the log. */
sw_admission sw_auth_admit_service(sw_auth *auth, const char *key, const char *address);
/* The names of services in the certificate of a key, for the caller to free; NULL when out of
 * memory. "" without a certificate. */
char *sw_auth_names_of(sw_auth *auth, const char *key);
/* Whether a publisher may publish events of a package; `names` as above. If not, logs that. */
bool sw_auth_may_publish(sw_auth *auth, const sw_caller *publisher, const char *names, sw_view package);
/* Whether nothing that it sends may cost more than a stranger's. */
bool sw_auth_is_stranger(const sw_auth *auth, const sw_caller *caller);
/* Whether the user service is being asked about the caller and nothing is known: its calls wait. A
 * verdict that is no longer confirmed is asked for. */
bool sw_auth_is_pending(sw_auth *auth, const sw_caller *caller, int64_t now_us);
/* Whether the caller may call a service at a target (usually the service itself, or an
 * instance). SW_ANSWER_NONE if so, otherwise the answer to give. */
sw_answer sw_auth_judge(sw_auth *auth, const sw_caller *caller, sw_view service, sw_view target,
                        int64_t now_us);
/* What the text of an answer of sw_auth_judge quotes; `otherwise` for other answers. Valid until
 * the next call. */
sw_view sw_auth_reason(sw_auth *auth, const sw_caller *caller, sw_answer answer, sw_view otherwise);
/* Fills in what a service learns about the caller; NULL: the broker itself. */
void sw_auth_hand_over(const sw_auth *auth, const sw_caller *caller, sw_handover *handover, int64_t now_us);

/* Whether a worker may offer a service. If not, counts and logs that, and fills in the reason. */
bool sw_auth_may_offer(sw_auth *auth, const sw_caller *worker, sw_view service, sw_error *error);

#endif

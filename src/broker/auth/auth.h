/* Who calls, and whether it may. On tcp a caller is its public key, on ipc its uid; the user service says which user
 * that is. auth.c judges peers and their calls, ask.c asks the user service, zap.c answers libzmq's question whether a
 * connection may come in. Used by frontend.c, send.c, self.c, listen.c and loop.c. */
#ifndef SW_BROKER_AUTH_H
#define SW_BROKER_AUTH_H

#include "broker/core/core.h"
#include "broker/io/peer.h"
#include "net/keyfile.h"

struct sw_broker;

#define SW_ZAP_BACKEND  "backend"
#define SW_ZAP_FRONTEND "frontend"
#define SW_ZAP_EVENTS   "events"
#define SW_ZAP_PUBLISH  "publish"

#define SW_LOCAL_USERS_MAX 64

typedef struct sw_local_user {
    int64_t uid; /* -1: any other */
    char user[SW_USER_MAX + 1];
} sw_local_user;

typedef struct sw_auth {
    sw_key_file key; /* the broker's own; empty without CURVE */
    bool is_curve;   /* tcp is encrypted, and its peers are known by their keys */
    sw_local_user local_users[SW_LOCAL_USERS_MAX];
    size_t local_user_count;
    sw_identities identities;
    /* ask.c */
    uint32_t client; /* the core's number of the broker as a client */
    uint64_t call_id;
    bool asking;
    int64_t check_us; /* when those who are connected are asked about again */
    uint64_t epoch;   /* of the core when it was last looked whether the service is there */
    sw_identity *asked[1000];
    size_t asked_count;
    char trouble[SW_REASON_MAX + 1]; /* why the service could not be asked; empty: it could */
    /* zap.c */
    void *zap;
    bool zap_unread; /* something was sent since it was last found empty */
    uint64_t calls_refused, connections_refused;
    uint64_t known; /* identities */
    int64_t log_us; /* a second of log lines begins anew */
    unsigned logged;
    char said[128]; /* the last reason that was put together */
} sw_auth;

/* INVALID_ARGUMENT or FAILED_PRECONDITION names the option at fault. Before any socket is bound. */
sw_code sw_auth_open(struct sw_broker *broker, sw_error *error);
/* After the sockets are closed: libzmq lets everybody in without a handler. */
void sw_auth_close(struct sw_broker *broker);
/* Once per round. */
void sw_auth_idle(struct sw_broker *broker);
/* When sw_auth_idle has something to do at the latest. */
int64_t sw_auth_next_us(const struct sw_broker *broker);

/* --- auth.c --- */

/* The peer's first message: who it is. */
void sw_auth_meet(struct sw_broker *broker, sw_peer *peer);
/* Whether the user service is being asked about the peer and nothing is known meanwhile: its calls wait then. */
bool sw_auth_is_pending(const struct sw_broker *broker, const sw_peer *peer);
/* Whether a peer may call a service at a target (a service, the same mostly, or an instance): SW_ANSWER_NONE, or what to answer. */
sw_answer sw_auth_judge(struct sw_broker *broker, const sw_peer *peer, sw_view service, sw_view target);
/* What an answer of sw_auth_judge quotes; `otherwise` for other answers. */
sw_view sw_auth_reason(struct sw_broker *broker, const sw_peer *peer, sw_answer answer, sw_view otherwise);
/* What services are told of the sender of a call, whose token that is. */
void sw_auth_hand_over(struct sw_broker *broker, const void *token, sw_handover *handover);
/* The service has spoken of it, or could not be asked: whoever waits for that goes on. */
void sw_auth_told(struct sw_broker *broker, sw_identity *identity);

/* Who a plain peer with that uid is, -1 on tcp; empty: nobody. */
sw_view sw_auth_plain_user(const struct sw_broker *broker, int64_t uid);

/* Counts and logs somebody who is not let in. */
void sw_auth_log_refusal(struct sw_broker *broker, const char *what, sw_view key, const char *address,
                         const char *reason);
/* Logs a subscription to what somebody may not read. */
void sw_auth_log_subscription(struct sw_broker *broker, const sw_identity *identity, const char *topic);

/* --- ask.c --- */

/* Asks about those that are due, unless an answer is awaited. */
void sw_auth_ask(struct sw_broker *broker);
/* REPLY or ANSWER to the broker as a client. */
void sw_auth_answered(struct sw_broker *broker, const sw_action *action);

/* --- zap.c --- */

sw_code sw_zap_open(struct sw_broker *broker, sw_error *error);
void sw_zap_close(struct sw_broker *broker);
/* Reads what was swallowed by sending. */
void sw_zap_idle(struct sw_broker *broker);
/* Ends the handshakes that wait for the verdict on an identity. */
void sw_zap_release(struct sw_broker *broker, sw_identity *identity);

#endif

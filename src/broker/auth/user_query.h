/* Asks the user service about identities: which user has this key, what is that user's profile,
 * which projects may it read? One call at a time, about all identities that wait for an answer.
 * Used by auth.c. */
#ifndef SW_BROKER_USER_QUERY_H
#define SW_BROKER_USER_QUERY_H

#include "broker/auth/identity.h"
#include "broker/core/core.h"
#include <protobuf-c/protobuf-c.h>

#define SW_USER_QUERY_MAX 1000 /* identities in one call */

/* Whoever owns the query. `context` is passed to both functions. */
typedef struct sw_user_query_owner {
    void *context;
    /* Sends a call of the broker itself; false if that failed. The reply comes back through
     * sw_user_query_reply or sw_user_query_failed, never during this function. */
    bool (*call)(void *context, const sw_call_header *header, const ProtobufCMessage *request);
    /* The service has answered about this identity, or cannot be asked: whatever waited for the
     * verdict goes on. */
    void (*decided)(void *context, sw_identity *identity);
} sw_user_query_owner;

typedef struct sw_user_query {
    sw_user_query_owner owner;
    const sw_core *core;
    sw_identities *identities;
    int64_t cache_us; /* how long a verdict holds without confirmation */
    uint64_t call_id; /* of the last call */
    bool is_running;
    sw_identity *asked[SW_USER_QUERY_MAX];
    size_t asked_count;
    char trouble[SW_REASON_MAX + 1]; /* why the service could not be asked; "": it could */
} sw_user_query;

/* Asks about the identities that are due, unless a call is running. */
void sw_user_query_start(sw_user_query *query, int64_t now_us);
/* The final reply to the call with that id. Ignored if it is not the running call. */
void sw_user_query_reply(sw_user_query *query, uint64_t call_id, sw_view header, sw_view payload,
                         int64_t now_us);
/* The call ended without a reply of the service. */
void sw_user_query_failed(sw_user_query *query, uint64_t call_id, int64_t now_us);

#endif

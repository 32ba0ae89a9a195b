/* The broker as a client of the user service (user_query.h). */
#include "broker/auth/user_query.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "sitewire/user/v1/user.pb-c.h"
#include <stdio.h>

#define SERVICE "sitewire.user.v1.Users"
#define METHOD  "/" SERVICE "/Authenticate"
#define TIME_MS 1500 /* less than clients wait for a handshake */

/* --- the question --- */

/* Nobody can be asked: whatever waits goes on with what is known. */
static void give_up(sw_user_query *query)
{
    for (sw_identity *each; (each = sw_identity_next_due(query->identities)) != NULL;)
        query->owner.decided(query->owner.context, each);
}

static void collect_due(sw_user_query *query, int64_t now_us)
{
    sw_identity *each;
    query->asked_count = 0;
    while (query->asked_count < SW_USER_QUERY_MAX &&
           (each = sw_identity_next_due(query->identities)) != NULL) {
        each->asked = true;
        each->asked_projects = sw_identity_is_subscribing(each, now_us);
        query->asked[query->asked_count++] = each;
    }
}

static bool send_call(sw_user_query *query)
{
    Sw__AuthenticateRequest request = SW__AUTHENTICATE_REQUEST__INIT;
    char *keys[SW_USER_QUERY_MAX], *users[SW_USER_QUERY_MAX], *subscribers[SW_USER_QUERY_MAX];
    request.public_keys = keys;
    request.users = users;
    request.subscribers = subscribers;
    for (size_t i = 0; i < query->asked_count; i++) {
        sw_identity *each = query->asked[i];
        *(each->is_user ? &users[request.n_users++] : &keys[request.n_public_keys++]) = each->name;
        if (each->asked_projects)
            subscribers[request.n_subscribers++] = each->name;
    }
    sw_call_header header = {.method = SW_VIEW(METHOD), .call_id = query->call_id, .time_left_ms = TIME_MS};
    return query->owner.call(query->owner.context, &header, &request.base);
}

void sw_user_query_start(sw_user_query *query, int64_t now_us)
{
    if (query->is_running || query->identities->first_due == NULL)
        return;
    if (!sw_core_is_serving(query->core, SW_VIEW(SERVICE))) {
        snprintf(query->trouble, sizeof(query->trouble), "no user service is connected to this broker");
        give_up(query);
        return;
    }
    collect_due(query, now_us);
    query->call_id++;
    query->is_running = true;
    if (!send_call(query))
        sw_user_query_failed(query, query->call_id, now_us);
}

/* --- the answer --- */

static int64_t expiry_us(const Sw__Identity *item, int64_t now_us)
{
    const int64_t far_s = INT64_MAX / 4000000;
    if (item->expires_at == NULL || item->expires_at->seconds > far_s || item->expires_at->seconds < -far_s)
        return SW_NEVER;
    return now_us + item->expires_at->seconds * 1000000 + item->expires_at->nanos / 1000 - sw_wall_us();
}

static void take_item(sw_user_query *query, const Sw__Identity *item, int64_t now_us)
{
    bool is_user = sw_view_of(item->public_key).size == 0;
    sw_identity *identity =
        sw_identities_find(query->identities, sw_view_of(is_user ? item->user : item->public_key), is_user);
    if (identity == NULL || !identity->asked)
        return;
    const sw_identity_report report = {
        .user = sw_view_of(item->user),
        .admin = sw_view_equal(sw_view_of(item->profile), SW_VIEW("ADMIN")),
        .has_profile = sw_view_equal(sw_view_of(item->profile), SW_VIEW("USER")),
        .enrolls = item->has_enrolls && item->enrolls,
        .reason = sw_view_of(item->refused),
        .until_us = now_us + query->cache_us,
        .expires_us = expiry_us(item, now_us),
        .has_projects = identity->asked_projects,
        .reads_everything = item->reads_everything,
        .projects = item->projects,
        .project_count = item->n_projects,
    };
    sw_identity_update(identity, &report, now_us);
}

/* False if it is not an answer; `trouble` says why. */
static bool take_reply(sw_user_query *query, sw_view bytes, sw_view payload, int64_t now_us)
{
    static const char malformed[] = "the user service sent a malformed reply";
    sw_reply_header header;
    if (!sw_reply_header_decode(bytes.data, bytes.size, &header)) {
        snprintf(query->trouble, sizeof(query->trouble), "%s", malformed);
        return false;
    }
    if (header.code != SW_OK) {
        snprintf(query->trouble, sizeof(query->trouble), "the user service says %s: %.*s",
                 sw_code_name(header.code),
                 (int)sw_utf8_cut(header.message.data, header.message.size, SW_REASON_MAX / 2),
                 header.message.size > 0 ? header.message.data : "");
        return false;
    }
    Sw__AuthenticateResponse *reply =
        sw__authenticate_response__unpack(NULL, payload.size, (const uint8_t *)payload.data);
    if (reply == NULL) {
        snprintf(query->trouble, sizeof(query->trouble), "%s", malformed);
        return false;
    }
    for (size_t i = 0; i < reply->n_items; i++)
        take_item(query, reply->items[i], now_us);
    sw__authenticate_response__free_unpacked(reply, NULL);
    query->trouble[0] = '\0';
    return true;
}

static void finish(sw_user_query *query, bool good, int64_t now_us)
{
    query->is_running = false;
    for (size_t i = 0; i < query->asked_count; i++) {
        query->asked[i]->asked = false;
        query->owner.decided(query->owner.context, query->asked[i]);
    }
    query->asked_count = 0;
    if (!good)
        give_up(query);
    sw_user_query_start(query, now_us); /* about those that came meanwhile */
}

void sw_user_query_reply(sw_user_query *query, uint64_t call_id, sw_view header, sw_view payload,
                         int64_t now_us)
{
    if (query->is_running && call_id == query->call_id)
        finish(query, take_reply(query, header, payload, now_us), now_us);
}

void sw_user_query_failed(sw_user_query *query, uint64_t call_id, int64_t now_us)
{
    if (!query->is_running || call_id != query->call_id)
        return;
    snprintf(query->trouble, sizeof(query->trouble), "the user service does not answer");
    finish(query, false, now_us);
}

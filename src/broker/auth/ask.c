/* The broker as a client of the user service: whose keys are these, and who are these users? One call at a time, about
 * everybody who waits for an answer. */
#include "broker/io/broker.h"

#include "base/clock.h"
#include "base/utf8.h"
#include "sitewire/user/v1/user.pb-c.h"
#include <stdlib.h>
#include <string.h>

#define SERVICE "sitewire.user.v1.Users"
#define METHOD  "/" SERVICE "/Authenticate"
#define TIME_MS 1500 /* less than clients wait for a handshake */
#define ASKED   (sizeof(((sw_auth *)NULL)->asked) / sizeof(sw_identity *))

/* Nobody can be asked: those who wait go on with what is known. */
static void give_up(sw_broker *broker)
{
    for (sw_identity *each; (each = sw_identity_next_due(&broker->auth.identities)) != NULL;)
        sw_auth_told(broker, each);
}

static bool pack(sw_live *live, const sw_auth *auth, const sw_call_header *header)
{
    Sw__AuthenticateRequest request = SW__AUTHENTICATE_REQUEST__INIT;
    char *keys[ASKED], *users[ASKED], *subscribers[ASKED];
    request.public_keys = keys;
    request.users = users;
    request.subscribers = subscribers;
    for (size_t i = 0; i < auth->asked_count; i++) {
        sw_identity *each = auth->asked[i];
        *(each->is_user ? &users[request.n_users++] : &keys[request.n_public_keys++]) = each->name;
        if (each->asked_projects)
            subscribers[request.n_subscribers++] = each->name;
    }
    uint8_t bytes[256];
    size_t size = sw_call_header_encode(header, bytes, sizeof(bytes));
    sw_message *message = &live->message;
    zmq_msg_init(&message->frames[0]);
    message->count = 1;
    if (!sw_message_add(message, bytes, size) ||
        zmq_msg_init_size(&message->frames[2], sw__authenticate_request__get_packed_size(&request)) != 0)
        return false;
    message->count = 3;
    sw__authenticate_request__pack(&request, zmq_msg_data(&message->frames[2]));
    sw_body *body = &live->body;
    body->header = sw_message_view(message, 1);
    body->payload = sw_message_view(message, 2);
    body->frames = &message->frames[2];
    body->count = 1;
    body->payload_frame = 0;
    body->framing = SW_FRAMING_COMPACT;
    return true;
}

void sw_auth_ask(sw_broker *broker)
{
    sw_auth *auth = &broker->auth;
    if (auth->asking || auth->identities.first_due == NULL)
        return;
    sw_live *live = sw_core_is_serving(broker->core, SW_VIEW(SERVICE)) ? sw_pool_take(&broker->pool) : NULL;
    if (live == NULL) {
        snprintf(auth->trouble, sizeof(auth->trouble), "no user service is connected to this broker");
        give_up(broker);
        return;
    }
    auth->asked_count = 0;
    for (sw_identity *each;
         auth->asked_count < ASKED && (each = sw_identity_next_due(&auth->identities)) != NULL;) {
        each->asked = true;
        each->asked_projects = sw_identity_is_subscribing(each, broker->now_us);
        auth->asked[auth->asked_count++] = each;
    }
    sw_call_header header = {.method = SW_VIEW(METHOD), .call_id = ++auth->call_id, .time_left_ms = TIME_MS};
    sw_core_request request = {.client = auth->client,
                               .framing = SW_FRAMING_COMPACT,
                               .call_id = auth->call_id,
                               .time_left_ms = TIME_MS,
                               .service = SW_VIEW(SERVICE),
                               .body = &live->body};
    auth->asking = true;
    if (!pack(live, auth, &header)) {
        sw_core_refuse(broker->core, &request, SW_ANSWER_BROKER_FULL);
        return;
    }
    request.bytes = live->body.header.size + live->body.payload.size;
    uint64_t route = sw_core_request_in(broker->core, &request, broker->now_us);
    sw_body *packed = route == 0 ? NULL : sw_body_pack(&broker->pool, &live->body);
    if (packed != NULL)
        sw_core_hold(broker->core, route, packed);
}

/* --- the answer --- */

static int64_t expiry_us(const sw_broker *broker, const Sw__Identity *item)
{
    const int64_t far_s = INT64_MAX / 4000000;
    if (item->expires_at == NULL || item->expires_at->seconds > far_s || item->expires_at->seconds < -far_s)
        return SW_NEVER;
    return broker->now_us + item->expires_at->seconds * 1000000 + item->expires_at->nanos / 1000 -
           sw_wall_us();
}

static void take_item(sw_broker *broker, const Sw__Identity *item)
{
    bool is_user = sw_view_of(item->public_key).size == 0;
    sw_identity *identity = sw_identities_find(&broker->auth.identities,
                                               sw_view_of(is_user ? item->user : item->public_key), is_user);
    if (identity == NULL || !identity->asked)
        return;
    const sw_told told = {.user = sw_view_of(item->user),
                          .admin = sw_view_equal(sw_view_of(item->profile), SW_VIEW("ADMIN")),
                          .has_profile = sw_view_equal(sw_view_of(item->profile), SW_VIEW("USER")),
                          .reason = sw_view_of(item->refused),
                          .until_us = broker->now_us + broker->options->auth_cache_ms * 1000,
                          .expires_us = expiry_us(broker, item),
                          .tells_projects = identity->asked_projects,
                          .projects = item->projects,
                          .project_count = item->n_projects};
    sw_identity_tell(identity, &told, broker->now_us);
}

/* False, and why, if it is no answer. */
static bool take_answer(sw_broker *broker, const sw_action *action)
{
    sw_auth *auth = &broker->auth;
    const sw_body *body = action->body;
    sw_reply_header header;
    if (action->kind == SW_ACTION_ANSWER) {
        snprintf(auth->trouble, sizeof(auth->trouble), "the user service does not answer");
        return false;
    }
    if (!sw_reply_header_decode(body->header.data, body->header.size, &header)) {
        snprintf(auth->trouble, sizeof(auth->trouble), "the user service answers with something else");
        return false;
    }
    if (header.code != SW_OK) {
        snprintf(auth->trouble, sizeof(auth->trouble), "the user service says %s: %.*s",
                 sw_code_name(header.code),
                 (int)sw_utf8_cut(header.message.data, header.message.size, SW_REASON_MAX / 2),
                 header.message.size > 0 ? header.message.data : "");
        return false;
    }
    Sw__AuthenticateResponse *reply =
        sw__authenticate_response__unpack(NULL, body->payload.size, (const uint8_t *)body->payload.data);
    if (reply == NULL) {
        snprintf(auth->trouble, sizeof(auth->trouble), "the user service answers with something else");
        return false;
    }
    for (size_t i = 0; i < reply->n_items; i++)
        take_item(broker, reply->items[i]);
    sw__authenticate_response__free_unpacked(reply, NULL);
    auth->trouble[0] = '\0';
    return true;
}

void sw_auth_answered(sw_broker *broker, const sw_action *action)
{
    sw_auth *auth = &broker->auth;
    if (!auth->asking || action->call_id != auth->call_id ||
        (action->kind == SW_ACTION_REPLY && !action->final))
        return;
    bool good = take_answer(broker, action);
    auth->asking = false;
    for (size_t i = 0; i < auth->asked_count; i++) {
        auth->asked[i]->asked = false;
        sw_auth_told(broker, auth->asked[i]);
    }
    auth->asked_count = 0;
    if (!good)
        give_up(broker);
    sw_auth_ask(broker); /* about those who came meanwhile */
}

/* Handshakes and their answers (zap.h). */
#include "broker/auth/zap.h"

#include "base/clock.h"
#include "base/error.h"
#include "net/keyfile.h"
#include "wire/frame.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FRESH_US 1000000 /* a younger verdict is not asked for again */

enum { ROUTE, EMPTY, VERSION, REQUEST_ID, DOMAIN, ADDRESS, ROUTING_ID, MECHANISM, KEY, FRAMES };

/* UNKNOWN: nobody could be asked; the peer tries again */
typedef enum { GOOD, REFUSED, UNKNOWN } outcome;

/* A handshake that waits for its answer. */
typedef struct sw_zap_request {
    struct sw_zap_request *next;
    bool subscribes; /* it is a subscriber's: a refusal must be said now */
    size_t route_size, id_size;
    uint8_t route[32], id[32];
} sw_zap_request;

/* `user` becomes the User-Id of the peer's messages. */
static void answer(sw_zap *zap, const sw_zap_request *request, outcome result, sw_view user)
{
    static const char *const codes[] = {[GOOD] = "200", [REFUSED] = "400", [UNKNOWN] = "300"};
    static const char *const texts[] = {[GOOD] = "OK", [REFUSED] = "refused", [UNKNOWN] = "try again"};
    sw_message out = {.count = 0};
    const char *code = codes[result], *text = texts[result];
    user = result == GOOD ? user : (sw_view){0};
    bool built = sw_message_add(&out, request->route, request->route_size) && sw_message_add(&out, NULL, 0) &&
                 sw_message_add(&out, "1.0", 3) && sw_message_add(&out, request->id, request->id_size) &&
                 sw_message_add(&out, code, 3) && sw_message_add(&out, text, strlen(text)) &&
                 sw_message_add(&out, user.data, user.size) && sw_message_add(&out, NULL, 0);
    /* Sending fails if the handshake has ended meanwhile. */
    if (!built || sw_message_send(zap->socket, &out) != 0)
        sw_message_close(&out);
    zap->unread = true;
}

/* --- requests --- */

static void wait_for_verdict(sw_zap *zap, sw_zap_request *request, sw_view name, bool is_user)
{
    int64_t now_us = sw_now_us();
    sw_identity *identity =
        name.size == 0 ? NULL : sw_identities_find_or_add(zap->identities, name, is_user, now_us);
    if (identity == NULL) { /* nobody that we know, or out of memory */
        answer(zap, request, name.size == 0 ? REFUSED : UNKNOWN, name);
        free(request);
        return;
    }
    request->next = identity->waiting;
    identity->waiting = request;
    bool fresh = identity->verdict == SW_VERDICT_GOOD && now_us - identity->confirmed_us < FRESH_US;
    if (request->subscribes) {
        identity->subscribed_us = now_us;
        fresh = fresh && identity->knows_projects;
    }
    if (fresh)
        sw_zap_release(zap, identity, now_us);
    else if (!identity->asked || (request->subscribes && !identity->asked_projects))
        sw_identity_ask(zap->identities, identity);
}

static outcome judge(sw_identity *identity, const sw_zap_request *request, int64_t now_us)
{
    if (!request->subscribes || sw_identity_may_subscribe(identity, now_us))
        return GOOD;
    return sw_identity_verdict(identity, now_us) == SW_VERDICT_REFUSED ? REFUSED : UNKNOWN;
}

/* A subscriber keeps waiting if the answer came without projects and the next one is on its way. */
void sw_zap_release(sw_zap *zap, sw_identity *identity, int64_t now_us)
{
    sw_zap_request *next = identity->waiting;
    identity->waiting = NULL;
    for (sw_zap_request *request; (request = next) != NULL;) {
        next = request->next;
        outcome result = judge(identity, request, now_us);
        if (result == UNKNOWN && identity->due) {
            request->next = identity->waiting;
            identity->waiting = request;
            continue;
        }
        answer(zap, request, result, sw_view_of(identity->name));
        free(request);
    }
}

static bool copy_view(uint8_t to[32], size_t *size, sw_view from)
{
    *size = from.size;
    if (from.size > 32)
        return false;
    if (from.size > 0)
        memcpy(to, from.data, from.size);
    return true;
}

/* The uid in the address of an ipc connection, HOST:UID:GID:PID; -1 on tcp. */
static int64_t uid_of(sw_view address)
{
    char text[256];
    unsigned uid, gid, pid;
    int end = 0;
    snprintf(text, sizeof(text), "%.*s", (int)(address.size < 255 ? address.size : 255),
             address.size > 0 ? address.data : "");
    const char *colon = strchr(text, ':');
    if (colon == NULL || sscanf(colon, ":%u:%u:%u%n", &uid, &gid, &pid, &end) != 3 || colon[end] != '\0')
        return -1;
    return uid;
}

static void handle_service(sw_zap *zap, sw_zap_request *request, const char *key, sw_view from)
{
    sw_error error = {.message = "no --service-keys were given"};
    bool good = zap->services != NULL && sw_cert_store_find(zap->services, key, &error) == SW_OK;
    if (!good) {
        char address[64];
        snprintf(address, sizeof(address), "%.*s", (int)(from.size < 60 ? from.size : 60), from.data);
        sw_refusals_connection(zap->refusals, "service refused", sw_view_of(key), address, error.message,
                               sw_now_us());
    }
    answer(zap, request, good ? GOOD : REFUSED, sw_view_of(key));
    free(request);
}

static void handle(sw_zap *zap, const sw_message *message)
{
    sw_view domain = sw_message_view(message, DOMAIN), key = sw_message_view(message, KEY);
    sw_view mechanism = sw_message_view(message, MECHANISM), address = sw_message_view(message, ADDRESS);
    bool curve = message->count == FRAMES && key.size == 32 && sw_view_equal(mechanism, SW_VIEW("CURVE"));
    bool plain = message->count == KEY && sw_view_equal(mechanism, SW_VIEW("NULL"));
    sw_zap_request *request = calloc(1, sizeof(*request));
    if (request == NULL || !(curve || plain) ||
        !copy_view(request->route, &request->route_size, sw_message_view(message, ROUTE)) ||
        !copy_view(request->id, &request->id_size, sw_message_view(message, REQUEST_ID))) {
        free(request); /* libzmq sends no such request; the handshake will time out */
        return;
    }
    char text[SW_KEY_SIZE] = "";
    if (curve)
        sw_key_to_text(key.data, text);
    request->subscribes = sw_view_equal(domain, SW_VIEW(SW_ZAP_EVENTS));
    if (plain)
        wait_for_verdict(zap, request, sw_local_users_plain(zap->local_users, uid_of(address)), true);
    else if (request->subscribes || sw_view_equal(domain, SW_VIEW(SW_ZAP_FRONTEND)))
        wait_for_verdict(zap, request, sw_view_of(text), false);
    else
        handle_service(zap, request, text, address);
}

static void read_all(void *context, short ready)
{
    (void)ready;
    sw_zap *zap = context;
    sw_message message;
    while (sw_message_recv(zap->socket, &message) == 0) {
        handle(zap, &message);
        sw_message_close(&message);
    }
    zap->unread = false;
}

void sw_zap_idle(sw_zap *zap)
{
    while (zap->unread)
        read_all(zap, ZMQ_POLLIN);
}

sw_code sw_zap_open(sw_zap *zap, void *context, sw_error *error)
{
    const int none = 0;
    zap->socket = zmq_socket(context, ZMQ_ROUTER);
    if (zap->socket == NULL || zmq_setsockopt(zap->socket, ZMQ_LINGER, &none, sizeof(none)) != 0 ||
        zmq_bind(zap->socket, "inproc://zeromq.zap.01") != 0)
        return sw_fail(error, SW_INTERNAL, "cannot make the socket for ZAP: %s", zmq_strerror(zmq_errno()));
    sw_code code = sw_loop_fd(zap->loop, sw_socket_fd(zap->socket), ZMQ_POLLIN, read_all, zap);
    if (code != SW_OK)
        return sw_fail(error, code, "cannot watch the socket for ZAP");
    read_all(zap, ZMQ_POLLIN); /* its descriptor signals nothing before the first read */
    return SW_OK;
}

void sw_zap_close(sw_zap *zap)
{
    if (zap->socket == NULL)
        return;
    sw_loop_remove_fd(zap->loop, sw_socket_fd(zap->socket));
    zmq_close(zap->socket);
    zap->socket = NULL;
}

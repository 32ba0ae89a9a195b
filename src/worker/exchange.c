/* The messages of a connection to a broker: requests in, replies out, in both framings. */
#include "worker/connection.h"

#include "rpc/reply.h"
#include "sitewire/rpc/v1/rpc.pb-c.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define RECEIVE_MAX 256                 /* messages of libzmq per wakeup; then it is others' turn */
#define KEPT_MAX    (64U * 1024 * 1024) /* bytes kept for a broker that does not read */
#define KEPT_SPARE  (4U * 1024 * 1024)  /* of them, reserved for small messages */
#define ADDRESS_MAX 255                 /* bytes of an MDP address */

/* --- In --- */

static void complain(sw_connection *connection)
{
    sw_registration *r = connection->registration;
    r->malformed_frames++;
    if (!connection->complained && r->on_event != NULL)
        r->on_event(r->context, "malformed message", connection->endpoint, "");
    connection->complained = true;
}

static bool serve(sw_connection *connection, const sw_route *route, sw_view header, sw_view payload,
                  sw_view handover)
{
    sw_incoming incoming = {
        .transport = &connection->transport, .route = *route, .header = header, .payload = payload};
    const sw_registration *r = connection->registration;
    if (!sw_handover_decode(handover.data, handover.size, &incoming.handover))
        return false;
    if (incoming.handover.timeline > 0 && r->on_timeline != NULL)
        r->on_timeline(r->context, incoming.handover.database, incoming.handover.timeline);
    sw_dispatch_call(r->dispatch, &incoming);
    return true;
}

static bool credit(sw_connection *connection, const sw_route *route, sw_view header)
{
    sw_call_header decoded;
    if (!sw_call_header_decode(header.data, header.size, &decoded))
        return false;
    sw_dispatch_credit(connection->registration->dispatch, &connection->transport, route, decoded.credit);
    return true;
}

static bool on_compact(sw_connection *connection, const sw_message *message, sw_view first)
{
    sw_compact compact;
    if (!sw_compact_decode(first.data, first.size, &compact) ||
        message->count != (compact.payload_follows ? 2 : 1))
        return false;
    sw_route route = {.tag = compact.tag};
    switch (compact.command) {
    case SW_COMPACT_REQUEST:
        if (compact.payload_follows)
            compact.payload = sw_message_view(message, 1);
        return serve(connection, &route, compact.header, compact.payload, compact.handover);
    case SW_COMPACT_CANCEL:
        sw_dispatch_cancel(connection->registration->dispatch, &connection->transport, &route);
        return true;
    case SW_COMPACT_CREDIT:
        return credit(connection, &route, compact.header);
    default:
        return false;
    }
}

static bool on_batch(sw_connection *connection, const sw_message *message)
{
    sw_view rest = sw_message_view(message, 0), frame;
    bool good = message->count == 1;
    while (message->count == 1 && connection->dealer != NULL && sw_batch_next(&rest, &frame))
        good = on_compact(connection, message, frame) && good; /* each as if it had come alone */
    return good && rest.data != NULL;
}

/* The third frame is the broker's reason for a refusal. */
static bool on_disconnect(sw_connection *connection, const sw_message *message)
{
    if (message->count == 3)
        sw_connection_refused(connection, sw_message_view(message, 2));
    if (connection->registration->draining && !connection->is_retired)
        connection->dismissed = true;
    else
        sw_connection_lost(connection);
    return true;
}

/* `MDPW02 COMMAND`, followed by `ADDRESS ""` and more in the commands about a call. */
static bool on_mdp(sw_connection *connection, const sw_message *message)
{
    sw_dispatch *dispatch = connection->registration->dispatch;
    sw_view command = sw_message_view(message, 1);
    if (!sw_view_equal(sw_message_view(message, 0), SW_VIEW(SW_MDP_WORKER)) || command.size != 1)
        return false;
    if (command.data[0] == SW_MDP_WORKER_HEARTBEAT) {
        connection->heartbeats += connection->registration->draining;
        return message->count == 2;
    }
    if (command.data[0] == SW_MDP_WORKER_DISCONNECT)
        return message->count <= 3 && on_disconnect(connection, message);
    sw_route route = {.address = sw_message_view(message, 2)};
    if (message->count < 4 || route.address.size == 0 || route.address.size > ADDRESS_MAX ||
        sw_message_view(message, 3).size != 0)
        return false;
    switch (command.data[0]) {
    case SW_MDP_WORKER_REQUEST:
        return message->count == 7 && serve(connection, &route, sw_message_view(message, 4),
                                            sw_message_view(message, 5), sw_message_view(message, 6));
    case SW_MDP_WORKER_CANCEL:
        sw_dispatch_cancel(dispatch, &connection->transport, &route);
        return true;
    case SW_MDP_WORKER_CREDIT:
        return message->count == 5 && credit(connection, &route, sw_message_view(message, 4));
    default:
        return false;
    }
}

void sw_connection_receive(sw_connection *connection)
{
    sw_message message;
    for (int i = 0;
         connection->dealer != NULL && (i < RECEIVE_MAX || sw_dealer_is_driven(connection->dealer)); i++) {
        if (sw_dealer_recv(connection->dealer, &message) != 0)
            return;
        connection->heard = true;
        sw_view first = sw_message_view(&message, 0);
        bool good = !message.overflow;
        if (sw_batch_is(first))
            good = good && on_batch(connection, &message);
        else if (sw_compact_is(first.data, first.size))
            good = good && on_compact(connection, &message, first);
        else
            good = good && on_mdp(connection, &message);
        if (!good)
            complain(connection);
        sw_message_close(&message);
    }
}

/* --- Out --- */

static size_t message_size(const sw_message *message)
{
    size_t size = sizeof(sw_kept);
    for (int i = 0; i < message->count; i++)
        size += sw_message_view(message, i).size;
    return size;
}

/* Keeps a message that the socket does not accept now. */
static bool keep(sw_connection *connection, sw_message *message)
{
    sw_registration *r = connection->registration;
    size_t size = message_size(message);
    sw_kept *kept = size > KEPT_MAX - connection->kept_bytes ? NULL : malloc(sizeof(*kept));
    if (kept == NULL)
        return false;
    kept->next = NULL;
    kept->size = size;
    kept->message.count = 0;
    for (int i = 0; i < message->count; i++)
        sw_message_move(&kept->message, &message->frames[i]);
    *(connection->kept_last == NULL ? &connection->kept_first : &connection->kept_last->next) = kept;
    connection->kept_last = kept;
    connection->kept_bytes += size;
    r->replies_kept++;
    return true;
}

static bool send_now(sw_connection *connection, sw_message *message)
{
    bool good = connection->dealer != NULL && !connection->overrun;
    if (good) {
        connection->sent = true;
        int error = connection->kept_first != NULL ? EAGAIN : sw_dealer_send(connection->dealer, message);
        if (error != 0)
            good = error == EAGAIN && keep(connection, message);
        sw_connection_watch(connection);
        /* The broker must not wait for a reply that will never come, so the connection ends, with
         * all its calls. */
        connection->overrun = !good;
    }
    sw_message_close(message);
    return good;
}

void sw_connection_send_batch(sw_connection *connection)
{
    sw_message message;
    message.count = 0;
    if (connection->batch.count == 0)
        return;
    if (sw_batch_take(&connection->batch, &message.frames[0])) {
        message.count = 1;
        send_now(connection, &message);
    } else {
        connection->overrun = true; /* replies are lost: the connection ends, with all its calls */
        sw_batch_clear(&connection->batch);
    }
}

bool sw_connection_send(sw_connection *connection, sw_message *message)
{
    sw_connection_send_batch(connection); /* keeps the order */
    return send_now(connection, message);
}

void sw_connection_flush(sw_connection *connection)
{
    for (sw_kept *kept; (kept = connection->kept_first) != NULL;) {
        if (sw_dealer_send(connection->dealer, &kept->message) != 0)
            return;
        connection->kept_first = kept->next;
        connection->kept_bytes -= kept->size;
        free(kept);
    }
    connection->kept_last = NULL;
}

void sw_connection_forget_kept(sw_connection *connection)
{
    for (sw_kept *kept; (kept = connection->kept_first) != NULL;) {
        connection->kept_first = kept->next;
        sw_message_close(&kept->message);
        free(kept);
    }
    connection->kept_last = NULL;
    connection->kept_bytes = 0;
}

static bool add_head(sw_message *message, uint8_t command)
{
    message->count = 0;
    return sw_message_add(message, SW_MDP_WORKER, sizeof(SW_MDP_WORKER) - 1) &&
           sw_message_add(message, &command, 1);
}

/* READY names the first service, and its hello all of them. */
static bool add_hello(const sw_connection *connection, sw_message *message)
{
    const sw_registration *r = connection->registration;
    const char *const *services;
    Sw__WorkerHello hello = SW__WORKER_HELLO__INIT;
    Sw__Database database;
    hello.n_services = sw_dispatch_services(r->dispatch, &services);
    hello.services = (char **)services;
    hello.instance = (char *)r->instance;
    hello.version = (char *)r->version;
    hello.has_capacity = hello.has_compact = hello.compact = true;
    hello.capacity = r->draining ? 0 : r->capacity;
    hello.has_reserve = true;
    hello.reserve = r->reserve;
    sw_worker_database_fill(&r->database, &database);
    hello.database = r->database.system == 0 ? NULL : &database;
    hello.has_succeeds = hello.succeeds = connection->before != NULL && connection->before->up;
    zmq_msg_t frame;
    if (!sw_message_add(message, services[0], strlen(services[0])) ||
        zmq_msg_init_size(&frame, sw__worker_hello__get_packed_size(&hello)) != 0)
        return false;
    sw__worker_hello__pack(&hello, zmq_msg_data(&frame));
    bool good = sw_message_move(message, &frame);
    zmq_msg_close(&frame);
    return good;
}

void sw_connection_command(sw_connection *connection, uint8_t command)
{
    sw_message message;
    bool is_ready = command == SW_MDP_WORKER_READY;
    bool good = add_head(&message, command) && (!is_ready || add_hello(connection, &message));
    if (is_ready)
        connection->ready_due = !good;
    if (good)
        sw_connection_send(connection, &message);
    else
        sw_message_close(&message);
}

static bool fill_mdp(sw_message *message, const sw_route *route, bool final, const sw_reply_header *header,
                     const ProtobufCMessage *payload)
{
    if (!add_head(message, final ? SW_MDP_WORKER_FINAL : SW_MDP_WORKER_PARTIAL) ||
        !sw_message_add(message, route->address.data, route->address.size) ||
        !sw_message_add(message, "", 0) ||
        !sw_reply_encode_body(header, payload, &message->frames[message->count],
                              &message->frames[message->count + 1]))
        return false;
    message->count += 2;
    return true;
}

/* Whether a reply can be kept. One that cannot fails its own call, like one that is too large;
 * others go on. */
static bool has_room(const sw_connection *connection, const ProtobufCMessage *payload)
{
    size_t kept = connection->kept_bytes + connection->batch.size;
    return connection->kept_bytes == 0 || payload == NULL || connection->overrun ||
           (kept < KEPT_MAX - KEPT_SPARE &&
            protobuf_c_message_get_packed_size(payload) <= KEPT_MAX - KEPT_SPARE - kept);
}

bool sw_connection_reply(sw_transport *transport, const sw_route *route, bool final,
                         const sw_reply_header *header, const ProtobufCMessage *payload)
{
    sw_connection *connection = (sw_connection *)transport;
    sw_message message; /* not cleared: it is large */
    message.count = 0;
    if (!has_room(connection, payload))
        return false;
    bool good = route->address.size > 0
                    ? fill_mdp(&message, route, final, header, payload)
                    : sw_reply_encode_compact(route->tag, final, header, payload, &connection->batch,
                                              &message.frames[0], &message.frames[1], &message.count);
    if (good && message.count > 0)
        sw_connection_send(connection, &message);
    else if (!good)
        sw_message_close(&message);
    if (connection->batch.size > SW_BATCH_FULL)
        sw_connection_send_batch(connection);
    return good;
}

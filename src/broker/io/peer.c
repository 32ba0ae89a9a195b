/* Peers and connections (peer.h). The kernel reuses descriptors soon after they are closed, so a
 * message's descriptor identifies its connection only together with the events of the monitor.
 * ZeroMQ reports these in order, "accepted" before the first message of a connection can be
 * read. The monitor is therefore read up to now whenever a new peer speaks. With one I/O thread
 * (broker.c sets it) nothing is missing then. */
#include "broker/io/peer.h"

#include "base/error.h"
#include "net/keyfile.h"
#include "net/monitor.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

/* Descriptors have room from the start, so that no event is lost for want of memory. The kernel
 * gives pages only to those in use. */
#define CONNECTIONS_MAX (1 << 20)

#define EVENTS                                                                                               \
    (ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |                    \
     ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL | ZMQ_EVENT_ACCEPT_FAILED)

sw_code sw_side_open(sw_side *side, void *context, uint64_t secret, sw_error *error)
{
    side->secret = secret;
    side->peers.size = sizeof(sw_peer);
    side->connections = calloc(CONNECTIONS_MAX, sizeof(*side->connections));
    if (side->connections == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    side->socket = zmq_socket(context, ZMQ_ROUTER);
    if (side->socket == NULL || (side->monitor = sw_monitor_open(context, side->socket, EVENTS)) == NULL)
        return sw_fail(error, SW_INTERNAL, "cannot make a socket: %s", zmq_strerror(zmq_errno()));
    return SW_OK;
}

void sw_side_close(sw_side *side)
{
    sw_monitor_close(side->socket, &side->monitor);
    if (side->socket != NULL)
        zmq_close(side->socket);
    for (uint32_t i = 0; i < side->peers.top; i++) {
        sw_peer *peer = sw_slab_get(&side->peers, i);
        if (peer != NULL)
            sw_unsent_release(&peer->unsent);
    }
    sw_slab_clear(&side->peers);
    sw_hash_table_clear(&side->ids);
    free(side->connections);
    *side = (sw_side){0};
}

/* NULL for an impossible descriptor. */
static sw_peer_connection *connection_of(const sw_side *side, int fd)
{
    return fd < 0 || fd >= CONNECTIONS_MAX ? NULL : &side->connections[fd];
}

static uint32_t number_of(const sw_side *side, const sw_peer *peer)
{
    uint32_t at = peer->hash, number;
    while ((number = sw_hash_table_next(&side->ids, peer->hash, &at)) != SW_NONE)
        if (sw_slab_at(&side->peers, number) == peer)
            return number;
    return SW_NONE;
}

static void lose(sw_side *side, sw_peer *peer)
{
    if (peer->lost)
        return;
    peer->lost = true;
    peer->previous_lost = NULL;
    peer->next_lost = side->lost;
    if (side->lost != NULL)
        side->lost->previous_lost = peer;
    side->lost = peer;
}

static void leave_lost(sw_side *side, const sw_peer *peer)
{
    if (!peer->lost)
        return;
    if (peer->next_lost != NULL)
        peer->next_lost->previous_lost = peer->previous_lost;
    *(peer->previous_lost != NULL ? &peer->previous_lost->next_lost : &side->lost) = peer->next_lost;
}

static void observe(sw_side *side, int event, int fd)
{
    sw_peer_connection *connection = connection_of(side, fd);
    if (connection == NULL)
        return;
    if (connection->peer != NULL)
        lose(side, connection->peer);
    connection->peer = NULL;
    connection->open = event == ZMQ_EVENT_ACCEPTED;
}

/* Why a handshake failed. Refusals by ZAP are logged there. */
static const char *failure_of(int event, int32_t value)
{
    if (event == ZMQ_EVENT_ACCEPT_FAILED)
        return "no descriptor was left for it (ulimit -n, LimitNOFILE)";
    if (event == ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL)
        return "the peer hung up, or did not complete it in time";
    switch (value) {
    case ZMQ_PROTOCOL_ERROR_ZMTP_MECHANISM_MISMATCH:
        return "the peer uses another mechanism: CURVE or none";
    case ZMQ_PROTOCOL_ERROR_ZMTP_CRYPTOGRAPHIC:
        return "it is not encrypted for this broker's key, or replayed";
    default:
        return "it is not a ZMTP 3 handshake, or replayed";
    }
}

void sw_side_watch(sw_side *side)
{
    int32_t value;
    for (int event; (event = sw_monitor_next(side->monitor, &value)) != 0;) {
        if (event == ZMQ_EVENT_ACCEPTED || event == ZMQ_EVENT_DISCONNECTED) {
            observe(side, event, value);
            continue;
        }
        side->handshakes_failed++;
        if (side->failure == NULL ||
            event != ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL) /* other events say more */
            side->failure = failure_of(event, value);
    }
}

static sw_peer *find(const sw_side *side, uint32_t hash, const void *id, size_t size)
{
    uint32_t at = hash, number;
    while ((number = sw_hash_table_next(&side->ids, hash, &at)) != SW_NONE) {
        sw_peer *peer = sw_slab_at(&side->peers, number);
        if (peer->id_size == size && memcmp(peer->id, id, size) == 0)
            return peer;
    }
    return NULL;
}

/* libzmq records the credentials of an ipc connection when it accepts it, as HOST:UID:GID:PID.
 * By the time the message is read, the descriptor may belong to another connection. */
static int64_t uid_of(const sw_side *side, zmq_msg_t *frame)
{
    const char *address = side->is_network ? NULL : zmq_msg_gets(frame, "Peer-Address");
    unsigned uid, gid, pid;
    int end = 0;
    if (address == NULL || sscanf(address, "%*[^:]:%u:%u:%u%n", &uid, &gid, &pid, &end) != 3 ||
        address[end] != '\0')
        return -1;
    return uid;
}

/* The User-Id that the ZAP handler set: with CURVE, peers cannot set it themselves. */
static const char *key_of(const sw_side *side, zmq_msg_t *frame)
{
    const char *key = side->is_curve ? zmq_msg_gets(frame, "User-Id") : NULL;
    return key != NULL && sw_key_is_valid(key) ? key : "";
}

/* In the table of ids; NULL when out of memory. */
static sw_peer *new_peer(sw_side *side, uint32_t hash)
{
    uint32_t number = sw_slab_take(&side->peers);
    if (number == SW_NONE)
        return NULL;
    if (!sw_hash_table_insert(&side->ids, hash, number)) {
        sw_slab_give(&side->peers, number);
        return NULL;
    }
    return sw_slab_at(&side->peers, number);
}

/* A connection whose messages cannot be kept ends: its peer notices, and comes again. */
static void end(const sw_peer_connection *connection, int fd)
{
    if (connection != NULL && connection->open)
        shutdown(fd, SHUT_RDWR);
}

static sw_peer *add(sw_side *side, uint32_t hash, const void *id, size_t size, zmq_msg_t *frame)
{
    int fd = zmq_msg_get(frame, ZMQ_SRCFD);
    sw_side_watch(side);
    sw_peer_connection *connection = connection_of(side, fd);
    sw_peer *peer = new_peer(side, hash);
    if (peer == NULL) {
        end(connection, fd);
        return NULL;
    }
    peer->side = side;
    peer->number = SW_NONE;
    peer->hash = hash;
    peer->fd = fd;
    peer->caller.is_network = side->is_network;
    peer->caller.is_curve = side->is_curve;
    peer->caller.uid = uid_of(side, frame);
    strcpy(peer->caller.key, key_of(side, frame));
    peer->id_size = (uint8_t)size;
    memcpy(peer->id, id, size);
    if (connection != NULL && connection->open)
        connection->peer = peer;
    else if (connection != NULL)
        lose(side, peer); /* it has already left */
    return peer;
}

/* Peers may choose their routing id, so another caller may use the same one later. */
static bool is_another(const sw_side *side, const sw_peer *peer, zmq_msg_t *frame)
{
    return peer->caller.uid != uid_of(side, frame) || strcmp(peer->caller.key, key_of(side, frame)) != 0;
}

sw_peer *sw_side_peer(sw_side *side, zmq_msg_t *id, zmq_msg_t *frame, sw_peer **displaced)
{
    const uint8_t *bytes = zmq_msg_data(id);
    size_t size = zmq_msg_size(id);
    *displaced = NULL;
    if (size == 0 || size > 255)
        return NULL;
    uint32_t hash = sw_hash_bytes(side->secret, bytes, size);
    sw_peer *peer = find(side, hash, bytes, size);
    /* Routing ids made by ZeroMQ begin with 0 and are never reused; others may return with a new
     * connection. */
    if (peer != NULL && bytes[0] == 0)
        return peer;
    int fd = zmq_msg_get(frame, ZMQ_SRCFD);
    if (peer != NULL && is_another(side, peer, frame)) {
        *displaced = peer;
        return NULL;
    }
    if (peer != NULL && (peer->fd != fd || peer->lost)) {
        sw_side_watch(side);
        sw_peer_connection *connection = connection_of(side, fd);
        /* The same descriptor: a new connection, unless the old one sent this before it ended. */
        if (peer->fd != fd || (connection != NULL && connection->open && connection->peer == NULL)) {
            *displaced = peer;
            return NULL;
        }
    }
    return peer != NULL ? peer : add(side, hash, bytes, size, frame);
}

void sw_side_forget(sw_side *side, sw_peer *peer)
{
    uint32_t number = number_of(side, peer);
    sw_peer_connection *connection = connection_of(side, peer->fd);
    if (connection != NULL && connection->peer == peer)
        connection->peer = NULL;
    leave_lost(side, peer);
    sw_caller_detach(&peer->caller);
    sw_batch_clear(&peer->batch);
    sw_unsent_release(&peer->unsent);
    sw_hash_table_remove(&side->ids, peer->hash, number);
    sw_slab_give(&side->peers, number);
}

sw_peer *sw_side_next_lost(const sw_side *side)
{
    return side->lost;
}

void sw_side_cut(sw_side *side, sw_peer *peer)
{
    peer->cut = true;
    sw_side_watch(side);
    /* ZeroMQ has no call for this; its I/O thread will see that the connection has ended. */
    if (peer->fd >= 0 && !peer->lost)
        shutdown(peer->fd, SHUT_RDWR);
}

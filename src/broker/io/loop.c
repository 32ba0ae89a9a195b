/* The one loop of the broker: its rounds, time, draining and the end. */
#include "broker/io/broker.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

#define HANDSHAKE_LOG_US 1000000 /* between two lines about failed handshakes of a side */

void sw_broker_malformed(sw_broker *broker, sw_peer *peer, const char *why)
{
    broker->malformed_frames++;
    if (peer->complained)
        return;
    peer->complained = true;
    char connection[16];
    snprintf(connection, sizeof(connection), "%d", peer->fd);
    sw_log(SW_LOG_WARNING, "malformed message dropped", "side", peer->side->name, "connection", connection,
           "reason", why, NULL);
}

size_t sw_broker_message_size(const sw_message *message)
{
    size_t size = 0;
    for (int i = 1; i < message->count; i++)
        size += zmq_msg_size(&message->frames[i]);
    return size;
}

/* --- a round: sockets are read, then `settle` --- */

static void lose_peers(sw_broker *broker, sw_side *side)
{
    sw_peer *peer;
    while (side->drained && (peer = sw_side_next_lost(side)) != NULL) {
        if (side->is_frontend)
            sw_frontend_lost(broker, peer);
        else
            sw_backend_lost(broker, peer);
        sw_broker_flush(broker); /* nothing refers to the peer afterwards */
        sw_side_forget(side, peer);
    }
}

void sw_broker_read_side(void *context, short ready)
{
    (void)ready;
    sw_side *side = context;
    sw_broker *broker = side->broker;
    broker->now_us = sw_now_us();
    side->drained = !(side->is_frontend ? sw_frontend_read(broker, side) : sw_backend_read(broker, side));
    sw_loop_drained(broker->loop, side->socket, side->drained);
}

/* What the lost said before they left is read first. */
void sw_broker_read_monitor(void *context, short ready)
{
    sw_side_watch(context);
    sw_broker_read_side(context, ready);
}

/* One line for many: a flood of strangers must not fill the disk. */
static void log_handshakes(sw_broker *broker, sw_side *side)
{
    uint64_t failed = side->handshakes_failed - side->handshakes_logged;
    if (failed == 0 || broker->now_us < side->log_us)
        return;
    char count[24];
    snprintf(count, sizeof(count), "%llu", (unsigned long long)failed);
    sw_log(SW_LOG_WARNING, "handshakes failed", "side", side->name, "count", count, "reason", side->failure,
           NULL);
    broker->handshakes_failed += failed;
    side->failure = NULL;
    side->handshakes_logged = side->handshakes_failed;
    side->log_us = broker->now_us + HANDSHAKE_LOG_US;
}

/* After the events of a round: time, actions, losses. */
static void settle(void *context)
{
    sw_broker *broker = context;
    sw_broker_flush(broker);
    broker->now_us = sw_now_us();
    if (broker->now_us >= sw_core_next_us(broker->core))
        sw_core_tick(broker->core, broker->now_us);
    sw_self_idle(&broker->self, broker->now_us / 1000);
    sw_auth_idle(broker);
    do
        sw_broker_flush(broker);
    while (sw_frontend_release(broker));
    for (int i = 0; i < SW_SIDES; i++)
        if (broker->sides[i].name != NULL) {
            lose_peers(broker, &broker->sides[i]);
            log_handshakes(broker, &broker->sides[i]);
        }
    bool over = broker->now_us >= broker->deadline_us;
    if (sw_core_is_draining(broker->core) && (over || sw_core_in_flight(broker->core) == 0))
        sw_loop_stop(broker->loop);
    int64_t next_us = sw_core_next_us(broker->core), own_ms = sw_self_next_ms(&broker->self);
    if (broker->deadline_us < next_us)
        next_us = broker->deadline_us;
    if (sw_auth_next_us(broker) < next_us)
        next_us = sw_auth_next_us(broker);
    int64_t next_ms = next_us == SW_NEVER ? SW_NEVER : next_us / 1000 + 1;
    sw_timer_start(broker->tick, own_ms < next_ms ? own_ms : next_ms);
}

static void tick(void *context)
{
    (void)context; /* it only wakes the loop: `settle` follows */
}

/* --- life --- */

static sw_code open_parts(sw_broker *broker, sw_error *error)
{
    if (getrandom(&broker->secret, sizeof(broker->secret), 0) != sizeof(broker->secret))
        return sw_fail(error, SW_INTERNAL, "no random numbers: %s", strerror(errno));
    const char *name = broker->options->instance;
    if (name != NULL && name[0] != '\0')
        snprintf(broker->instance, sizeof(broker->instance), "%s", name);
    else
        snprintf(broker->instance, sizeof(broker->instance), "broker-%d-%04x", (int)getpid(),
                 (unsigned)(broker->secret & 0xffff));
    broker->context = zmq_ctx_new();
    broker->core = sw_core_new(&broker->options->core, broker->secret, broker->now_us);
    if (broker->context == NULL || broker->core == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    /* peer.c relies on one I/O thread; descriptors are bounded by the process's limit. */
    if (zmq_ctx_set(broker->context, ZMQ_IO_THREADS, 1) != 0)
        return sw_fail(error, SW_INTERNAL, "ZeroMQ: %s", zmq_strerror(zmq_errno()));
    zmq_ctx_set(broker->context, ZMQ_MAX_SOCKETS, 64);
    sw_code code = sw_self_open(&broker->self, broker, error);
    if (code != SW_OK)
        return sw_fail(error, code, "--instance: a name has 1 to 128 printable characters without spaces");
    broker->tick = sw_loop_timer(broker->loop, tick, broker);
    if (broker->tick == NULL || sw_loop_idle(broker->loop, settle, broker) != SW_OK)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    code = sw_auth_open(broker, error);
    return code == SW_OK ? sw_broker_listen(broker, error) : code;
}

sw_code sw_broker_open(sw_broker *broker, sw_loop *loop, const sw_broker_options *options, sw_error *error)
{
    *broker = (sw_broker){.options = options, .loop = loop, .now_us = sw_now_us(), .deadline_us = SW_NEVER};
    return open_parts(broker, error);
}

void sw_broker_drain(sw_broker *broker, int64_t timeout_ms)
{
    int64_t end_us = sw_now_us() + (timeout_ms > 0 ? timeout_ms : broker->options->drain_ms) * 1000;
    if (end_us < broker->deadline_us)
        broker->deadline_us = end_us;
    if (sw_core_is_draining(broker->core))
        return;
    char calls[16];
    snprintf(calls, sizeof(calls), "%u", sw_core_in_flight(broker->core));
    sw_log(SW_LOG_INFO, "draining", "in_flight", calls, NULL);
    sw_core_drain(broker->core);
}

static void say_goodbye(sw_broker *broker)
{
    broker->now_us = sw_now_us();
    sw_core_stop(broker->core, broker->now_us);
    sw_broker_flush(broker);
    sw_core_stop(broker->core, broker->now_us); /* what could not be delivered meanwhile */
    sw_broker_flush(broker);
}

void sw_broker_close(sw_broker *broker)
{
    if (broker->core != NULL)
        say_goodbye(broker);
    sw_self_close(&broker->self);
    sw_frontend_drop(broker, NULL);
    sw_broker_unlisten(broker);
    sw_auth_close(broker);
    sw_loop_idle_remove(broker->loop, settle, broker);
    sw_timer_destroy(&broker->tick);
    sw_core_destroy(&broker->core);
    sw_pool_clear(&broker->pool);
    free(broker->broken);
    if (broker->context != NULL)
        zmq_ctx_term(broker->context);
    *broker = (sw_broker){0};
}

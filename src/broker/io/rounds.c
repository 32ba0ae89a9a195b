/* Sockets are read, then `settle` deals with what follows (rounds.h). */
#include "broker/io/rounds.h"

#include "base/clock.h"
#include "base/log.h"
#include "broker/io/backend.h"
#include "broker/io/carry_out.h"
#include "broker/io/frontend.h"
#include <stdio.h>

#define HANDSHAKE_LOG_US 1000000 /* between two lines about failed handshakes of a side */

void sw_rounds_read_side(void *context, short ready)
{
    (void)ready;
    sw_side *side = context;
    sw_broker *broker = side->owner;
    broker->now_us = sw_now_us();
    side->drained = !(side->is_frontend ? sw_frontend_read(broker, side) : sw_backend_read(broker, side));
    sw_loop_drained(broker->loop, side->socket, side->drained);
}

/* What lost peers sent before they left is read first. */
void sw_rounds_read_monitor(void *context, short ready)
{
    sw_side_watch(context);
    sw_rounds_read_side(context, ready);
}

static void lose_peers(sw_broker *broker, sw_side *side)
{
    sw_peer *peer;
    while (side->drained && (peer = sw_side_next_lost(side)) != NULL) {
        sw_broker_lost(broker, peer);
        sw_broker_flush(broker); /* nothing refers to the peer afterwards */
        sw_side_forget(side, peer);
    }
}

/* One line for many handshakes, so that a flood of strangers cannot fill the disk. */
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

static void settle_sides(sw_broker *broker)
{
    for (int i = 0; i < SW_SIDES; i++)
        if (broker->sides[i].name != NULL) {
            lose_peers(broker, &broker->sides[i]);
            log_handshakes(broker, &broker->sides[i]);
        }
}

/* --- draining --- */

void sw_broker_drain(sw_broker *broker, int64_t time_ms)
{
    int64_t end_us = sw_now_us() + (time_ms > 0 ? time_ms : broker->options->drain_ms) * 1000;
    if (end_us < broker->deadline_us)
        broker->deadline_us = end_us;
    if (sw_core_is_draining(broker->core))
        return;
    char calls[16];
    snprintf(calls, sizeof(calls), "%u", sw_core_in_flight(broker->core));
    sw_log(SW_LOG_INFO, "draining", "in_flight", calls, NULL);
    sw_core_drain(broker->core);
}

static void stop_when_drained(sw_broker *broker)
{
    bool over = broker->now_us >= broker->deadline_us;
    if (sw_core_is_draining(broker->core) && (over || sw_core_in_flight(broker->core) == 0))
        sw_loop_stop(broker->loop);
}

/* --- after a round --- */

static int64_t earlier(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static void set_tick(sw_broker *broker)
{
    int64_t next_us = earlier(sw_core_next_us(broker->core), broker->deadline_us);
    next_us = earlier(next_us, sw_auth_next_us(&broker->auth));
    int64_t next_ms = next_us == SW_NEVER ? SW_NEVER : next_us / 1000 + 1;
    sw_timer_start(broker->tick, earlier(next_ms, sw_local_worker_next_ms(&broker->local)));
}

void sw_rounds_settle(void *context)
{
    sw_broker *broker = context;
    int64_t drain_ms;
    sw_broker_flush(broker);
    broker->now_us = sw_now_us();
    if (broker->now_us >= sw_core_next_us(broker->core))
        sw_core_tick(broker->core, broker->now_us);
    sw_local_worker_idle(&broker->local, broker->now_us);
    if (sw_local_worker_take_drain(&broker->local, &drain_ms))
        sw_broker_drain(broker, drain_ms);
    sw_auth_idle(&broker->auth, broker->now_us);
    do
        sw_broker_flush(broker);
    while (sw_frontend_release(broker));
    settle_sides(broker);
    stop_when_drained(broker);
    set_tick(broker);
}

/* Sockets are read, then `settle` deals with what follows (rounds.h). */
#include "broker/io/rounds.h"

#include "base/clock.h"
#include "base/log.h"
#include "broker/io/backend.h"
#include "broker/io/carry_out.h"
#include "broker/io/frontend.h"
#include "broker/io/recheck.h"
#include <stdio.h>

#define STRANGER_MAX 65536 /* bytes of a message from a uid that is no user: it is only refused */

/* --- connections: the functions of sw_listener_owner --- */

sw_admission sw_rounds_admit(void *context, sw_inbound *session)
{
    sw_side *side = context;
    sw_broker *broker = side->owner;
    sw_peer *peer = sw_peer_new(side, session);
    char address[SW_ADDRESS_TEXT_SIZE];
    broker->now_us = sw_now_us();
    if (peer == NULL) { /* out of memory: libzmq comes again after a hang-up, and not after an ERROR */
        sw_inbound_end(session);
        return SW_ADMISSION_WAIT;
    }
    if (!side->is_frontend)
        return peer->caller.is_curve ? sw_auth_admit_service(&broker->auth, peer->caller.key,
                                                             sw_inbound_address(session, address))
                                     : SW_ADMISSION_GOOD;
    sw_admission admission = sw_auth_admit(&broker->auth, &peer->caller, broker->now_us);
    if (peer->caller.identity != NULL)
        sw_inbound_address(session, peer->caller.identity->address);
    if (sw_auth_is_stranger(&broker->auth, &peer->caller))
        sw_inbound_set_message_max(session, STRANGER_MAX);
    return admission;
}

void sw_rounds_read(void *context, sw_inbound *session)
{
    sw_side *side = context;
    sw_broker *broker = side->owner;
    sw_peer *peer = sw_inbound_user(session);
    broker->now_us = sw_now_us();
    if (side->is_frontend)
        sw_frontend_read(broker, peer);
    else
        sw_backend_read(broker, peer);
}

void sw_rounds_lost(void *context, sw_inbound *session)
{
    sw_side *side = context;
    sw_broker *broker = side->owner;
    sw_peer *peer = sw_inbound_user(session);
    if (peer == NULL)
        return;
    sw_broker_lost(broker, peer);
    sw_broker_flush(broker); /* nothing refers to the peer afterwards */
    sw_peer_destroy(&peer);
}

bool sw_rounds_answers(void *context, sw_inbound *session)
{
    const sw_side *side = context;
    const sw_broker *broker = side->owner;
    const sw_peer *peer = sw_inbound_user(session);
    return !side->is_frontend && peer != NULL && sw_core_worker_in_flight(broker->core, peer->number) > 0;
}

/* --- what is logged about them --- */

/* Adds a listener's counters to those of Stats, and logs its last failure: one line for all
 * handshakes that failed in this round. */
static void look_at(sw_broker *broker, const char *name, sw_listener *listener)
{
    if (listener == NULL)
        return;
    const sw_listener_counters *counters = sw_listener_get_counters(listener);
    broker->handshakes_failed += counters->handshakes_failed;
    broker->connections_turned_away += counters->turned_away;
    sw_listener_failure failure;
    if (!sw_listener_take_failure(listener, &failure))
        return;
    sw_refusals_handshake(&broker->auth.refusals, &failure);
    char count[24];
    uint64_t failed = broker->handshakes_failed + broker->connections_turned_away;
    snprintf(count, sizeof(count), "%llu", (unsigned long long)failed);
    sw_log_limited(SW_LOG_WARNING, "handshakes failed", "side", name, "address", failure.address, "so_far",
                   count, "reason", failure.why, NULL);
}

static void look_at_listeners(sw_broker *broker)
{
    broker->handshakes_failed = broker->connections_turned_away = 0;
    for (int i = 0; i < SW_SIDES; i++)
        look_at(broker, broker->sides[i].name, broker->sides[i].listener);
    for (int i = 0; i < 2; i++) {
        look_at(broker, "events", broker->events.subscriber_listeners[i]);
        look_at(broker, "publish", broker->events.publishers[i]);
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
    next_us = earlier(next_us, sw_recheck_next_us(broker));
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
    sw_recheck(broker);
    do
        sw_broker_flush(broker);
    while (sw_frontend_release(broker));
    sw_listeners_reap(broker->listeners);
    look_at_listeners(broker);
    sw_listeners_flush(broker->listeners);
    stop_when_drained(broker);
    set_tick(broker);
}

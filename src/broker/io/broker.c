/* The broker's life: its parts made, connected and closed (broker.h). */
#include "broker/io/broker.h"

#include "base/clock.h"
#include "base/error.h"
#include "broker/io/carry_out.h"
#include "broker/io/listen.h"
#include "broker/io/own_call.h"
#include "broker/io/rounds.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>
#include <unistd.h>

/* --- what the parts report --- */

/* sw_auth_owner.call */
static bool call(void *context, const sw_call_header *header, const ProtobufCMessage *request)
{
    sw_broker *broker = context;
    return sw_own_call(broker->core, &broker->pool, broker->client, header, request, broker->now_us);
}

/* sw_auth_owner.changed */
static void changed(void *context, sw_identity *identity)
{
    sw_broker *broker = context;
    sw_events_check(&broker->events, identity, broker->now_us);
}

/* sw_auth_owner.cut */
static void cut(void *context, sw_caller *caller)
{
    (void)context;
    sw_peer_cut((sw_peer *)(void *)((char *)caller - offsetof(sw_peer, caller)));
}

static void wake_up(void *context)
{
    (void)context; /* sw_rounds_settle follows */
}

/* --- life --- */

static void set_instance(sw_broker *broker)
{
    const char *name = broker->options->instance;
    if (name != NULL && name[0] != '\0')
        snprintf(broker->instance, sizeof(broker->instance), "%s", name);
    else
        snprintf(broker->instance, sizeof(broker->instance), "broker-%d-%04x", (int)getpid(),
                 (unsigned)(broker->secret & 0xffff));
}

static sw_code open_core(sw_broker *broker, sw_error *error)
{
    broker->core = sw_core_new(&broker->options->core, broker->secret, broker->now_us);
    if (broker->core == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    broker->client = sw_core_client_open(broker->core, &broker->auth);
    sw_code code = sw_local_worker_open(&broker->local, broker->core, &broker->pool, broker->instance,
                                        broker->now_us, error);
    if (code == SW_OK)
        code = sw_trace_open(&broker->trace, broker->loop, broker->local.dispatch, &broker->options->slow_ms,
                             error);
    broker->calls = (sw_call_log){.trace = &broker->trace, .core = broker->core};
    broker->tick = sw_loop_timer(broker->loop, wake_up, broker);
    if (code == SW_OK &&
        (broker->tick == NULL || sw_loop_idle(broker->loop, sw_rounds_settle, broker) != SW_OK))
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    return code;
}

/* The rows of Stats. False when out of memory. */
static bool add_counters(sw_broker *broker)
{
    const sw_core_counters *core = sw_core_get_counters(broker->core);
    const struct {
        const char *name;
        const uint64_t *value;
    } counters[] = {
        {"calls", &core->calls},
        {"replies", &core->replies},
        {"malformed_frames", &broker->malformed_frames},
        {"clients_cut_off", &broker->outbox.clients_cut_off},
        {"identities", &broker->auth.known},
        {"calls_refused", &broker->auth.calls_refused},
        {"registrations_refused", &broker->auth.offers.refused},
        {"connections_refused", &broker->auth.refusals.connections},
        {"slow_calls", &broker->trace.slow.count},
        {"handshakes_failed", &broker->handshakes_failed},
        {"workers_lost", &core->workers_lost},
        {"events", &broker->events.forwarded},
        {"events_refused", &broker->events.refused},
        {"subscriptions", &broker->events.subscribers.topics.count},
        {"connections_turned_away", &broker->connections_turned_away},
        {"subscribers_cut_ipc", &broker->events.subscribers.cut[0]},
        {"subscribers_cut_tcp", &broker->events.subscribers.cut[1]},
        {"deadlines_exceeded", &core->deadlines_exceeded},
        {"cancelled", &core->cancelled},
        {"queue_full", &core->queue_full},
        {"credit_exceeded", &core->credit_exceeded},
        {"stale_replies", &core->stale_replies},
        {"plain_dropped", &core->plain_dropped},
    };
    bool good = true;
    for (size_t i = 0; i < sizeof(counters) / sizeof(counters[0]); i++)
        good = good && sw_local_worker_add_counter(&broker->local, counters[i].name, counters[i].value);
    return good;
}

static sw_code open_parts(sw_broker *broker, sw_error *error)
{
    const sw_auth_owner owner = {broker, call, changed, cut};
    const sw_listener_owner connections = {NULL, sw_rounds_admit, sw_rounds_read, sw_rounds_lost,
                                           sw_rounds_answers};
    if (getrandom(&broker->secret, sizeof(broker->secret), 0) != sizeof(broker->secret))
        return sw_fail(error, SW_INTERNAL, "cannot get random numbers: %s", strerror(errno));
    set_instance(broker);
    sw_code code = open_core(broker, error);
    if (code == SW_OK)
        code = sw_auth_open(&broker->auth, &owner, broker->options, broker->core, broker->secret, error);
    if (code == SW_OK)
        code = sw_listen_open(broker, &connections, error);
    if (code == SW_OK && !add_counters(broker))
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    return code;
}

sw_code sw_broker_new(sw_loop *loop, const sw_broker_options *options, sw_broker **broker, sw_error *error)
{
    *broker = calloc(1, sizeof(**broker));
    if (*broker == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    sw_broker *b = *broker;
    b->options = options;
    b->loop = loop;
    b->now_us = sw_now_us();
    b->deadline_us = SW_NEVER;
    sw_code code = open_parts(b, error);
    if (code != SW_OK)
        sw_broker_destroy(broker);
    return code;
}

static void say_goodbye(sw_broker *broker)
{
    broker->now_us = sw_now_us();
    sw_core_stop(broker->core, broker->now_us);
    sw_broker_flush(broker);
    sw_core_stop(broker->core, broker->now_us); /* what could not be delivered meanwhile */
    sw_broker_flush(broker);
}

void sw_broker_destroy(sw_broker **broker)
{
    sw_broker *b = *broker;
    if (b == NULL)
        return;
    if (b->core != NULL)
        say_goodbye(b);
    sw_local_worker_close(&b->local);
    sw_trace_close(&b->trace);
    sw_call_log_close(&b->calls);
    sw_held_drop(&b->held, &b->pool, NULL);
    sw_listen_shut(b);
    sw_auth_close(&b->auth);
    sw_loop_idle_remove(b->loop, sw_rounds_settle, b);
    sw_timer_destroy(&b->tick);
    sw_core_destroy(&b->core);
    sw_body_pool_clear(&b->pool);
    free(b);
    *broker = NULL;
}

void sw_broker_set_key(sw_broker *broker, const sw_key_file *key)
{
    sw_auth_set_key(&broker->auth, key);
}

const char *sw_broker_instance(const sw_broker *broker)
{
    return broker->instance;
}

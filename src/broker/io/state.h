/* The broker's parts, together. Only the files on top include it: broker.c, loop.c, listen.c,
 * frontend.c, backend.c, reader.c and carry_out.c. The parts themselves do not know it. */
#ifndef SW_BROKER_IO_STATE_H
#define SW_BROKER_IO_STATE_H

#include "broker/auth/auth.h"
#include "broker/io/body.h"
#include "broker/io/broker.h"
#include "broker/io/call_log.h"
#include "broker/io/events.h"
#include "broker/io/held.h"
#include "broker/io/local_worker.h"
#include "broker/io/outbox.h"
#include "broker/io/peer.h"
#include "listen/listener.h"

#define SW_SIDES 4 /* backend and frontend, each for ipc and for tcp */

struct sw_broker {
    const sw_broker_options *options;
    sw_loop *loop;
    sw_listeners *listeners;
    sw_core *core;
    uint32_t client; /* the core's number of the broker as a client */
    sw_body_pool pool;
    sw_outbox outbox;
    sw_held held;
    sw_side sides[SW_SIDES];
    sw_auth auth;
    sw_events events;
    sw_local_worker local;
    sw_trace trace;
    sw_call_log calls;
    sw_timer *tick;
    uint64_t read; /* messages; those in a batch count one by one */
    uint64_t malformed_frames;
    uint64_t handshakes_failed, connections_turned_away; /* of all listeners */
    int64_t now_us;      /* read once for each connection that has something to read */
    int64_t held_ms;     /* how long the message that is being read was held */
    int64_t recheck_us;  /* when to look for certificates that changed */
    int64_t deadline_us; /* of draining, or SW_NEVER */
    uint64_t secret;     /* seeds hashes */
    char instance[SW_INSTANCE_MAX + 1];
};

#endif

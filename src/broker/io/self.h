/* The broker's own services, Health, Reflection, Stats and Drain: to the core they are a worker like others,
 * whose calls go to an rpc dispatch instead of a socket. Used by loop.c and send.c. */
#ifndef SW_BROKER_SELF_H
#define SW_BROKER_SELF_H

#include "broker/core/core.h"
#include "rpc/builtin.h"
#include "rpc/transport.h"

struct sw_broker;

typedef struct sw_self {
    sw_transport transport; /* first: what dispatch hands back */
    struct sw_broker *broker;
    sw_dispatch *dispatch;
    sw_builtin *builtin;
    uint32_t worker;     /* the core's number */
    uint64_t epoch;      /* of the core when watchers were last told */
    int64_t drain_in_ms; /* asked for by Drain; -1: not */
    const char **names;  /* of the last answer to `services` */
    size_t name_room;
} sw_self;

sw_code sw_self_open(sw_self *self, struct sw_broker *broker, sw_error *error);
void sw_self_close(sw_self *self);
/* REQUEST, CANCEL or CREDIT for the broker itself. */
void sw_self_carry_out(sw_self *self, const sw_action *action);
/* Once per round: tells watchers of Health what changed, and ends calls whose time is over. */
void sw_self_idle(sw_self *self, int64_t now_ms);
/* When sw_self_idle has something to do at the latest. */
int64_t sw_self_next_ms(const sw_self *self);

#endif

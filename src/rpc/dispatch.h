/* A dispatch has the methods of a process and the calls that are being served. A transport
 * (rpc/transport.h) feeds requests in; handlers answer now or later. One thread. */
#ifndef SW_RPC_DISPATCH_H
#define SW_RPC_DISPATCH_H

#include "rpc/call.h"
#include "rpc/method.h"

typedef struct sw_dispatch sw_dispatch;

/* NULL when out of memory. */
sw_dispatch *sw_dispatch_new(void);
/* Ends all calls in flight without a reply; their handlers are not called. */
void sw_dispatch_destroy(sw_dispatch **dispatch);

/* Registers a method. INTERNAL by name if the service has no such method or it has a handler
 * already. */
sw_code sw_dispatch_add(sw_dispatch *dispatch, const sw_method *method, sw_error *error);
/* FAILED_PRECONDITION by name if a service with at least one handler has a method without one. */
sw_code sw_dispatch_check(const sw_dispatch *dispatch, sw_error *error);
/* Full names of the services with handlers, without the built-in ones; *names lives as long as the
 * dispatch. */
size_t sw_dispatch_services(const sw_dispatch *dispatch, const char *const **names);
/* Methods in the order in which they were added. */
size_t sw_dispatch_methods(const sw_dispatch *dispatch, const sw_method_entry *const **methods);
/* A counter: calls that named no method of the process. */
const uint64_t *sw_dispatch_unknown(const sw_dispatch *dispatch);
/* `fn` sees every call of a known method when it ends. NULL: nobody does. */
void sw_dispatch_on_end(sw_dispatch *dispatch, sw_call_end_fn *fn, void *context);
/* `fn` sees every call that is refused, when it ends. NULL: nobody does. */
void sw_dispatch_on_refusal(sw_dispatch *dispatch, sw_call_refusal_fn *fn, void *context);
/* Calls being served. */
size_t sw_dispatch_in_flight(const sw_dispatch *dispatch);

/* Bounds: bytes of a request (0: 4 MiB) and calls at once (0: 65535). What exceeds them is refused
 * with RESOURCE_EXHAUSTED. */
void sw_dispatch_set_bounds(sw_dispatch *dispatch, size_t payload_max, size_t calls_max);

#endif

/* The host name in a broker's endpoint, looked up before each attempt to connect. libzmq would do
 * it in the thread that serves all brokers, so a silent DNS server would cut off the others. Used
 * by connection.c and publisher.c. */
#ifndef SW_WORKER_BROKER_NAME_H
#define SW_WORKER_BROKER_NAME_H

#include "net/resolver.h"

/* `endpoint` is numeric, and lent; NULL: the name has no address, or its lookup takes too long. */
typedef void sw_broker_name_fn(void *context, const char *endpoint);

/* All zeros at first. */
typedef struct sw_broker_name {
    const char *endpoint;
    sw_name_lookup *lookup;
    unsigned turn; /* several addresses are used in turn */
    sw_broker_name_fn *fn;
    void *context;
} sw_broker_name;

/* Whether the endpoint has a host name: `tcp://NAME:PORT`. */
bool sw_broker_name_is(const char *endpoint);
/* Calls fn later. The endpoint is lent until then. False when out of memory. */
bool sw_broker_name_start(sw_broker_name *name, sw_resolver *resolver, const char *endpoint,
                          sw_broker_name_fn *fn, void *context);
/* fn is not called any more. */
void sw_broker_name_cancel(sw_broker_name *name);

#endif

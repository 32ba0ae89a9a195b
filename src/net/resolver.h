/* Resolves host names without blocking the loop: each lookup is a getaddrinfo in a thread of its
 * own, because only that follows the machine's configuration (files, DNS, mDNS). A silent DNS
 * server delays nothing but those who wait for its answer. Used by the store's lanes and by the
 * links to brokers. One thread (the loop's). */
#ifndef SW_NET_RESOLVER_H
#define SW_NET_RESOLVER_H

#include "net/loop.h"

typedef struct sw_resolver sw_resolver;
typedef struct sw_name_lookup sw_name_lookup;

#define SW_ADDRESSES_MAX    8  /* of one name; further ones are ignored */
#define SW_ADDRESS_SIZE     64 /* bytes of one in text, with its NUL */
#define SW_RESOLVER_THREADS 16 /* lookups of different names at once; further ones fail */

/* The addresses of a name, numeric, in the order of preference (RFC 6724). */
typedef struct sw_addresses {
    int count;
    char text[SW_ADDRESSES_MAX][SW_ADDRESS_SIZE];
    char error[128]; /* why there is none */
} sw_addresses;

/* `found` is lent. It has no address after a failure. */
typedef void sw_resolver_fn(void *context, const sw_addresses *found);

/* NULL without memory or descriptors. */
sw_resolver *sw_resolver_new(sw_loop *loop);
/* Ends the lookups under way, whose callers forget them. Their threads end by themselves. */
void sw_resolver_destroy(sw_resolver **resolver);
/* Calls fn from the loop, never from within this function. Lookups of one name share a thread. NULL
 * without memory, or if SW_RESOLVER_THREADS names are being looked up. */
sw_name_lookup *sw_resolver_start(sw_resolver *resolver, const char *host, sw_resolver_fn *fn, void *context);
/* fn will not be called. Call it only before fn is called; NULL is ignored. */
void sw_name_lookup_cancel(sw_name_lookup **lookup);

#endif

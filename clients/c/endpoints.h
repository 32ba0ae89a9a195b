/* A list of endpoints in order of preference, as the programs' options and $SITEWIRE_ENDPOINT
 * give it. Used by the link (brokers) and by subscriptions (brokers' events). Not thread-safe. */
#ifndef SW_CLIENT_ENDPOINTS_H
#define SW_CLIENT_ENDPOINTS_H

#include <sitewire/status.h>
#include <stdint.h>

/* All zeros is an empty list. */
typedef struct sw_endpoints {
    char **items;
    size_t count;
    size_t current; /* the one in use, or tried now */
} sw_endpoints;

/* Reads a comma-separated list of tcp://HOST:PORT and ipc://PATH; white space around each is
 * ignored. NULL means the environment variable `variable`. INVALID_ARGUMENT (field `endpoints`)
 * names the endpoint that is malformed, RESOURCE_EXHAUSTED: out of memory. Free the list with
 * sw_endpoints_clear, also after a failure. */
sw_code sw_endpoints_parse(sw_endpoints *endpoints, const char *text, const char *variable, sw_error *error);
void sw_endpoints_clear(sw_endpoints *endpoints);

/* The one in use; "" if the list is empty. Lives as long as the list. */
const char *sw_endpoints_current(const sw_endpoints *endpoints);
/* Goes on to the next one, after the last to the first. */
void sw_endpoints_next(sw_endpoints *endpoints);
/* Puts them into an order that follows from the seed alone. */
void sw_endpoints_shuffle(sw_endpoints *endpoints, uint64_t seed);
/* Whether the text is a tcp:// endpoint, so that CURVE may apply. */
bool sw_endpoint_is_tcp(const char *endpoint);

#endif

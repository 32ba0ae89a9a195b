/* From `tcp://NAME:PORT` to `tcp://ADDRESS:PORT` (broker_name.h). */
#include "worker/broker_name.h"
#include "net/address.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "tcp://"

/* The length of the name, 0 if there is none; *port is what follows it. */
static size_t split(const char *endpoint, const char **port)
{
    sw_address address;
    if (strncmp(endpoint, PREFIX, sizeof(PREFIX) - 1) != 0 || sw_address_parse(endpoint, &address))
        return 0;
    const char *host = endpoint + sizeof(PREFIX) - 1, *colon = strrchr(host, ':');
    char *end;
    long number = colon == NULL ? 0 : strtol(colon + 1, &end, 10);
    if (number < 1 || number > UINT16_MAX || *end != '\0' || strpbrk(host, "[];") != NULL)
        return 0;
    *port = colon + 1;
    return (size_t)(colon - host);
}

bool sw_broker_name_is(const char *endpoint)
{
    const char *port;
    return split(endpoint, &port) > 0;
}

static void on_found(void *context, const sw_addresses *found)
{
    sw_broker_name *name = context;
    char endpoint[SW_ADDRESS_SIZE + 32];
    const char *port;
    name->lookup = NULL;
    if (found->count == 0 || split(name->endpoint, &port) == 0) {
        name->fn(name->context, NULL);
        return;
    }
    const char *address = found->text[name->turn++ % (unsigned)found->count];
    snprintf(endpoint, sizeof(endpoint), strchr(address, ':') != NULL ? PREFIX "[%s]:%s" : PREFIX "%s:%s",
             address, port);
    name->fn(name->context, endpoint);
}

bool sw_broker_name_start(sw_broker_name *name, sw_resolver *resolver, const char *endpoint,
                          sw_broker_name_fn *fn, void *context)
{
    const char *port;
    char host[256];
    size_t size = split(endpoint, &port);
    if (size == 0 || size >= sizeof(host))
        return false;
    snprintf(host, sizeof(host), "%.*s", (int)size, endpoint + sizeof(PREFIX) - 1);
    name->endpoint = endpoint;
    name->fn = fn;
    name->context = context;
    name->lookup = sw_resolver_start(resolver, host, on_found, name);
    return name->lookup != NULL;
}

void sw_broker_name_cancel(sw_broker_name *name)
{
    sw_name_lookup_cancel(&name->lookup);
}

/* Lists of ZeroMQ endpoints, as text. Used by --check-config, before anything is bound or
 * connected. */
#ifndef SW_BASE_ENDPOINT_H
#define SW_BASE_ENDPOINT_H

#include <sitewire/status.h>
#include <stdbool.h>

/* Checks a comma-separated list: each one is `tcp://HOST:PORT`, `ipc://PATH` or `ipc://@NAME`.
 * `bind`: they are to be bound, so a port may be `*`, and the folder of a path must exist and be
 * writable; else a host may not be `*`. INVALID_ARGUMENT or FAILED_PRECONDITION names the endpoint
 * and the remedy. An empty list is fine. */
sw_code sw_endpoints_check(const char *list, bool bind, sw_error *error);

#endif

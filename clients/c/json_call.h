/* The schema of everything that a client can call. Used by the command line, which also calls
 * methods by name. */
#ifndef SW_CLIENT_JSON_CALL_H
#define SW_CLIENT_JSON_CALL_H

#include "c/json/schema.h"
#include <sitewire/client.h>

/* The schema of the broker and of every service it knows, as one. Fetched at the first use, or
 * again if `refresh`; the client keeps and owns it. Not from a callback. The error is that of
 * the call that failed; *schema is then the one from before, or NULL. */
sw_code sw_client_schema(sw_client *client, bool refresh, const sw_schema **schema, sw_error *error);

#endif

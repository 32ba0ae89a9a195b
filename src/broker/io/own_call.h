/* Calls that the broker itself makes. To the core the broker is a client like others. Used by
 * broker.c. */
#ifndef SW_BROKER_OWN_CALL_H
#define SW_BROKER_OWN_CALL_H

#include "broker/io/body.h"
#include <protobuf-c/protobuf-c.h>

/* Hands the call to the core, for the service that its method names. `client` is the broker's
 * number in the core. False when out of memory: nothing has happened. */
bool sw_own_call(sw_core *core, sw_body_pool *pool, uint32_t client, const sw_call_header *header,
                 const ProtobufCMessage *request, int64_t now_us);

#endif

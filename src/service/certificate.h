/* Reads the PEM of certificates, which SQL cannot do. Used by the table of resources
 * (referential.c). */
#ifndef SW_SERVICE_CERTIFICATE_H
#define SW_SERVICE_CERTIFICATE_H

#include "store/store.h"

/* A sw_resource_hook for Certificate. Sets not_before, not_after, subject and alternative_names
 * from `certificate`. Empties them if it is empty, and leaves them alone if it is unset.
 * INVALID_ARGUMENT names the field with the wrong PEM; RESOURCE_EXHAUSTED when out of memory. */
sw_code sw_certificate_read(ProtobufCMessage *resource, sw_arena *arena, sw_error *error);

#endif

/* The schema that a client fetched for JSON calls, and its predecessors that pending calls still
 * point into. Used by json_call.c, which fetches it, and client.c, which owns it. Not
 * thread-safe. */
#ifndef SW_CLIENT_SCHEMA_CACHE_H
#define SW_CLIENT_SCHEMA_CACHE_H

#include "c/json/schema.h"

/* All zeros is an empty cache. */
typedef struct sw_schema_cache {
    sw_schema *schema; /* NULL until it was fetched */
    sw_schema **retired;
    size_t retired_count;
    sw_error gap; /* why a part of the schema is missing; code OK: it is complete */
} sw_schema_cache;

/* Takes the schema over. `in_use`: calls that point into the present one are pending, so it is
 * kept until the next replacement without such calls. False when out of memory; the schema is
 * then still the caller's. */
bool sw_schema_cache_replace(sw_schema_cache *cache, sw_schema *schema, bool in_use);
void sw_schema_cache_clear(sw_schema_cache *cache);

#endif

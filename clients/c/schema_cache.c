/* Keeps fetched schemas as long as they are needed, see schema_cache.h. */
#include "c/schema_cache.h"

#include <stdlib.h>

static void destroy_retired(sw_schema_cache *cache)
{
    while (cache->retired_count > 0)
        sw_schema_destroy(&cache->retired[--cache->retired_count]);
}

static bool retire(sw_schema_cache *cache)
{
    sw_schema **retired = realloc(cache->retired, (cache->retired_count + 1) * sizeof(sw_schema *));
    if (retired == NULL)
        return false;
    cache->retired = retired;
    cache->retired[cache->retired_count++] = cache->schema;
    return true;
}

bool sw_schema_cache_replace(sw_schema_cache *cache, sw_schema *schema, bool in_use)
{
    if (cache->schema != NULL && in_use) {
        if (!retire(cache))
            return false;
    } else {
        sw_schema_destroy(&cache->schema);
        destroy_retired(cache);
    }
    cache->schema = schema;
    return true;
}

void sw_schema_cache_clear(sw_schema_cache *cache)
{
    sw_schema_destroy(&cache->schema);
    destroy_retired(cache);
    free(cache->retired);
    *cache = (sw_schema_cache){0};
}

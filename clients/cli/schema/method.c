/* Methods by name: see method.h. */
#include "cli/schema/method.h"
#include "base/error.h"
#include "base/nearest.h"
#include <string.h>

/* `Service/Method` of a path. */
static const char *short_path(const char *path)
{
    const char *slash = strrchr(path, '/'), *start = path;
    for (const char *p = path; slash != NULL && p < slash; p++)
        if (*p == '.' || *p == '/')
            start = p + 1;
    return start;
}

sw_code sw_cli_method(const sw_schema *schema, const char *name, const sw_schema_method **method,
                      sw_error *error)
{
    *method = sw_schema_find_method(schema, name);
    if (*method != NULL)
        return SW_OK;
    sw_nearest nearest;
    sw_nearest_init(&nearest, name, strlen(name));
    bool bare = strpbrk(name, "/.") == NULL;
    const sw_schema_method *found = NULL, *second = NULL;
    const sw_schema_service *services;
    size_t count = sw_schema_services(schema, &services);
    for (size_t s = 0; s < count; s++) {
        for (size_t m = 0; m < services[s].method_count; m++) {
            const sw_schema_method *candidate = &services[s].methods[m];
            bool same = strcasecmp(name, bare ? candidate->name : short_path(candidate->path)) == 0;
            if (same && found != NULL)
                second = candidate;
            else if (same)
                found = candidate;
            sw_nearest_offer(&nearest, bare ? candidate->name : short_path(candidate->path));
        }
    }
    if (second != NULL)
        return sw_fail(error, SW_INVALID_ARGUMENT, "several services have %s: is it %s or %s?", name,
                       short_path(found->path), short_path(second->path));
    *method = found;
    if (found != NULL)
        return SW_OK;
    char hint[256];
    sw_nearest_text(&nearest, "", hint, sizeof(hint));
    return sw_fail(error, SW_UNIMPLEMENTED, "there is no method %s%s", name, hint);
}

/* The methods of a process, by path. */
#include "rpc/call.h"

#include "base/error.h"
#include "base/hash.h"
#include <stdlib.h>
#include <string.h>

#define PAYLOAD_MAX     (4U * 1024 * 1024)
#define CALLS_MAX       65535
#define TABLE_FIRST     64 /* slots of the method table at first; a power of two */
#define BUILTIN_PACKAGE "sitewire.rpc.v1"

/* The slot that holds the path, or the empty one where it belongs. */
static sw_method_entry **slot_of(const sw_dispatch *dispatch, const char *path, size_t size)
{
    size_t at = sw_hash_bytes(0, path, size);
    for (;; at++) {
        sw_method_entry **slot = &dispatch->table[at & (dispatch->table_size - 1)];
        if (*slot == NULL || ((*slot)->path_size == size && memcmp((*slot)->path, path, size) == 0))
            return slot;
    }
}

sw_dispatch *sw_dispatch_new(void)
{
    sw_dispatch *dispatch = calloc(1, sizeof(*dispatch));
    if (dispatch == NULL)
        return NULL;
    sw_dispatch_set_bounds(dispatch, 0, 0);
    dispatch->table_size = TABLE_FIRST;
    dispatch->table = calloc(TABLE_FIRST, sizeof(*dispatch->table));
    if (dispatch->table == NULL)
        sw_dispatch_destroy(&dispatch);
    return dispatch;
}

void sw_dispatch_destroy(sw_dispatch **dispatch)
{
    sw_dispatch *d = *dispatch;
    if (d == NULL)
        return;
    sw_dispatch_free_calls(d);
    for (size_t i = 0; i < d->method_count; i++) {
        free(d->methods[i]->path);
        free(d->methods[i]);
    }
    free(d->methods);
    free(d->table);
    free(d->services);
    free(d);
    *dispatch = NULL;
}

void sw_dispatch_set_bounds(sw_dispatch *dispatch, size_t payload_max, size_t calls_max)
{
    dispatch->payload_max = payload_max == 0 ? PAYLOAD_MAX : payload_max;
    dispatch->calls_max = calls_max == 0 ? CALLS_MAX : calls_max;
}

sw_method_entry *sw_dispatch_find(const sw_dispatch *dispatch, sw_view path)
{
    return path.size == 0 ? NULL : *slot_of(dispatch, path.data, path.size);
}

static bool grow_table(sw_dispatch *d)
{
    sw_method_entry **table = calloc(d->table_size * 2, sizeof(*table));
    if (table == NULL)
        return false;
    free(d->table);
    d->table = table;
    d->table_size *= 2;
    for (size_t i = 0; i < d->method_count; i++)
        *slot_of(d, d->methods[i]->path, d->methods[i]->path_size) = d->methods[i];
    return true;
}

/* Room for one more method, and for the service's name if it is new. */
static bool make_room(sw_dispatch *d)
{
    void *grown = realloc(d->methods, (d->method_count + 1) * sizeof(*d->methods));
    if (grown == NULL)
        return false;
    d->methods = grown;
    grown = realloc(d->services, (d->service_count + 1) * sizeof(*d->services));
    if (grown == NULL)
        return false;
    d->services = grown;
    return d->method_count * 2 < d->table_size || grow_table(d);
}

static void add_service(sw_dispatch *d, const ProtobufCServiceDescriptor *service)
{
    if (strcmp(service->package, BUILTIN_PACKAGE) == 0)
        return;
    for (size_t i = 0; i < d->service_count; i++)
        if (strcmp(d->services[i], service->name) == 0)
            return;
    d->services[d->service_count++] = service->name;
}

sw_code sw_dispatch_add(sw_dispatch *dispatch, const sw_method *method, sw_error *error)
{
    const char *service = method->service->name;
    const ProtobufCMethodDescriptor *descriptor =
        protobuf_c_service_descriptor_get_method_by_name(method->service, method->name);
    if (descriptor == NULL)
        return sw_fail(error, SW_INTERNAL, "service %s has no method %s", service, method->name);
    sw_method_entry *entry = calloc(1, sizeof(*entry));
    char *path = NULL;
    int size = entry == NULL ? -1 : asprintf(&path, "/%s/%s", service, method->name);
    if (size < 0 || !make_room(dispatch)) {
        free(size < 0 ? NULL : path);
        free(entry);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for method %s", method->name);
    }
    *entry = (sw_method_entry){
        .method = *method, .descriptor = descriptor, .path = path, .path_size = (size_t)size};
    sw_method_entry **slot = slot_of(dispatch, path, entry->path_size);
    if (*slot != NULL) {
        sw_fail(error, SW_INTERNAL, "method %s has a handler already", path);
        free(path);
        free(entry);
        return SW_INTERNAL;
    }
    *slot = dispatch->methods[dispatch->method_count++] = entry;
    add_service(dispatch, method->service);
    return SW_OK;
}

static bool has_method(const sw_dispatch *d, const ProtobufCServiceDescriptor *service, const char *name)
{
    for (size_t i = 0; i < d->method_count; i++)
        if (d->methods[i]->method.service == service && strcmp(d->methods[i]->descriptor->name, name) == 0)
            return true;
    return false;
}

sw_code sw_dispatch_check(const sw_dispatch *dispatch, sw_error *error)
{
    for (size_t i = 0; i < dispatch->method_count; i++) {
        const ProtobufCServiceDescriptor *service = dispatch->methods[i]->method.service;
        for (unsigned m = 0; m < service->n_methods; m++)
            if (!has_method(dispatch, service, service->methods[m].name))
                return sw_fail(error, SW_FAILED_PRECONDITION, "method %s of service %s has no handler",
                               service->methods[m].name, service->name);
    }
    return SW_OK;
}

size_t sw_dispatch_services(const sw_dispatch *dispatch, const char *const **names)
{
    *names = (const char *const *)dispatch->services;
    return dispatch->service_count;
}

size_t sw_dispatch_methods(const sw_dispatch *dispatch, const sw_method_entry *const **methods)
{
    *methods = (const sw_method_entry *const *)dispatch->methods;
    return dispatch->method_count;
}

const uint64_t *sw_dispatch_unknown(const sw_dispatch *dispatch)
{
    return &dispatch->unknown_methods;
}

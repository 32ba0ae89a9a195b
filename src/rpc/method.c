/* The methods of a process, by path (method.h). */
#include "rpc/method.h"

#include "base/error.h"
#include <stdio.h>
#include <stdlib.h>

#define BUILTIN_PACKAGE "sitewire.rpc.v1"

sw_method_entry *sw_methods_find(const sw_methods *methods, sw_view path)
{
    uint32_t hash = sw_hash_bytes(0, path.data, path.size), at = hash, index;
    while ((index = sw_hash_table_next(&methods->table, hash, &at)) != SW_NONE) {
        sw_method_entry *entry = methods->entries[index];
        if (sw_view_equal((sw_view){entry->path, entry->path_size}, path))
            return entry;
    }
    return NULL;
}

static void free_entry(sw_method_entry *entry)
{
    if (entry != NULL)
        free(entry->path);
    free(entry);
}

void sw_methods_clear(sw_methods *methods)
{
    for (uint32_t i = 0; i < methods->count; i++)
        free_entry(methods->entries[i]);
    free(methods->entries);
    free(methods->services);
    sw_hash_table_clear(&methods->table);
    *methods = (sw_methods){0};
}

/* Room for one more method, and for the service's name if it is new. */
static bool make_room(sw_methods *methods)
{
    void *grown = reallocarray(methods->entries, methods->count + 1, sizeof(*methods->entries));
    if (grown == NULL)
        return false;
    methods->entries = grown;
    grown = reallocarray(methods->services, methods->service_count + 1, sizeof(*methods->services));
    if (grown == NULL)
        return false;
    methods->services = grown;
    return true;
}

static void add_service(sw_methods *methods, const ProtobufCServiceDescriptor *service)
{
    if (strcmp(service->package, BUILTIN_PACKAGE) == 0)
        return;
    for (size_t i = 0; i < methods->service_count; i++)
        if (strcmp(methods->services[i], service->name) == 0)
            return;
    methods->services[methods->service_count++] = service->name;
}

static sw_method_entry *make_entry(const sw_method *method, const ProtobufCMethodDescriptor *descriptor)
{
    sw_method_entry *entry = calloc(1, sizeof(*entry));
    if (entry == NULL)
        return NULL;
    int size = asprintf(&entry->path, "/%s/%s", method->service->name, method->name);
    if (size < 0) {
        free(entry);
        return NULL;
    }
    entry->path_size = (size_t)size;
    entry->method = *method;
    entry->descriptor = descriptor;
    return entry;
}

static bool add_entry(sw_methods *methods, sw_method_entry *entry)
{
    uint32_t hash = sw_hash_bytes(0, entry->path, entry->path_size);
    if (!make_room(methods) || !sw_hash_table_insert(&methods->table, hash, methods->count))
        return false;
    methods->entries[methods->count++] = entry;
    add_service(methods, entry->method.service);
    return true;
}

sw_code sw_methods_add(sw_methods *methods, const sw_method *method, sw_error *error)
{
    const ProtobufCMethodDescriptor *descriptor =
        protobuf_c_service_descriptor_get_method_by_name(method->service, method->name);
    if (descriptor == NULL)
        return sw_fail(error, SW_INTERNAL, "service %s has no method %s", method->service->name,
                       method->name);
    sw_method_entry *entry = make_entry(method, descriptor);
    if (entry != NULL && sw_methods_find(methods, (sw_view){entry->path, entry->path_size}) != NULL) {
        sw_fail(error, SW_INTERNAL, "method %s has a handler already", entry->path);
        free_entry(entry);
        return SW_INTERNAL;
    }
    if (entry == NULL || !add_entry(methods, entry)) {
        free_entry(entry);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for method %s", method->name);
    }
    return SW_OK;
}

static bool has_method(const sw_methods *methods, const ProtobufCServiceDescriptor *service, const char *name)
{
    for (uint32_t i = 0; i < methods->count; i++)
        if (methods->entries[i]->method.service == service &&
            strcmp(methods->entries[i]->descriptor->name, name) == 0)
            return true;
    return false;
}

sw_code sw_methods_check(const sw_methods *methods, sw_error *error)
{
    for (uint32_t i = 0; i < methods->count; i++) {
        const ProtobufCServiceDescriptor *service = methods->entries[i]->method.service;
        for (unsigned m = 0; m < service->n_methods; m++)
            if (!has_method(methods, service, service->methods[m].name))
                return sw_fail(error, SW_FAILED_PRECONDITION, "method %s of service %s has no handler",
                               service->methods[m].name, service->name);
    }
    return SW_OK;
}

void sw_method_count(sw_method_entry *method, sw_code code, int64_t service_us, uint32_t sql_us)
{
    uint64_t us = service_us < 0 ? 0 : service_us > UINT32_MAX ? UINT32_MAX : (uint64_t)service_us;
    size_t bucket = us == 0 ? 0 : 64 - (size_t)__builtin_clzll(us);
    method->calls++;
    method->codes[code]++;
    method->latency[bucket < SW_LATENCY_BUCKETS ? bucket : SW_LATENCY_BUCKETS - 1]++;
    method->total_us += us;
    method->sql_us += sql_us;
}

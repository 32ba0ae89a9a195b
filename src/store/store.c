/* The store: registers a handler for each method of the resources and queries, and owns the parts
 * that serve them (store.h). Used by the services. */
#include "base/clock.h"
#include "base/error.h"
#include "store/engine.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int read_lanes = 2, list_lanes = 4, write_lanes = 8, lists_per_caller = 64, lists = 128;

static void on_change(void *context)
{
    sw_store *store = context;
    if (store->closing)
        return;
    sw_schema_check_start(store->schema_check);
    sw_store_report(store);
}

static void on_notify(void *context)
{
    const sw_store *store = context;
    sw_periodic_wake_all(store->periodic, false);
}

static void on_parked(void *context)
{
    sw_store_calls_unpark(context);
}

sw_code sw_store_new(sw_loop *loop, const sw_store_options *options, sw_store **out, sw_error *error)
{
    *out = NULL;
    if (sodium_init() < 0)
        return sw_fail(error, SW_INTERNAL, "libsodium cannot be initialised");
    sw_store *store = calloc(1, sizeof(*store));
    if (!store)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    store->loop = loop;
    store->schema_minimum = options->schema_minimum;
    store->schema_maximum = options->schema_maximum;
    store->on_serving = options->on_serving;
    store->report = sw_store_report;
    store->context = options->context;
    store->hook_context = options->hook_context;
    store->parked_last = &store->parked;
    snprintf(store->reason, sizeof(store->reason), SW_STORE_WAITING);
    sw_pool_options pool = {
        .conninfo = options->conninfo,
        .lanes = {[SW_LANE_READ] = options->read_lanes ? options->read_lanes : read_lanes,
                  [SW_LANE_AUTHENTICATE] = 1,
                  [SW_LANE_LIST] = options->list_lanes ? options->list_lanes : list_lanes,
                  [SW_LANE_CANCEL] = 1,
                  [SW_LANE_WRITE] = options->write_lanes ? options->write_lanes : write_lanes,
                  [SW_LANE_CONTROL] = 1},
        .lists_per_caller = options->lists_per_caller ? options->lists_per_caller : lists_per_caller,
        .lists = options->lists ? options->lists : lists,
        .on_change = on_change,
        .on_notify = on_notify,
        .context = store};
    store->pool = sw_pool_new(loop, &pool);
    store->parked_timer = sw_loop_timer(loop, on_parked, store);
    store->catalog = sw_arena_new(0);
    if (!store->pool || !store->catalog || !store->parked_timer ||
        sw_schema_check_new(store, &store->schema_check, error) != SW_OK) {
        sw_store_destroy(&store);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    *out = store;
    return SW_OK;
}

static void destroy_method(sw_store_method *method)
{
    free(method->path);
    sw_query_statement_clear(&method->statement);
    sw_query_statement_clear(&method->lookup);
    free(method);
}

void sw_store_destroy(sw_store **out)
{
    sw_store *store = *out;
    if (!store)
        return;
    store->closing = true;
    sw_store_calls_unpark(store);
    sw_pool_destroy(&store->pool); /* ends every call */
    sw_schema_check_destroy(&store->schema_check);
    sw_periodic_destroy_all(&store->periodic);
    sw_arena_destroy(&store->catalog);
    sw_timer_destroy(&store->parked_timer);
    for (size_t i = 0; i < store->method_count; i++)
        destroy_method(store->methods[i]);
    for (size_t i = 0; i < store->table_count; i++)
        sw_table_destroy(&store->tables[i]);
    for (sw_store_call *call; (call = store->spare);) {
        store->spare = call->next;
        free(call);
    }
    free(store->methods);
    free(store->tables);
    free(store);
    *out = NULL;
}

static bool authenticates(const sw_store *store)
{
    for (size_t i = 0; i < store->method_count; i++)
        if (store->methods[i]->requires == SW_REQUIRES_INTERNAL)
            return true;
    return false;
}

sw_code sw_store_start(sw_store *store, sw_error *error)
{
    if (!PQisthreadsafe()) /* such a libpq uses no locks */
        return sw_fail(error, SW_INTERNAL, "libpq is built without thread safety");
    if (!authenticates(store))
        sw_pool_close(store->pool, SW_LANE_AUTHENTICATE);
    sw_pool_connect(store->pool);
    return SW_OK;
}

/* --- Registration --- */

static bool grow(void **array, size_t count, size_t size)
{
    void *grown = realloc(*array, (count + 1) * size);
    if (grown)
        *array = grown;
    return grown != NULL;
}

static const ProtobufCFieldDescriptor *field_of(const ProtobufCMessageDescriptor *message, const char *name)
{
    return protobuf_c_message_descriptor_get_field_by_name(message, name);
}

/* The method as the store runs it, or NULL if the service has no such method. */
static sw_code new_method(sw_store *store, const ProtobufCServiceDescriptor *service, const char *name,
                          sw_store_method **out, sw_error *error)
{
    const ProtobufCMethodDescriptor *descriptor =
        protobuf_c_service_descriptor_get_method_by_name(service, name);
    *out = NULL;
    if (!descriptor)
        return SW_OK;
    sw_store_method *method = calloc(1, sizeof(*method));
    size_t size = strlen(service->name) + strlen(name) + 3;
    if (method)
        method->path = malloc(size);
    if (!method || !method->path ||
        !grow((void **)&store->methods, store->method_count, sizeof(sw_store_method *))) {
        if (method)
            destroy_method(method);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    snprintf(method->path, size, "/%s/%s", service->name, name);
    method->store = store;
    method->descriptor = descriptor;
    store->methods[store->method_count++] = method;
    *out = method;
    return SW_OK;
}

/* What each verb's request and reply must have, besides the key. */
static const struct {
    const char *name;
    bool writes, key, resource, revision, validate_only, reply_is_resource;
} verbs[] = {
    [SW_VERB_GET] = {"Get", false, true, false, false, false, true},
    [SW_VERB_LIST] = {"List", false, false, false, false, false, false},
    [SW_VERB_CREATE] = {"Create", true, false, true, false, true, true},
    [SW_VERB_UPDATE] = {"Update", true, false, true, false, true, true},
    [SW_VERB_DELETE] = {"Delete", true, true, false, true, true, false},
    [SW_VERB_RENAME] = {"Rename", true, true, false, true, true, true},
};

/* Finds a field. Fails if it is needed and missing. */
static sw_code find_field(const sw_store_method *method, const ProtobufCMessageDescriptor *message,
                          const char *name, bool needed, const ProtobufCFieldDescriptor **field,
                          sw_error *error)
{
    *field = field_of(message, name);
    if (needed && !*field)
        return sw_fail(error, SW_INTERNAL, "%s: %s has no field `%s`", method->path, message->name, name);
    return SW_OK;
}

static sw_code find_key(sw_store_method *method, sw_error *error)
{
    sw_code code = SW_OK;
    for (int i = 0; i < method->table->key_count && code == SW_OK; i++)
        code = find_field(method, method->descriptor->input, method->table->columns[i].field->name, true,
                          &method->keys[i], error);
    if (code == SW_OK && method->verb == SW_VERB_RENAME) {
        char name[72];
        snprintf(name, sizeof(name), "new_%.64s", method->keys[0]->name);
        code = find_field(method, method->descriptor->input, name, true, &method->new_key, error);
    }
    return code;
}

static sw_code find_list(sw_store_method *method, sw_error *error)
{
    const ProtobufCMessageDescriptor *in = method->descriptor->input, *out = method->descriptor->output;
    const struct {
        const ProtobufCMessageDescriptor *message;
        const char *name;
        const ProtobufCFieldDescriptor **field;
    } fields[] = {
        {in, "page_size", &method->page_size},    {in, "page_token", &method->page_token},
        {in, "filters", &method->filters},        {in, "order_by", &method->order_by},
        {in, "search", &method->search},          {in, "show_total_size", &method->show_total_size},
        {out, "items", &method->items},           {out, "next_page_token", &method->next_page_token},
        {out, "total_size", &method->total_size},
    };
    sw_code code = find_field(method, in, "read_time", false, &method->read_time, error);
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields) && code == SW_OK; i++)
        code = find_field(method, fields[i].message, fields[i].name, true, fields[i].field, error);
    if (code == SW_OK && method->items->descriptor != method->table->resource->message)
        return sw_fail(error, SW_INTERNAL, "%s: items are no %s", method->path, method->table->type);
    return code;
}

static sw_code find_fields(sw_store_method *method, sw_error *error)
{
    const ProtobufCMessageDescriptor *in = method->descriptor->input,
                                     *type = method->table->resource->message;
    sw_code code = SW_OK;
    if (verbs[method->verb].reply_is_resource && method->descriptor->output != type)
        return sw_fail(error, SW_INTERNAL, "%s: the reply is no %s", method->path, method->table->type);
    if (method->verb == SW_VERB_LIST)
        return find_list(method, error);
    if (method->writes && method->table->revision < 0)
        return sw_fail(error, SW_INTERNAL, "%s: %s needs a field `revision`", method->path,
                       method->table->type);
    for (unsigned i = 0; verbs[method->verb].resource && i < in->n_fields; i++)
        if (in->fields[i].type == PROTOBUF_C_TYPE_MESSAGE && in->fields[i].descriptor == type)
            method->resource = &in->fields[i];
    if (verbs[method->verb].resource && !method->resource)
        return sw_fail(error, SW_INTERNAL, "%s: the request has no %s", method->path, method->table->type);
    if (verbs[method->verb].key)
        code = find_key(method, error);
    if (code == SW_OK)
        code = find_field(method, in, "revision", verbs[method->verb].revision, &method->revision, error);
    if (code == SW_OK)
        code = find_field(method, in, "validate_only", verbs[method->verb].validate_only,
                          &method->validate_only, error);
    if (code == SW_OK)
        code = find_field(method, in, "read_time", false, &method->read_time, error);
    bool update = method->verb == SW_VERB_UPDATE;
    if (code == SW_OK)
        code = find_field(method, in, "update_mask", update, &method->update_mask, error);
    if (code == SW_OK)
        code = find_field(method, in, "allow_missing", update, &method->allow_missing, error);
    return code;
}

static sw_code add_method(sw_dispatch *dispatch, const ProtobufCServiceDescriptor *service,
                          sw_store_method *method, sw_error *error)
{
    sw_method row = {.service = service,
                     .name = method->descriptor->name,
                     .handler = sw_store_call_handle,
                     .context = method};
    return sw_dispatch_add(dispatch, &row, error);
}

static sw_code add_resource(sw_store *store, sw_dispatch *dispatch, const sw_resource *resource,
                            sw_error *error)
{
    sw_table *table;
    sw_code code = sw_table_new(resource, &table, error);
    if (code != SW_OK)
        return code;
    if (!grow((void **)&store->tables, store->table_count, sizeof(table))) {
        sw_table_destroy(&table);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    store->tables[store->table_count++] = table;
    for (int verb = SW_VERB_GET; verb <= SW_VERB_RENAME && code == SW_OK; verb++) {
        char name[128];
        sw_store_method *method;
        snprintf(name, sizeof(name), "%s%s", verbs[verb].name,
                 verb == SW_VERB_LIST ? resource->plural : resource->message->short_name);
        code = new_method(store, resource->service, name, &method, error);
        if (code != SW_OK || !method)
            continue;
        method->verb = (sw_verb)verb;
        method->writes = verbs[verb].writes;
        method->table = table;
        method->requires = SW_REQUIRES_PROFILE;
        code = find_fields(method, error);
        if (code == SW_OK)
            code = add_method(dispatch, resource->service, method, error);
    }
    return code;
}

static sw_code add_query(sw_store *store, sw_dispatch *dispatch, const sw_query *query, sw_error *error)
{
    sw_store_method *method;
    sw_code code = new_method(store, query->service, query->method, &method, error);
    if (code != SW_OK)
        return code;
    if (!method)
        return sw_fail(error, SW_INTERNAL, "%s has no method %s", query->service->name, query->method);
    method->verb = SW_VERB_QUERY;
    method->writes = query->writes;
    method->requires = query->requires;
    method->validate_only = query->writes ? field_of(method->descriptor->input, "validate_only") : NULL;
    method->query = query;
    if (query->lookup)
        code = sw_query_parse(method, &method->lookup, query->lookup, query->inner, error);
    if (code == SW_OK)
        code = sw_query_parse(method, &method->statement, query->sql,
                              query->end ? query->inner : method->descriptor->output, error);
    return code == SW_OK ? add_method(dispatch, query->service, method, error) : code;
}

sw_code sw_store_add(sw_store *store, sw_dispatch *dispatch, const sw_resource *resources,
                     const sw_query *queries, sw_error *error)
{
    sw_code code = SW_OK;
    for (; resources && resources->service && code == SW_OK; resources++)
        code = add_resource(store, dispatch, resources, error);
    for (; queries && queries->service && code == SW_OK; queries++)
        code = add_query(store, dispatch, queries, error);
    return code;
}

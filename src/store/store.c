/* The store: registers a handler for each method of the resources and queries, and owns what serves them (store.h).
 * Used by the services. */
#include "base/clock.h"
#include "base/error.h"
#include "store/engine.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int read_lanes = 2, write_lanes = 8;

static void on_change(void *context)
{
    sw_store *store = context;
    if (store->closing)
        return;
    sw_boot_start(store->boot);
    sw_store_report(store);
}

static void on_notify(void *context)
{
    const sw_store *store = context;
    sw_chores_wake(store->chores, false);
}

static void on_parked(void *context)
{
    sw_op_unpark(context);
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
    store->context = options->context;
    store->hook_context = options->hook_context;
    store->parked_last = &store->parked;
    snprintf(store->reason, sizeof(store->reason), SW_STORE_WAITING);
    sw_pool_options pool = {
        .conninfo = options->conninfo,
        .lanes = {[SW_LANE_READ] = options->read_lanes ? options->read_lanes : read_lanes,
                  [SW_LANE_WRITE] = options->write_lanes ? options->write_lanes : write_lanes,
                  [SW_LANE_CONTROL] = 1},
        .on_change = on_change,
        .on_notify = on_notify,
        .context = store};
    store->pool = sw_pool_new(loop, &pool);
    store->parked_timer = sw_loop_timer(loop, on_parked, store);
    store->catalog = sw_arena_new(0);
    if (!store->pool || !store->catalog || !store->parked_timer ||
        sw_boot_new(store, &store->boot, error) != SW_OK) {
        sw_store_destroy(&store);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    *out = store;
    return SW_OK;
}

static void destroy_plan(sw_plan *plan)
{
    free(plan->path);
    sw_part_clear(&plan->part);
    sw_part_clear(&plan->look);
    free(plan);
}

void sw_store_destroy(sw_store **out)
{
    sw_store *store = *out;
    if (!store)
        return;
    store->closing = true;
    sw_op_unpark(store);
    sw_pool_destroy(&store->pool); /* ends every op */
    sw_boot_destroy(&store->boot);
    sw_chores_destroy(&store->chores);
    sw_arena_destroy(&store->catalog);
    sw_timer_destroy(&store->parked_timer);
    for (size_t i = 0; i < store->plan_count; i++)
        destroy_plan(store->plans[i]);
    for (size_t i = 0; i < store->table_count; i++)
        sw_table_destroy(&store->tables[i]);
    for (sw_op *op; (op = store->spare);) {
        store->spare = op->next;
        free(op);
    }
    free(store->plans);
    free(store->tables);
    free(store);
    *out = NULL;
}

sw_code sw_store_start(sw_store *store, sw_error *error)
{
    if (!PQisthreadsafe()) /* the client library runs without locks then: not a build that we know */
        return sw_fail(error, SW_INTERNAL, "libpq is built without thread safety");
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

/* A plan for the method, or NULL if the service has no such method. */
static sw_code new_plan(sw_store *store, const ProtobufCServiceDescriptor *service, const char *name,
                        sw_plan **out, sw_error *error)
{
    const ProtobufCMethodDescriptor *method = protobuf_c_service_descriptor_get_method_by_name(service, name);
    *out = NULL;
    if (!method)
        return SW_OK;
    sw_plan *plan = calloc(1, sizeof(*plan));
    size_t size = strlen(service->name) + strlen(name) + 3;
    if (plan)
        plan->path = malloc(size);
    if (!plan || !plan->path || !grow((void **)&store->plans, store->plan_count, sizeof(sw_plan *))) {
        if (plan)
            destroy_plan(plan);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    snprintf(plan->path, size, "/%s/%s", service->name, name);
    plan->store = store;
    plan->method = method;
    store->plans[store->plan_count++] = plan;
    *out = plan;
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

/* Finds the field and says so if it is needed and absent. */
static sw_code find_field(const sw_plan *plan, const ProtobufCMessageDescriptor *message, const char *name,
                          bool needed, const ProtobufCFieldDescriptor **field, sw_error *error)
{
    *field = field_of(message, name);
    if (needed && !*field)
        return sw_fail(error, SW_INTERNAL, "%s: %s has no field `%s`", plan->path, message->name, name);
    return SW_OK;
}

static sw_code find_key(sw_plan *plan, sw_error *error)
{
    sw_code code = SW_OK;
    for (int i = 0; i < plan->table->key_count && code == SW_OK; i++)
        code = find_field(plan, plan->method->input, plan->table->columns[i].field->name, true,
                          &plan->keys[i], error);
    if (code == SW_OK && plan->verb == SW_VERB_RENAME) {
        char name[72];
        snprintf(name, sizeof(name), "new_%.64s", plan->keys[0]->name);
        code = find_field(plan, plan->method->input, name, true, &plan->new_key, error);
    }
    return code;
}

static sw_code find_list(sw_plan *plan, sw_error *error)
{
    const ProtobufCMessageDescriptor *in = plan->method->input, *out = plan->method->output;
    const struct {
        const ProtobufCMessageDescriptor *message;
        const char *name;
        const ProtobufCFieldDescriptor **field;
    } fields[] = {
        {in, "page_size", &plan->page_size},    {in, "page_token", &plan->page_token},
        {in, "filters", &plan->filters},        {in, "order_by", &plan->order_by},
        {in, "search", &plan->search},          {in, "show_total_size", &plan->show_total_size},
        {out, "items", &plan->items},           {out, "next_page_token", &plan->next_page_token},
        {out, "total_size", &plan->total_size},
    };
    sw_code code = find_field(plan, in, "read_time", false, &plan->read_time, error);
    for (size_t i = 0; i < sizeof(fields) / sizeof(*fields) && code == SW_OK; i++)
        code = find_field(plan, fields[i].message, fields[i].name, true, fields[i].field, error);
    if (code == SW_OK && plan->items->descriptor != plan->table->resource->message)
        return sw_fail(error, SW_INTERNAL, "%s: items are no %s", plan->path, plan->table->type);
    return code;
}

static sw_code find_fields(sw_plan *plan, sw_error *error)
{
    const ProtobufCMessageDescriptor *in = plan->method->input, *type = plan->table->resource->message;
    sw_code code = SW_OK;
    if (verbs[plan->verb].reply_is_resource && plan->method->output != type)
        return sw_fail(error, SW_INTERNAL, "%s: the reply is no %s", plan->path, plan->table->type);
    if (plan->verb == SW_VERB_LIST)
        return find_list(plan, error);
    if (plan->writes && plan->table->revision < 0)
        return sw_fail(error, SW_INTERNAL, "%s: %s needs a field `revision`", plan->path, plan->table->type);
    for (unsigned i = 0; verbs[plan->verb].resource && i < in->n_fields; i++)
        if (in->fields[i].type == PROTOBUF_C_TYPE_MESSAGE && in->fields[i].descriptor == type)
            plan->resource = &in->fields[i];
    if (verbs[plan->verb].resource && !plan->resource)
        return sw_fail(error, SW_INTERNAL, "%s: the request has no %s", plan->path, plan->table->type);
    if (verbs[plan->verb].key)
        code = find_key(plan, error);
    if (code == SW_OK)
        code = find_field(plan, in, "revision", verbs[plan->verb].revision, &plan->revision, error);
    if (code == SW_OK)
        code = find_field(plan, in, "validate_only", verbs[plan->verb].validate_only, &plan->validate_only,
                          error);
    if (code == SW_OK)
        code = find_field(plan, in, "read_time", false, &plan->read_time, error);
    bool update = plan->verb == SW_VERB_UPDATE;
    if (code == SW_OK)
        code = find_field(plan, in, "update_mask", update, &plan->update_mask, error);
    if (code == SW_OK)
        code = find_field(plan, in, "allow_missing", update, &plan->allow_missing, error);
    return code;
}

static sw_code add_method(sw_dispatch *dispatch, const ProtobufCServiceDescriptor *service, sw_plan *plan,
                          sw_error *error)
{
    sw_method method = {
        .service = service, .name = plan->method->name, .handler = sw_op_handle, .context = plan};
    return sw_dispatch_add(dispatch, &method, error);
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
        sw_plan *plan;
        snprintf(name, sizeof(name), "%s%s", verbs[verb].name,
                 verb == SW_VERB_LIST ? resource->plural : resource->message->short_name);
        code = new_plan(store, resource->service, name, &plan, error);
        if (code != SW_OK || !plan)
            continue;
        plan->verb = (sw_verb)verb;
        plan->writes = verbs[verb].writes;
        plan->table = table;
        plan->requires = SW_REQUIRES_PROFILE;
        code = find_fields(plan, error);
        if (code == SW_OK)
            code = add_method(dispatch, resource->service, plan, error);
    }
    return code;
}

static sw_code add_query(sw_store *store, sw_dispatch *dispatch, const sw_query *query, sw_error *error)
{
    sw_plan *plan;
    sw_code code = new_plan(store, query->service, query->method, &plan, error);
    if (code != SW_OK)
        return code;
    if (!plan)
        return sw_fail(error, SW_INTERNAL, "%s has no method %s", query->service->name, query->method);
    plan->verb = SW_VERB_QUERY;
    plan->writes = query->writes;
    plan->requires = query->requires;
    plan->validate_only = query->writes ? field_of(plan->method->input, "validate_only") : NULL;
    plan->query = query;
    if (query->look)
        code = sw_query_parse(plan, &plan->look, query->look, query->inner, error);
    if (code == SW_OK)
        code = sw_query_parse(plan, &plan->part, query->sql, query->end ? query->inner : plan->method->output,
                              error);
    return code == SW_OK ? add_method(dispatch, query->service, plan, error) : code;
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

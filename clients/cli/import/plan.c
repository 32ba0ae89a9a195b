/* The rows, a hash table of their keys, and edges from a row to those that wait for it. */
#include "cli/import/plan.h"

#include "base/arena.h"
#include "base/error.h"
#include "base/hash_table.h"
#include "c/json/json.h"
#include "cli/schema/field.h"
#include <stdlib.h>
#include <string.h>

typedef struct edge {
    uint32_t row, next;
} edge;

struct sw_import_plan {
    const sw_model *model;
    bool validate_only, keep_raw;
    sw_arena *arena;   /* requests, keys, raw text, reasons */
    sw_arena *scratch; /* for temporary messages */
    sw_row *rows;
    uint32_t row_count, row_capacity;
    sw_origin *origins;
    uint32_t origin_count, origin_capacity;
    edge *edges;
    uint32_t edge_count, edge_capacity;
    sw_hash_table keys; /* the first row of each key */
    uint32_t *ready;    /* a ring buffer; each row is in it at most once */
    uint32_t ready_head, ready_count;
    uint32_t circle_from; /* no row before this one is waiting */
    sw_tally *tallies;
    uint64_t computed;
};

static sw_code no_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory: import the rows in several parts");
}

/* Makes room for one more element. UINT32_MAX is never used as an index. */
static bool room(void **array, uint32_t count, uint32_t *capacity, size_t size)
{
    if (count < *capacity)
        return true;
    uint32_t wanted = *capacity ? *capacity * 2 : 1024;
    if (wanted < *capacity)
        return false;
    void *grown = reallocarray(*array, wanted, size);
    if (grown == NULL)
        return false;
    *array = grown;
    *capacity = wanted;
    return true;
}

sw_code sw_import_plan_new(const sw_model *model, bool validate_only, bool keep_raw, sw_import_plan **plan,
                           sw_error *error)
{
    const sw_model_type *const *types;
    size_t count = sw_model_types(model, &types);
    *plan = calloc(1, sizeof **plan);
    if (*plan == NULL)
        return no_memory(error);
    **plan = (sw_import_plan){.model = model,
                              .validate_only = validate_only,
                              .keep_raw = keep_raw,
                              .arena = sw_arena_new(SIZE_MAX),
                              .scratch = sw_arena_new(0),
                              .tallies = calloc(count + 1, sizeof(sw_tally))};
    if ((*plan)->arena == NULL || (*plan)->scratch == NULL || (*plan)->tallies == NULL) {
        sw_import_plan_destroy(plan);
        return no_memory(error);
    }
    return SW_OK;
}

void sw_import_plan_destroy(sw_import_plan **plan)
{
    sw_import_plan *p = *plan;
    if (p == NULL)
        return;
    sw_arena_destroy(&p->arena);
    sw_arena_destroy(&p->scratch);
    free(p->rows);
    free(p->origins);
    free(p->edges);
    sw_hash_table_clear(&p->keys);
    free(p->ready);
    free(p->tallies);
    free(p);
    *plan = NULL;
}

uint32_t sw_import_plan_origin(sw_import_plan *plan, uint32_t file, uint32_t line, const char *raw,
                               size_t raw_size)
{
    if (!room((void **)&plan->origins, plan->origin_count, &plan->origin_capacity, sizeof(sw_origin)))
        return SW_NO_ROW;
    sw_origin origin = {.file = file, .line = line};
    if (plan->keep_raw) {
        origin.raw = sw_arena_strndup(plan->arena, raw, raw_size);
        origin.raw_size = raw_size;
        if (origin.raw == NULL)
            return SW_NO_ROW;
    }
    plan->origins[plan->origin_count] = origin;
    return plan->origin_count++;
}

sw_origin *sw_import_plan_origin_at(sw_import_plan *plan, uint32_t origin)
{
    return &plan->origins[origin];
}

size_t sw_import_plan_origins(const sw_import_plan *plan)
{
    return plan->origin_count;
}

void sw_import_plan_reject(sw_import_plan *plan, uint32_t origin, const char *field, const char *reason)
{
    sw_origin *at = &plan->origins[origin];
    const char *text = sw_arena_printf(plan->arena, "%s%s%s%s%s", at->reason ? at->reason : "",
                                       at->reason ? "; " : "", field, *field != '\0' ? ": " : "", reason);
    if (text != NULL || at->reason == NULL)
        at->reason = text ? text : "rejected";
}

size_t sw_import_plan_rows(const sw_import_plan *plan)
{
    return plan->row_count;
}

sw_row *sw_import_plan_row(sw_import_plan *plan, uint32_t row)
{
    return &plan->rows[row];
}

sw_tally *sw_import_plan_tally(sw_import_plan *plan, const sw_model_type *type)
{
    return &plan->tallies[type->index];
}

uint64_t sw_import_plan_computed(const sw_import_plan *plan)
{
    return plan->computed;
}

/* --- Keys --- */

static uint32_t hash_key(const sw_model_type *type, const char *key)
{
    return sw_hash_bytes(type->index, key, strlen(key));
}

/* The first row with this key, or SW_NO_ROW. */
static uint32_t find_row(const sw_import_plan *plan, const sw_model_type *type, const char *key)
{
    uint32_t hash = hash_key(type, key), at = hash, row;
    while ((row = sw_hash_table_next(&plan->keys, hash, &at)) != SW_NONE)
        if (plan->rows[row].type == type && strcmp(plan->rows[row].key, key) == 0)
            return row;
    return SW_NO_ROW;
}

/* --- A new row --- */

/* JSON may use the name in the .proto or camelCase. */
static const ProtobufCFieldDescriptor *find_field(const sw_model_type *type, const char *name)
{
    const ProtobufCFieldDescriptor *field = sw_model_field(type, name);
    if (field == NULL && sw_field_find(type->message, name, strlen(name), &field, NULL) != SW_OK)
        return NULL;
    return field;
}

static bool is_key(const sw_model_type *type, const ProtobufCFieldDescriptor *field)
{
    for (size_t i = 0; i < type->key_count; i++)
        if (type->key[i] == field)
            return true;
    return false;
}

/* Removes computed fields. If there are nulls, removes them too, and makes an update mask (else
 * *mask is NULL). */
static sw_code clean_fields(sw_import_plan *plan, const sw_model_type *type, json_t *fields, json_t **mask,
                            sw_error *error)
{
    bool clears = false;
    size_t size = 1;
    const char *name;
    json_t *value;
    void *next;
    json_object_foreach_safe(fields, next, name, value)
    {
        const ProtobufCFieldDescriptor *field = find_field(type, name);
        if (field != NULL && sw_model_kind(type, field) == SW_FIELD_COMPUTED) {
            plan->computed += !json_is_null(value);
            json_object_del(fields, name);
            continue;
        }
        if (field == NULL && json_is_null(value))
            return sw_fail_field(error, SW_INVALID_ARGUMENT, name, "%s has no field `%.80s`", type->name,
                                 name);
        clears = clears || json_is_null(value);
        size += field ? strlen(field->name) + 1 : 0;
    }
    *mask = NULL;
    if (!clears)
        return SW_OK;
    char *paths = sw_arena_alloc(plan->scratch, size), *end = paths;
    if (paths == NULL)
        return no_memory(error);
    json_object_foreach_safe(fields, next, name, value)
    {
        const ProtobufCFieldDescriptor *field = find_field(type, name);
        if (field != NULL && !is_key(type, field) && sw_model_kind(type, field) == SW_FIELD_PLAIN)
            end = stpcpy(stpcpy(end, end > paths ? "," : ""), field->name);
        if (json_is_null(value))
            json_object_del(fields, name);
    }
    *mask = json_string(paths);
    return *mask ? SW_OK : no_memory(error);
}

/* A request's `website.code` is the row's `code`. */
static void strip_body(const sw_model_type *type, sw_error *error)
{
    size_t size = strlen(type->body->name);
    if (error != NULL && strncmp(error->field, type->body->name, size) == 0 && error->field[size] == '.')
        memmove(error->field, error->field + size + 1, strlen(error->field + size + 1) + 1);
}

static const ProtobufCMessage *body_of(const sw_model_type *type, const ProtobufCMessage *request)
{
    return *(const ProtobufCMessage *const *)(const void *)((const char *)request + type->body->offset);
}

/* Encodes into the scratch arena, because most rows that a mapping makes are repeated. */
static sw_code encode(sw_import_plan *plan, sw_row *row, json_t *fields, sw_error *error)
{
    const sw_model_type *type = row->type;
    json_t *mask = NULL;
    sw_code code = clean_fields(plan, type, fields, &mask, error);
    if (code != SW_OK)
        return code;
    json_t *request = json_pack("{s:O, s:b, s:b, s:o*}", type->body->name, fields, "allow_missing", 1,
                                "validate_only", plan->validate_only, "update_mask", mask);
    ProtobufCMessage *message = NULL;
    code = request == NULL ? no_memory(error)
                           : sw_json_to_message(type->resource.update->request, request,
                                                sw_arena_allocator(plan->scratch), &message, error);
    json_decref(request);
    if (code != SW_OK) {
        strip_body(type, error);
        return code;
    }
    char key[SW_KEY_TEXT_SIZE];
    if (!sw_model_key(body_of(type, message), type->key, type->key_count, key)) {
        for (size_t i = 0; i < type->key_count; i++)
            if (!sw_model_key(body_of(type, message), &type->key[i], 1, key))
                return sw_fail_field(error, SW_INVALID_ARGUMENT, type->key[i]->name,
                                     "it is part of the key of %s and must not be empty", type->name);
        return sw_fail_field(error, SW_INVALID_ARGUMENT, type->key[0]->name, "the key is too long");
    }
    size_t size = protobuf_c_message_get_packed_size(message);
    uint8_t *bytes = size < SW_NO_ROW ? sw_arena_alloc(plan->scratch, size) : NULL;
    row->key = sw_arena_strndup(plan->scratch, key, strlen(key));
    if (bytes == NULL || row->key == NULL)
        return no_memory(error);
    row->size = (uint32_t)protobuf_c_message_pack(message, bytes);
    row->request = bytes;
    return SW_OK;
}

/* Adds a null for each path of the mask that has no value. False when out of memory. */
static bool add_nulls(sw_arena *scratch, const char *mask, json_t *fields)
{
    char *paths = sw_arena_strndup(scratch, mask, strlen(mask)), *rest = NULL;
    for (char *path = paths ? strtok_r(paths, ",", &rest) : NULL; path != NULL;
         path = strtok_r(NULL, ",", &rest))
        if (json_object_get(fields, path) == NULL && json_object_set_new(fields, path, json_null()) != 0)
            return false;
    return paths != NULL;
}

/* The fields that a row sets, as JSON; null for those that it clears. NULL when out of memory. */
static json_t *row_fields(sw_import_plan *plan, const sw_row *row)
{
    ProtobufCMessage *message = protobuf_c_message_unpack(
        row->type->resource.update->request, sw_arena_allocator(plan->scratch), row->size, row->request);
    json_t *request = message ? sw_json_from_message(message) : NULL;
    json_t *fields = json_incref(json_object_get(request, row->type->body->name));
    const char *mask = json_string_value(json_object_get(request, "update_mask"));
    if (fields != NULL && mask != NULL && !add_nulls(plan->scratch, mask, fields)) {
        json_decref(fields);
        fields = NULL;
    }
    json_decref(request);
    return fields;
}

/* Two rows with the same key must not set a field to different values: every import would change
 * it twice. */
static sw_code check_agree(sw_import_plan *plan, const sw_row *before, const sw_row *row, sw_error *error)
{
    json_t *old = row_fields(plan, before), *new = row_fields(plan, row);
    sw_code code = old != NULL && new != NULL ? SW_OK : no_memory(error);
    const char *name;
    json_t *value;
    json_object_foreach(new, name, value)
    {
        const json_t *other = json_object_get(old, name);
        if (code != SW_OK || other == NULL || json_equal(other, value))
            continue;
        char *left = json_dumps(other, JSON_ENCODE_ANY | JSON_COMPACT),
             *right = json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
        code = sw_fail_field(error, SW_INVALID_ARGUMENT, name,
                             "this is %.150s, but line %u has %.150s for the same %s; keep one of them",
                             right ? right : "?", plan->origins[before->origin].line, left ? left : "?",
                             row->type->name);
        free(left);
        free(right);
    }
    json_decref(old);
    json_decref(new);
    return code;
}

static bool is_repeated(const sw_import_plan *plan, const sw_row *row)
{
    for (uint32_t at = row->same_key; at != SW_NO_ROW; at = plan->rows[at].same_key)
        if (plan->rows[at].size == row->size && memcmp(plan->rows[at].request, row->request, row->size) == 0)
            return true;
    return false;
}

/* Copies a row out of the scratch arena and appends it. `first`: the first row with its key, or
 * SW_NO_ROW. */
static sw_code keep(sw_import_plan *plan, sw_row *row, uint32_t first, sw_error *error)
{
    uint8_t *bytes = sw_arena_alloc(plan->arena, row->size);
    row->key = sw_arena_strndup(plan->arena, row->key, strlen(row->key));
    if (bytes == NULL || row->key == NULL)
        return no_memory(error);
    memcpy(bytes, row->request, row->size);
    row->request = bytes;
    if (first == SW_NO_ROW) {
        first = plan->row_count;
        if (!sw_hash_table_insert(&plan->keys, hash_key(row->type, row->key), first))
            return no_memory(error);
    }
    plan->rows[plan->row_count] = *row;
    plan->rows[first].last_same_key = plan->row_count++;
    return SW_OK;
}

sw_code sw_import_plan_add(sw_import_plan *plan, const sw_model_type *type, json_t *fields, uint32_t origin,
                           sw_error *error)
{
    sw_row row = {.type = type, .origin = origin, .first_edge = SW_NO_ROW, .same_key = SW_NO_ROW};
    sw_arena_reset(plan->scratch);
    sw_code code = encode(plan, &row, fields, error);
    if (code != SW_OK)
        return code;
    if (!room((void **)&plan->rows, plan->row_count, &plan->row_capacity, sizeof(sw_row)))
        return no_memory(error);
    uint32_t first = find_row(plan, type, row.key);
    row.same_key = first == SW_NO_ROW ? SW_NO_ROW : plan->rows[first].last_same_key;
    if (is_repeated(plan, &row)) {
        sw_import_plan_tally(plan, type)->repeated++;
        return SW_OK;
    }
    for (uint32_t at = row.same_key; at != SW_NO_ROW && code == SW_OK; at = plan->rows[at].same_key)
        code = check_agree(plan, &plan->rows[at], &row, error);
    return code == SW_OK ? keep(plan, &row, first, error) : code;
}

/* --- Which row waits for which --- */

static bool wait_for(sw_import_plan *plan, uint32_t row, uint32_t first)
{
    if (first == row)
        return true;
    if (!room((void **)&plan->edges, plan->edge_count, &plan->edge_capacity, sizeof(edge)))
        return false;
    plan->edges[plan->edge_count] = (edge){.row = row, .next = plan->rows[first].first_edge};
    plan->rows[first].first_edge = plan->edge_count++;
    plan->rows[row].waits++;
    return true;
}

static sw_code link_row(sw_import_plan *plan, uint32_t at, sw_error *error)
{
    sw_row *row = &plan->rows[at];
    const sw_model_type *type = row->type;
    if (row->same_key != SW_NO_ROW && !wait_for(plan, at, row->same_key))
        return no_memory(error);
    if (type->reference_count == 0)
        return SW_OK;
    sw_arena_reset(plan->scratch);
    const ProtobufCMessage *message = protobuf_c_message_unpack(
        type->resource.update->request, sw_arena_allocator(plan->scratch), row->size, row->request);
    if (message == NULL)
        return no_memory(error);
    for (size_t i = 0; i < type->reference_count; i++) {
        const sw_model_reference *reference = &type->references[i];
        char key[SW_KEY_TEXT_SIZE];
        if (!sw_model_key(body_of(type, message), reference->fields, reference->target->key_count, key))
            continue;
        /* The referenced row exists once the first row with its key is done. */
        uint32_t first = find_row(plan, reference->target, key);
        if (first == SW_NO_ROW)
            continue;
        row->refers = row->refers || first != at;
        if (!wait_for(plan, at, first))
            return no_memory(error);
    }
    return SW_OK;
}

static void make_ready(sw_import_plan *plan, uint32_t row)
{
    plan->rows[row].state = SW_ROW_READY;
    plan->ready[(plan->ready_head + plan->ready_count++) % plan->row_count] = row;
}

sw_code sw_import_plan_link(sw_import_plan *plan, sw_error *error)
{
    plan->ready = calloc((size_t)plan->row_count + 1, sizeof *plan->ready);
    sw_code code = plan->ready ? SW_OK : no_memory(error);
    for (uint32_t row = 0; row < plan->row_count && code == SW_OK; row++)
        code = link_row(plan, row, error);
    for (uint32_t row = 0; row < plan->row_count && code == SW_OK; row++)
        if (plan->rows[row].waits == 0)
            make_ready(plan, row);
    return code;
}

uint32_t sw_import_plan_take(sw_import_plan *plan)
{
    if (plan->ready_count == 0)
        return SW_NO_ROW;
    uint32_t row = plan->ready[plan->ready_head];
    plan->ready_head = (plan->ready_head + 1) % plan->row_count;
    plan->ready_count--;
    plan->rows[row].state = SW_ROW_SENT;
    return row;
}

void sw_import_plan_finish(sw_import_plan *plan, uint32_t at, bool well)
{
    sw_row *row = &plan->rows[at];
    row->state = well ? SW_ROW_DONE : SW_ROW_FAILED;
    for (uint32_t i = row->first_edge; i != SW_NO_ROW; i = plan->edges[i].next) {
        sw_row *waiting = &plan->rows[plan->edges[i].row];
        waiting->broken = waiting->broken || !well;
        if (--waiting->waits == 0 && waiting->state == SW_ROW_WAITING)
            make_ready(plan, plan->edges[i].row);
    }
}

bool sw_import_plan_break_circle(sw_import_plan *plan)
{
    for (; plan->circle_from < plan->row_count; plan->circle_from++)
        if (plan->rows[plan->circle_from].state == SW_ROW_WAITING) {
            make_ready(plan, plan->circle_from);
            return true;
        }
    return false;
}

void sw_import_plan_again(sw_import_plan *plan, uint32_t row)
{
    make_ready(plan, row);
}

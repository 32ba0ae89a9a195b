/* Results as replies (engine.h). Strings of a reply point into the result, which lives until the call has ended.
 * Used by call.c. */
#include "base/error.h"
#include "store/bind/pack.h"
#include "store/engine.h"
#include <string.h>

static const size_t pack_max = 1024 * 1024; /* bytes of a result: a larger one is not copied once more */

ProtobufCMessage *sw_message_new(const ProtobufCMessageDescriptor *type, sw_arena *arena)
{
    ProtobufCMessage *message = sw_arena_alloc(arena, type->sizeof_message);
    if (message)
        type->message_init(message);
    return message;
}

static sw_code fail_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the reply needs too much memory: ask for less at once");
}

/* `count` rows into the repeated `items` of a reply, in one piece of memory. */
static sw_code fill_items(const sw_op *op, const ProtobufCFieldDescriptor *items, const PGresult *result,
                          int count, const sw_column *columns, int column_count, ProtobufCMessage *reply,
                          sw_error *error)
{
    const ProtobufCMessageDescriptor *type = items->descriptor;
    size_t size = (type->sizeof_message + 15) & ~(size_t)15, n = (size_t)count;
    char *messages = sw_arena_alloc(op->arena, n * size + 1);
    ProtobufCMessage **list = sw_arena_alloc(op->arena, (n + 1) * sizeof(*list));
    if (!messages || !list)
        return fail_memory(error);
    for (int i = 0; i < count; i++) {
        list[i] = (ProtobufCMessage *)(messages + (size_t)i * size);
        type->message_init(list[i]);
        sw_code code = sw_bind_row(result, i, columns, column_count, list[i], op->arena, error);
        if (code != SW_OK)
            return code;
    }
    *(ProtobufCMessage ***)((char *)reply + items->offset) = list;
    *(size_t *)((char *)reply + items->quantifier_offset) = n;
    return SW_OK;
}

static bool is_packed(const PGresult *result)
{
    return PQresultMemorySize(result) <= pack_max;
}

/* The same as bytes. */
static sw_code pack_items(const sw_op *op, const ProtobufCFieldDescriptor *items, const PGresult *result,
                          int count, const sw_column *columns, int column_count, ProtobufCMessage *reply,
                          sw_error *error)
{
    if (!is_packed(result))
        return fill_items(op, items, result, count, columns, column_count, reply, error);
    sw_pack pack;
    sw_code code = sw_pack_init(&pack, op->arena, PQresultMemorySize(result), error);
    for (int i = 0; i < count && code == SW_OK; i++)
        code = sw_pack_item(&pack, items, result, i, columns, column_count, error);
    return code == SW_OK ? sw_pack_attach(&pack, reply, error) : code;
}

static sw_code pack_row(const sw_op *op, const PGresult *result, const sw_column *columns, int count,
                        ProtobufCMessage *reply, sw_error *error)
{
    static const size_t usual = 512;
    if (!is_packed(result))
        return sw_bind_row(result, 0, columns, count, reply, op->arena, error);
    sw_pack pack;
    sw_code code = sw_pack_init(&pack, op->arena, usual, error);
    if (code == SW_OK)
        code = sw_pack_row(&pack, result, 0, columns, count, reply->descriptor, error);
    return code == SW_OK ? sw_pack_attach(&pack, reply, error) : code;
}

static sw_code fill_list(sw_op *op, const PGresult *result, ProtobufCMessage *reply, sw_error *error)
{
    const sw_plan *plan = op->plan;
    int rows = PQntuples(result);
    bool more = rows > op->page_size;
    if (more) {
        rows = op->page_size;
        const char *token =
            sw_page_encode(op->store->page_key, op->shape, &op->order, result, rows - 1, op->arena);
        if (!token)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, "order_by",
                                 "these values are too long to page by");
        sw_field_set_string(reply, plan->next_page_token, token);
    }
    if (op->total >= 0)
        sw_field_set_int(reply, plan->total_size, op->total);
    return pack_items(op, plan->items, result, rows, plan->table->columns, plan->table->count, reply, error);
}

static sw_code fill_row(sw_op *op, const PGresult *result, ProtobufCMessage *reply, sw_error *error)
{
    const sw_plan *plan = op->plan;
    if (plan->verb == SW_VERB_DELETE)
        return SW_OK;
    return pack_row(op, result, plan->table->columns, plan->table->count, reply, error);
}

sw_code sw_part_read(const sw_op *op, const sw_part *part, const PGresult *result, ProtobufCMessage *message,
                     sw_error *error)
{
    if (part->items)
        return fill_items(op, part->items, result, PQntuples(result), part->columns, part->column_count,
                          message, error);
    if (PQntuples(result) > 0)
        return sw_bind_row(result, 0, part->columns, part->column_count, message, op->arena, error);
    sw_fault_not_found(op, error);
    return SW_NOT_FOUND;
}

static sw_code fill_query(sw_op *op, const PGresult *result, ProtobufCMessage *reply, sw_error *error)
{
    const sw_query *query = op->plan->query;
    const sw_part *part = &op->plan->part;
    if (query->end) {
        sw_code code = sw_part_read(op, part, result, op->inner, error);
        return code == SW_OK ? sw_query_hook_run(op, query->end, reply, error) : code;
    }
    if (part->items)
        return pack_items(op, part->items, result, PQntuples(result), part->columns, part->column_count,
                          reply, error);
    if (PQntuples(result) > 0)
        return pack_row(op, result, part->columns, part->column_count, reply, error);
    sw_fault_not_found(op, error);
    return SW_NOT_FOUND;
}

static void add_outcome(sw_op *op, const PGresult *result)
{
    int column = op->plan->table->count;
    if (PQnfields(result) > column && !PQgetisnull(result, 0, column))
        sw_call_add_trailer(op->call, "sitewire-outcome", PQgetvalue(result, 0, column));
}

void sw_op_reply(sw_op *op, const PGresult *result)
{
    const sw_plan *plan = op->plan;
    sw_error error;
    sw_code code;
    ProtobufCMessage *reply = sw_message_new(plan->method->output, op->arena);
    if (!reply)
        code = fail_memory(&error);
    else if (plan->verb == SW_VERB_LIST)
        code = fill_list(op, result, reply, &error);
    else if (plan->verb == SW_VERB_QUERY)
        code = fill_query(op, result, reply, &error);
    else if (PQntuples(result) == 0) {
        sw_fault_not_found(op, &error);
        code = error.code;
    } else
        code = fill_row(op, result, reply, &error);
    if (code != SW_OK) {
        sw_call_fail(op->call, &error);
        return;
    }
    if (plan->writes && plan->table)
        add_outcome(op, result);
    sw_call_reply(op->call, reply);
}

/* The columns of the resource, the outcome, and whether the record is of this very request. */
void sw_op_replay(sw_op *op, const PGresult *result)
{
    int same = op->plan->table->count + 1;
    if (PQgetisnull(result, 0, same) || PQgetvalue(result, 0, same)[0] == 0) {
        sw_error error;
        sw_fail_field(&error, SW_INVALID_ARGUMENT, "request_id",
                      "this request_id was used for a different request: use a new one for each change");
        sw_call_fail(op->call, &error);
        return;
    }
    sw_call_add_trailer(op->call, "sitewire-replayed", "true");
    sw_op_reply(op, result);
}

/* Converts results to replies (engine.h). Strings of a reply point into the result, which lives
 * until the call has ended. Used by call.c. */
#include "base/error.h"
#include "store/bind/pack.h"
#include "store/engine.h"
#include <string.h>

static const size_t pack_max =
    1024 * 1024; /* bytes of a result; a larger one is not packed, which would copy it once more */

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

/* Reads `count` rows into the repeated `items` of a reply; the items are one allocation. */
static sw_code fill_items(const sw_store_call *call, const ProtobufCFieldDescriptor *items,
                          const PGresult *result, int count, const sw_column *columns, int column_count,
                          ProtobufCMessage *reply, sw_error *error)
{
    const ProtobufCMessageDescriptor *type = items->descriptor;
    size_t size = (type->sizeof_message + 15) & ~(size_t)15, n = (size_t)count;
    char *messages = sw_arena_alloc(call->arena, n * size + 1);
    ProtobufCMessage **list = sw_arena_alloc(call->arena, (n + 1) * sizeof(*list));
    if (!messages || !list)
        return fail_memory(error);
    for (int i = 0; i < count; i++) {
        list[i] = (ProtobufCMessage *)(messages + (size_t)i * size);
        type->message_init(list[i]);
        sw_code code = sw_bind_row(result, i, columns, column_count, list[i], call->arena, error);
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

/* The same, but packed: the bytes of the items. */
static sw_code pack_items(const sw_store_call *call, const ProtobufCFieldDescriptor *items,
                          const PGresult *result, int count, const sw_column *columns, int column_count,
                          ProtobufCMessage *reply, sw_error *error)
{
    if (!is_packed(result))
        return fill_items(call, items, result, count, columns, column_count, reply, error);
    sw_pack pack;
    sw_code code = sw_pack_init(&pack, call->arena, PQresultMemorySize(result), error);
    for (int i = 0; i < count && code == SW_OK; i++)
        code = sw_pack_item(&pack, items, result, i, columns, column_count, error);
    return code == SW_OK ? sw_pack_attach(&pack, reply, error) : code;
}

static sw_code pack_row(const sw_store_call *call, const PGresult *result, const sw_column *columns,
                        int count, ProtobufCMessage *reply, sw_error *error)
{
    static const size_t usual = 512;
    if (!is_packed(result))
        return sw_bind_row(result, 0, columns, count, reply, call->arena, error);
    sw_pack pack;
    sw_code code = sw_pack_init(&pack, call->arena, usual, error);
    if (code == SW_OK)
        code = sw_pack_row(&pack, result, 0, columns, count, reply->descriptor, error);
    return code == SW_OK ? sw_pack_attach(&pack, reply, error) : code;
}

static sw_code fill_list(sw_store_call *call, const PGresult *result, ProtobufCMessage *reply,
                         sw_error *error)
{
    const sw_store_method *method = call->method;
    int rows = PQntuples(result);
    bool more = rows > call->page_size;
    if (more) {
        rows = call->page_size;
        const char *token =
            sw_page_encode(call->store->page_key, call->shape, &call->order, result, rows - 1, call->arena);
        if (!token)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, "order_by",
                                 "these values are too long to page by");
        sw_field_set_string(reply, method->next_page_token, token);
    }
    if (call->total >= 0)
        sw_field_set_int(reply, method->total_size, call->total);
    return pack_items(call, method->items, result, rows, method->table->columns, method->table->count, reply,
                      error);
}

static sw_code fill_row(sw_store_call *call, const PGresult *result, ProtobufCMessage *reply, sw_error *error)
{
    const sw_store_method *method = call->method;
    if (method->verb == SW_VERB_DELETE)
        return SW_OK;
    return pack_row(call, result, method->table->columns, method->table->count, reply, error);
}

sw_code sw_query_statement_read(const sw_store_call *call, const sw_query_statement *statement,
                                const PGresult *result, ProtobufCMessage *message, sw_error *error)
{
    if (statement->items)
        return fill_items(call, statement->items, result, PQntuples(result), statement->columns,
                          statement->column_count, message, error);
    if (PQntuples(result) > 0)
        return sw_bind_row(result, 0, statement->columns, statement->column_count, message, call->arena,
                           error);
    sw_fault_not_found(call, error);
    return SW_NOT_FOUND;
}

static sw_code fill_query(sw_store_call *call, const PGresult *result, ProtobufCMessage *reply,
                          sw_error *error)
{
    const sw_query *query = call->method->query;
    const sw_query_statement *statement = &call->method->statement;
    if (query->end) {
        sw_code code = sw_query_statement_read(call, statement, result, call->inner, error);
        return code == SW_OK ? sw_query_hook_run(call, query->end, reply, error) : code;
    }
    if (statement->items)
        return pack_items(call, statement->items, result, PQntuples(result), statement->columns,
                          statement->column_count, reply, error);
    if (PQntuples(result) > 0)
        return pack_row(call, result, statement->columns, statement->column_count, reply, error);
    sw_fault_not_found(call, error);
    return SW_NOT_FOUND;
}

static void add_outcome(sw_store_call *call, const PGresult *result)
{
    int column = call->method->table->count;
    if (PQnfields(result) > column && !PQgetisnull(result, 0, column))
        sw_call_add_trailer(call->rpc, "sitewire-outcome", PQgetvalue(result, 0, column));
}

void sw_store_call_reply(sw_store_call *call, const PGresult *result)
{
    const sw_store_method *method = call->method;
    sw_error error;
    sw_code code;
    ProtobufCMessage *reply = sw_message_new(method->descriptor->output, call->arena);
    if (!reply)
        code = fail_memory(&error);
    else if (method->verb == SW_VERB_LIST)
        code = fill_list(call, result, reply, &error);
    else if (method->verb == SW_VERB_QUERY)
        code = fill_query(call, result, reply, &error);
    else if (PQntuples(result) == 0) {
        sw_fault_not_found(call, &error);
        code = error.code;
    } else
        code = fill_row(call, result, reply, &error);
    if (code != SW_OK) {
        sw_call_fail(call->rpc, &error);
        return;
    }
    if (method->writes && method->table)
        add_outcome(call, result);
    sw_call_reply(call->rpc, reply);
}

/* The result has the columns of the resource, the outcome, and whether the record is of the same
 * request. */
void sw_store_call_replay(sw_store_call *call, const PGresult *result)
{
    int same = call->method->table->count + 1;
    if (PQgetisnull(result, 0, same) || PQgetvalue(result, 0, same)[0] == 0) {
        sw_error error;
        sw_fail_field(&error, SW_INVALID_ARGUMENT, "request_id",
                      "this request_id was used for a different request: use a new one for each change");
        sw_call_fail(call->rpc, &error);
        return;
    }
    sw_call_add_trailer(call->rpc, "sitewire-replayed", "true");
    sw_store_call_reply(call, result);
}

/* Operations: a call from its request to its reply, over one statement or a few (engine.h). Registered as handlers
 * by store.c.
 *
 * A mutation with a request_id writes a record in the same statement. Whatever keeps it from succeeding, the record
 * is looked up before the call fails: an earlier or simultaneous try may have done it. */
#include "base/clock.h"
#include "base/error.h"
#include "base/hash.h"
#include "store/engine.h"
#include "store/pg/sqlstate.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const int tries_max = 5;
static const size_t request_id_max = 128; /* docs/protocol.md, section 3 */

static void done(sw_work *work, const PGresult *result);

/* --- Life --- */

static sw_op *new_op(sw_store *store)
{
    sw_op *op = store->spare;
    if (op)
        store->spare = op->next;
    else
        op = malloc(sizeof(*op));
    if (op)
        memset(op, 0, sizeof(*op));
    return op;
}

static void free_op(sw_op *op)
{
    op->next = op->store->spare;
    op->store->spare = op;
}

static void park(sw_op *op)
{
    sw_store *store = op->store;
    if (!store->parked)
        sw_timer_start(store->parked_timer, sw_now_ms() + 100);
    op->parked_ms = sw_now_ms();
    op->next = NULL;
    op->link = store->parked_last;
    *store->parked_last = op;
    store->parked_last = &op->next;
}

static void unpark(sw_op *op)
{
    *op->link = op->next;
    if (op->next)
        op->next->link = op->link;
    else
        op->store->parked_last = op->link;
    op->link = NULL;
}

/* Ends the call and the op, which has no work under way. */
static void fail(sw_op *op, const sw_error *error)
{
    sw_call_fail(op->call, error);
    free_op(op);
}

static void fail_unavailable(sw_op *op)
{
    sw_error error;
    if (op->lost)
        sw_fail(&error, SW_UNAVAILABLE,
                "the database connection was lost while it ran: it may have taken effect; %s",
                op->request_id ? "try again with the same request_id" : "look before trying again");
    else
        sw_fail(&error, SW_UNAVAILABLE, "%s",
                op->store->ready ? "the database cannot be reached; try again" : op->store->reason);
    error.retry_safe = !op->lost;
    fail(op, &error);
}

static void on_cancel(sw_call *call, void *context)
{
    sw_op *op = context;
    sw_error error;
    sw_code code = sw_call_cancel_code(call);
    bool ran = op->lost || (op->work.sent && op->plan->writes && !op->validate_only);
    sw_fail(&error, code, "%s%s", code == SW_DEADLINE_EXCEEDED ? "the time is over" : "cancelled",
            ran ? "; it may have taken effect" : "");
    error.retry_safe = !ran;
    bool idle = true;
    if (!op->link && op->work.sent)
        sw_call_add_sql_us(call, sw_now_us() - op->work.sent_us);
    if (op->link)
        unpark(op);
    else
        idle = sw_pool_drop(op->store->pool, &op->work);
    op->call = NULL;
    if (idle) {
        sw_statement_release(op->work.statement);
        free_op(op);
    }
    sw_call_fail(call, &error);
}

/* --- Statements --- */

/* A hash of the row that the step changes, 0 if it is none of a table. */
static uint64_t row_of(const sw_op *op, sw_step step)
{
    const sw_table *table = op->plan->table;
    if (step != SW_STEP_MAIN || !op->plan->writes || !table)
        return 0;
    const char *key = sw_key_text(op);
    return sw_hash_64((uintptr_t)table, key, strlen(key)) | 1;
}

static void submit(sw_op *op, sw_step step, const sw_sql *sql)
{
    op->step = step;
    op->work.done = done;
    op->work.rolls_back = step == SW_STEP_MAIN && op->validate_only;
    op->work.row = row_of(op, step);
    op->work.joins = op->work.row && (op->plan->verb == SW_VERB_CREATE || op->plan->verb == SW_VERB_UPDATE);
    op->work.enter = op->enter;
    bool reads = !op->plan->writes || step == SW_STEP_REFERRERS || step == SW_STEP_LOOK;
    sw_lane_kind kind = reads ? SW_LANE_READ : SW_LANE_WRITE;
    if (sw_pool_submit(op->store->pool, &op->work, kind, sql))
        return;
    sw_error error;
    sw_fail(&error, SW_RESOURCE_EXHAUSTED,
            "too many different statements at once, or out of memory; try again");
    error.retry_safe = true;
    fail(op, &error);
}

/* Makes the main statement (of a List that counts, the count first; of a query that looks, the look) and sends it. */
static void start(sw_op *op, sw_step step)
{
    sw_error error;
    sw_code code;
    sw_sql_init(&op->main, op->arena);
    switch (op->plan->verb) {
    case SW_VERB_GET:
        code = sw_read_build(op, &error);
        break;
    case SW_VERB_LIST:
        code = sw_list_build(op, step == SW_STEP_COUNT, &error);
        break;
    case SW_VERB_QUERY:
        code = sw_query_build(op, step == SW_STEP_LOOK ? &op->plan->look : &op->plan->part, &error);
        break;
    default:
        code = sw_write_build(op, &error);
    }
    if (code != SW_OK)
        fail(op, &error);
    else
        submit(op, step, &op->main);
}

/* The same statement once more. One without text is made anew: it may be known no longer. */
static void submit_again(sw_op *op)
{
    if (op->main.known)
        start(op, op->step);
    else
        submit(op, op->step, &op->main);
}

/* A query with hooks: what comes before its first statement. */
static void start_query(sw_op *op)
{
    const sw_query *query = op->plan->query;
    sw_error error;
    sw_code code = SW_OK;
    if (query->secret)
        sw_arena_wipe_on_reset(op->arena);
    if (query->inner && !(op->inner = sw_message_new(query->inner, op->arena)))
        code = sw_fail(&error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
    if (code == SW_OK)
        code = sw_query_hook_run(op, query->begin, NULL, &error);
    if (code == SW_OK && !query->look)
        code = sw_query_hook_run(op, query->middle, NULL, &error);
    if (code != SW_OK)
        fail(op, &error);
    else
        start(op, query->look ? SW_STEP_LOOK : SW_STEP_MAIN);
}

/* What makes two requests the same: every byte of them. */
static bool hash_request(sw_op *op)
{
    size_t size = protobuf_c_message_get_packed_size(op->request);
    uint8_t *bytes = sw_arena_alloc(op->arena, size + 1);
    if (!bytes)
        return false;
    protobuf_c_message_pack(op->request, bytes);
    return crypto_generichash(op->hash, sizeof(op->hash), bytes, size, NULL, 0) == 0;
}

static sw_view metadata(const sw_call_header *header, const char *key)
{
    for (size_t i = 0; i < header->metadata_count; i++)
        if (sw_view_equal(header->metadata[i].key, sw_view_of(key)))
            return header->metadata[i].value;
    return (sw_view){0};
}

static const char *hex(sw_arena *arena, uint64_t number)
{
    char text[16], *at = text + sizeof(text);
    do
        *--at = "0123456789abcdef"[number & 15];
    while (number >>= 4);
    return sw_arena_strndup(arena, at, (size_t)(text + sizeof(text) - at));
}

/* The arguments of sitewire.enter. False when out of memory, or where a text is longer than any name. */
static bool identify(sw_op *op)
{
    static const char *const requirements[] = {[SW_REQUIRES_ADMIN] = "admin",
                                               [SW_REQUIRES_PROFILE] = "profile",
                                               [SW_REQUIRES_OPEN] = "open",
                                               [SW_REQUIRES_INTERNAL] = "internal"};
    const sw_call_header *header = sw_call_get_header(op->call);
    sw_view trace = metadata(header, "traceparent"), reason = metadata(header, "reason");
    sw_view key = sw_call_key(op->call), caller = sw_call_caller(op->call);
    op->enter[SW_ENTER_KEY] = sw_arena_strndup(op->arena, key.data, key.size);
    op->enter[SW_ENTER_USER] = sw_arena_strndup(op->arena, caller.data, caller.size);
    op->enter[SW_ENTER_REQUIRES] = requirements[op->plan->requires];
    op->enter[SW_ENTER_CALL_ID] =
        trace.size ? sw_arena_strndup(op->arena, trace.data, trace.size) : hex(op->arena, header->call_id);
    op->enter[SW_ENTER_REQUEST_ID] =
        sw_arena_strndup(op->arena, header->request_id.data, header->request_id.size);
    op->enter[SW_ENTER_REASON] = sw_arena_strndup(op->arena, reason.data, reason.size);
    for (int i = 0; i < SW_ENTER_COUNT; i++)
        if (!op->enter[i] || (i < SW_ENTER_SESSION && strlen(op->enter[i]) >= SW_ENTER_TEXT))
            return false;
    return true;
}

static void begin(sw_op *op)
{
    const sw_plan *plan = op->plan;
    if (!identify(op)) {
        sw_error error;
        sw_fail(&error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
        fail(op, &error);
        return;
    }
    sw_view id = sw_call_get_header(op->call)->request_id;
    op->validate_only = plan->validate_only && sw_field_bool(op->request, plan->validate_only);
    if (plan->writes && plan->table && id.size && !op->validate_only) {
        if (id.size > request_id_max) {
            sw_error error;
            sw_fail_field(&error, SW_INVALID_ARGUMENT, "request_id", "it has %zu bytes; at most %zu", id.size,
                          request_id_max);
            fail(op, &error);
            return;
        }
        op->request_id = sw_arena_strndup(op->arena, id.data, id.size);
        if (!op->request_id || !hash_request(op)) {
            sw_error error;
            sw_fail(&error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
            fail(op, &error);
            return;
        }
    }
    if (plan->query)
        start_query(op);
    else
        start(op, plan->show_total_size && sw_field_bool(op->request, plan->show_total_size) ? SW_STEP_COUNT
                                                                                             : SW_STEP_MAIN);
}

void sw_op_handle(sw_call *call, const ProtobufCMessage *request, void *context)
{
    const sw_plan *plan = context;
    sw_op *op = new_op(plan->store);
    if (!op) {
        sw_error error;
        sw_fail(&error, SW_RESOURCE_EXHAUSTED, "out of memory");
        sw_call_fail(call, &error);
        return;
    }
    op->store = plan->store;
    op->plan = plan;
    op->call = call;
    op->arena = sw_call_arena(call);
    op->request = (ProtobufCMessage *)request; /* it lives in the call's arena, and hooks may change it */
    op->total = -1;
    sw_call_on_cancel(call, on_cancel, op);
    if (plan->store->ready)
        begin(op);
    else
        park(op);
}

void sw_op_unpark(sw_store *store)
{
    int64_t now = sw_now_ms();
    for (sw_op *op; (op = store->parked);) {
        if (!store->ready && !store->closing && now - op->parked_ms < SW_PARK_MS) {
            sw_timer_start(store->parked_timer, now + 100);
            return;
        }
        unpark(op);
        if (store->ready && !store->closing)
            begin(op);
        else
            fail_unavailable(op);
    }
}

/* --- Results --- */

static void look_up_record(sw_op *op)
{
    sw_sql sql;
    sw_sql_init(&sql, op->arena);
    sw_record_build(op, &sql);
    submit(op, SW_STEP_RECORD, &sql);
}

/* The error is kept while the record, or what refers to the row, is looked up. */
static sw_error *keep_failure(sw_op *op)
{
    if (!op->failure)
        op->failure = sw_arena_alloc(op->arena, sizeof(*op->failure));
    return op->failure;
}

/* Fails with what was kept, after finding out what refers to a row that a delete left in place. */
static void fail_kept(sw_op *op)
{
    sw_sql sql;
    sw_sql_init(&sql, op->arena);
    if (op->reference && sw_referrers_build(op, op->reference, &sql))
        submit(op, SW_STEP_REFERRERS, &sql);
    else
        fail(op, op->failure);
}

/* PostgreSQL checks the row that allow_missing would insert, and whether the caller may, even where one is there, which
 * the change might suit. */
static bool cannot_insert(const sw_op *op, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return op->upserts && state &&
           (strcmp(state, "23502") == 0 || strcmp(state, "23514") == 0 || strcmp(state, "SW005") == 0);
}

static void main_failed(sw_op *op, const PGresult *result)
{
    const sw_sqlstate *state = sw_sqlstate_find(PQresultErrorField(result, PG_DIAG_SQLSTATE));
    if (state->again && op->tries++ < tries_max) {
        submit_again(op);
        return;
    }
    sw_error error;
    sw_fault_fill(op, result, &error);
    op->reference = op->plan->table ? sw_fault_reference(op, result) : NULL;
    if (!keep_failure(op)) {
        fail(op, &error);
        return;
    }
    *op->failure = error;
    if (cannot_insert(op, result)) {
        op->upserts = false;
        op->update_only = true;
        start(op, SW_STEP_MAIN);
    } else if (op->request_id)
        look_up_record(op);
    else
        fail_kept(op);
}

static void finish(sw_op *op, const PGresult *result, void (*reply)(sw_op *, const PGresult *))
{
    reply(op, result);
    free_op(op);
}

static void main_succeeded(sw_op *op, const PGresult *result)
{
    bool absent = PQntuples(result) == 0 && (op->request_id || op->update_only) && keep_failure(op);
    if (absent && !op->update_only)
        sw_fault_not_found(op, op->failure);
    if (op->plan->writes && !op->validate_only && !absent)
        sw_chores_wake(op->store->chores, true);
    if (!absent)
        finish(op, result, sw_op_reply);
    else if (op->request_id)
        look_up_record(op);
    else
        fail(op, op->failure);
}

/* Without a record the failure stands. */
static void record_read(sw_op *op, const PGresult *result, bool fine)
{
    if (fine && PQntuples(result) > 0)
        finish(op, result, sw_op_replay);
    else
        fail_kept(op);
}

/* No answer: the connection was lost, or there was none. */
static void lost(sw_op *op)
{
    bool change = op->plan->writes && op->step == SW_STEP_MAIN && !op->validate_only;
    op->lost |= change && op->work.sent;
    if (op->store->closing || !op->work.sent || op->tries >= tries_max || (change && !op->request_id))
        fail_unavailable(op);
    else if (op->step == SW_STEP_RECORD)
        look_up_record(op);
    else if (op->step == SW_STEP_REFERRERS)
        fail(op, op->failure);
    else {
        op->tries++;
        submit_again(op);
    }
}

/* What was read points into a result that ends now: a copy goes on. */
static sw_code keep_inner(sw_op *op, sw_error *error)
{
    size_t size = protobuf_c_message_get_packed_size(op->inner);
    uint8_t *bytes = sw_arena_alloc(op->arena, size + 1);
    ProtobufCMessage *copy = NULL;
    if (bytes) {
        protobuf_c_message_pack(op->inner, bytes);
        copy = protobuf_c_message_unpack(op->plan->query->inner, sw_arena_allocator(op->arena), size, bytes);
    }
    op->inner = copy;
    return copy ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
}

static void looked(sw_op *op, const PGresult *result)
{
    sw_error error;
    sw_code code = sw_part_read(op, &op->plan->look, result, op->inner, &error);
    if (code == SW_OK)
        code = keep_inner(op, &error);
    if (code == SW_OK)
        code = sw_query_hook_run(op, op->plan->query->middle, NULL, &error);
    if (code != SW_OK)
        fail(op, &error);
    else
        start(op, SW_STEP_MAIN);
}

static void done(sw_work *work, const PGresult *result)
{
    sw_op *op = (sw_op *)work;
    sw_statement_release(work->statement);
    work->statement = NULL;
    if (!op->call) {
        free_op(op);
        return;
    }
    if (work->sent)
        sw_call_add_sql_us(op->call, sw_now_us() - work->sent_us);
    if (!result) {
        lost(op);
        return;
    }
    bool fine = PQresultStatus(result) == PGRES_TUPLES_OK;
    switch (op->step) {
    case SW_STEP_RECORD:
        record_read(op, result, fine);
        return;
    case SW_STEP_REFERRERS:
        if (fine)
            sw_fault_referrers(op->reference, result, op->failure);
        fail(op, op->failure);
        return;
    case SW_STEP_COUNT:
        if (!fine)
            break;
        op->total = (int64_t)sw_get_be(PQgetvalue(result, 0, 0), 8);
        start(op, SW_STEP_MAIN);
        return;
    case SW_STEP_LOOK:
        if (!fine)
            break;
        looked(op, result);
        return;
    default:
        if (!fine)
            break;
        main_succeeded(op, result);
        return;
    }
    main_failed(op, result);
}

/* A call in the store, from its request to its reply, by one or a few statements (engine.h).
 * store.c registers sw_store_call_handle as the handler of each method.
 *
 * A mutation with a request_id writes a record in the same statement. If it fails for any reason,
 * the record is looked up before the call fails, because an earlier or simultaneous attempt may
 * have succeeded. */
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

static sw_store_call *new_call(sw_store *store)
{
    sw_store_call *call = store->spare;
    if (call)
        store->spare = call->next;
    else
        call = malloc(sizeof(*call));
    if (call)
        memset(call, 0, sizeof(*call));
    return call;
}

static void free_call(sw_store_call *call)
{
    call->next = call->store->spare;
    call->store->spare = call;
}

static void park(sw_store_call *call)
{
    sw_store *store = call->store;
    if (!store->parked)
        sw_timer_start(store->parked_timer, sw_now_ms() + 100);
    call->parked_ms = sw_now_ms();
    call->next = NULL;
    call->link = store->parked_last;
    *store->parked_last = call;
    store->parked_last = &call->next;
}

static void unpark(sw_store_call *call)
{
    *call->link = call->next;
    if (call->next)
        call->next->link = call->link;
    else
        call->store->parked_last = call->link;
    call->link = NULL;
}

/* Fails the call, which has no work in flight, and frees it. */
static void fail(sw_store_call *call, const sw_error *error)
{
    sw_call_fail(call->rpc, error);
    free_call(call);
}

static const char *no_writes(const sw_store *store)
{
    const char *why = sw_pool_no_writes(store->pool);
    return why ? why : "the database takes no changes; try again";
}

static void fail_unavailable(sw_store_call *call)
{
    sw_error error;
    if (call->lost)
        sw_fail(&error, SW_UNAVAILABLE, "%s: it may have taken effect; %s",
                call->work.unconfirmed ? "the database committed it, but a standby did not confirm it"
                                       : "the database connection was lost while it ran",
                call->request_id ? "try again with the same request_id" : "look before trying again");
    else
        sw_fail(&error, SW_UNAVAILABLE, "%s",
                call->work.refusal == SW_REFUSED_STANDBY
                    ? "changes wait for a standby of the database, so this one was not started; try again"
                : call->work.refusal == SW_REFUSED_CHANGE ? no_writes(call->store)
                : call->store->ready                      ? "the database cannot be reached; try again"
                                                          : call->store->reason);
    error.retry_safe = !call->lost;
    fail(call, &error);
}

static void on_cancel(sw_call *rpc, void *context)
{
    sw_store_call *call = context;
    sw_error error;
    sw_code code = sw_call_cancel_code(rpc);
    bool ran = call->lost || (call->work.sent && call->method->writes && !call->validate_only);
    sw_fail(&error, code, "%s%s", code == SW_DEADLINE_EXCEEDED ? "the time is over" : "cancelled",
            ran ? "; it may have taken effect" : "");
    error.retry_safe = !ran;
    bool idle = true;
    if (!call->link && call->work.sent)
        sw_call_add_sql_us(rpc, sw_now_us() - call->work.sent_us);
    if (call->link)
        unpark(call);
    else
        idle = sw_pool_drop(call->store->pool, &call->work);
    call->rpc = NULL;
    if (idle) {
        sw_statement_release(call->work.statement);
        free_call(call);
    }
    sw_call_fail(rpc, &error);
}

/* --- Statements --- */

/* A hash of the row that the step changes, or 0. */
static uint64_t row_of(const sw_store_call *call, sw_step step)
{
    const sw_table *table = call->method->table;
    if (step != SW_STEP_MAIN || !call->method->writes || !table)
        return 0;
    const char *key = sw_key_text(call);
    return sw_hash_64((uintptr_t)table, key, strlen(key)) | 1;
}

/* Reads of a row by its key, and those for the brokers, do not wait behind lists and searches. */
static sw_lane_kind lane_of(const sw_store_call *call, sw_step step)
{
    const sw_store_method *method = call->method;
    if (step == SW_STEP_LOOKUP)
        return SW_LANE_READ;
    if (method->writes && step != SW_STEP_REFERRERS)
        return SW_LANE_WRITE;
    if (method->requires == SW_REQUIRES_INTERNAL)
        return SW_LANE_AUTHENTICATE;
    if (method->verb == SW_VERB_GET ? !call->selection.read_time.data
                                    : method->verb == SW_VERB_QUERY && method->query->point)
        return SW_LANE_READ;
    return SW_LANE_LIST;
}

/* The user or, if it has no name yet, the key. */
static uint64_t caller_of(const sw_store_call *call)
{
    const char *user = call->enter[SW_ENTER_USER], *name = *user ? user : call->enter[SW_ENTER_KEY];
    return sw_hash_64((uintptr_t)call->store, name, strlen(name));
}

static void submit(sw_store_call *call, sw_step step, const sw_sql *sql)
{
    sw_error error;
    call->step = step;
    call->work.done = done;
    call->work.rolls_back = step == SW_STEP_MAIN && call->validate_only;
    call->work.row = row_of(call, step);
    call->work.joins =
        call->work.row && (call->method->verb == SW_VERB_CREATE || call->method->verb == SW_VERB_UPDATE);
    call->work.enter = call->enter;
    call->work.caller = caller_of(call);
    if (sw_pool_submit(call->store->pool, &call->work, lane_of(call, step), sql, &error) == SW_OK)
        return;
    error.retry_safe = !call->lost;
    fail(call, step == SW_STEP_REFERRERS ? call->failure : &error);
}

/* Builds and sends the statement of a step: SW_STEP_COUNT, SW_STEP_LOOKUP or SW_STEP_MAIN. */
static void start(sw_store_call *call, sw_step step)
{
    sw_error error;
    sw_code code;
    sw_sql_init(&call->main, call->arena);
    switch (call->method->verb) {
    case SW_VERB_GET:
        code = sw_read_build(call, &error);
        break;
    case SW_VERB_LIST:
        code = sw_list_build(call, step == SW_STEP_COUNT, &error);
        break;
    case SW_VERB_QUERY:
        code = sw_query_build(call, step == SW_STEP_LOOKUP ? &call->method->lookup : &call->method->statement,
                              &error);
        break;
    default:
        code = sw_write_build(call, &error);
    }
    if (code != SW_OK)
        fail(call, &error);
    else
        submit(call, step, &call->main);
}

/* Sends the same statement again. A known statement has no text and is built again, because it may
 * have been evicted. */
static void submit_again(sw_store_call *call)
{
    if (call->main.known)
        start(call, call->step);
    else
        submit(call, call->step, &call->main);
}

/* Runs the hooks that come before the first statement of a query. */
static void start_query(sw_store_call *call)
{
    const sw_query *query = call->method->query;
    sw_error error;
    sw_code code = SW_OK;
    if (query->secret)
        sw_arena_wipe_on_reset(call->arena);
    if (query->inner && !(call->inner = sw_message_new(query->inner, call->arena)))
        code = sw_fail(&error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
    if (code == SW_OK)
        code = sw_query_hook_run(call, query->begin, NULL, &error);
    if (code == SW_OK && !query->lookup)
        code = sw_query_hook_run(call, query->middle, NULL, &error);
    if (code != SW_OK)
        fail(call, &error);
    else
        start(call, query->lookup ? SW_STEP_LOOKUP : SW_STEP_MAIN);
}

/* Two requests are the same if all their bytes are. */
static bool hash_request(sw_store_call *call)
{
    size_t size = protobuf_c_message_get_packed_size(call->request);
    uint8_t *bytes = sw_arena_alloc(call->arena, size + 1);
    if (!bytes)
        return false;
    protobuf_c_message_pack(call->request, bytes);
    return crypto_generichash(call->hash, sizeof(call->hash), bytes, size, NULL, 0) == 0;
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

/* Sets the arguments of sitewire.enter. False when out of memory, or if a text is longer than any
 * name. */
static bool identify(sw_store_call *call)
{
    static const char *const requirements[] = {[SW_REQUIRES_ADMIN] = "admin",
                                               [SW_REQUIRES_PROFILE] = "profile",
                                               [SW_REQUIRES_OPEN] = "open",
                                               [SW_REQUIRES_ENROLL] = "enroll",
                                               [SW_REQUIRES_INTERNAL] = "internal"};
    const sw_call_header *header = sw_call_get_header(call->rpc);
    sw_view trace = metadata(header, "traceparent"), reason = metadata(header, "reason");
    sw_view key = sw_call_key(call->rpc), caller = sw_call_caller(call->rpc);
    call->enter[SW_ENTER_KEY] = sw_arena_strndup(call->arena, key.data, key.size);
    call->enter[SW_ENTER_USER] = sw_arena_strndup(call->arena, caller.data, caller.size);
    call->enter[SW_ENTER_REQUIRES] = requirements[call->method->requires];
    call->enter[SW_ENTER_CALL_ID] = trace.size ? sw_arena_strndup(call->arena, trace.data, trace.size)
                                               : hex(call->arena, header->call_id);
    call->enter[SW_ENTER_REQUEST_ID] =
        sw_arena_strndup(call->arena, header->request_id.data, header->request_id.size);
    call->enter[SW_ENTER_REASON] = sw_arena_strndup(call->arena, reason.data, reason.size);
    for (int i = 0; i < SW_ENTER_COUNT; i++)
        if (!call->enter[i] || (i < SW_ENTER_SESSION && strlen(call->enter[i]) >= SW_ENTER_TEXT))
            return false;
    return true;
}

static void begin(sw_store_call *call)
{
    const sw_store_method *method = call->method;
    if (!identify(call)) {
        sw_error error;
        sw_fail(&error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
        fail(call, &error);
        return;
    }
    sw_view id = sw_call_get_header(call->rpc)->request_id;
    call->validate_only = method->validate_only && sw_field_bool(call->request, method->validate_only);
    if (method->writes && method->table && id.size && !call->validate_only) {
        if (id.size > request_id_max) {
            sw_error error;
            sw_fail_field(&error, SW_INVALID_ARGUMENT, "request_id", "it has %zu bytes; at most %zu", id.size,
                          request_id_max);
            fail(call, &error);
            return;
        }
        call->request_id = sw_arena_strndup(call->arena, id.data, id.size);
        if (!call->request_id || !hash_request(call)) {
            sw_error error;
            sw_fail(&error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
            fail(call, &error);
            return;
        }
    }
    if (method->query)
        start_query(call);
    else
        start(call, method->show_total_size && sw_field_bool(call->request, method->show_total_size)
                        ? SW_STEP_COUNT
                        : SW_STEP_MAIN);
}

void sw_store_call_handle(sw_call *rpc, const ProtobufCMessage *request, void *context)
{
    const sw_store_method *method = context;
    sw_store_call *call = new_call(method->store);
    if (!call) {
        sw_error error;
        sw_fail(&error, SW_RESOURCE_EXHAUSTED, "out of memory");
        sw_call_fail(rpc, &error);
        return;
    }
    call->store = method->store;
    call->method = method;
    call->rpc = rpc;
    call->arena = sw_call_arena(rpc);
    call->request = (ProtobufCMessage *)request; /* in the call's arena; hooks may change it */
    call->total = -1;
    sw_call_on_cancel(rpc, on_cancel, call);
    if (method->store->ready)
        begin(call);
    else
        park(call);
}

void sw_store_calls_unpark(sw_store *store)
{
    int64_t now = sw_now_ms();
    for (sw_store_call *call; (call = store->parked);) {
        if (!store->ready && !store->closing && now - call->parked_ms < SW_PARK_MS) {
            sw_timer_start(store->parked_timer, now + 100);
            return;
        }
        unpark(call);
        if (store->ready && !store->closing)
            begin(call);
        else
            fail_unavailable(call);
    }
}

/* --- Results --- */

static void look_up_record(sw_store_call *call)
{
    sw_sql sql;
    sw_sql_init(&sql, call->arena);
    sw_record_build(call, &sql);
    submit(call, SW_STEP_RECORD, &sql);
}

/* Where the error is kept during a further lookup. NULL when out of memory. */
static sw_error *keep_failure(sw_store_call *call)
{
    if (!call->failure)
        call->failure = sw_arena_alloc(call->arena, sizeof(*call->failure));
    return call->failure;
}

/* Fails with the kept error. If a delete failed on a foreign key, first looks up the referring
 * rows. */
static void fail_kept(sw_store_call *call)
{
    sw_sql sql;
    sw_sql_init(&sql, call->arena);
    if (call->foreign_key && sw_referrers_build(call, call->foreign_key, &sql))
        submit(call, SW_STEP_REFERRERS, &sql);
    else
        fail(call, call->failure);
}

/* For allow_missing, PostgreSQL checks the new row, and the right to create it, even if the row
 * exists and the update alone would be valid. */
static bool cannot_insert(const sw_store_call *call, const PGresult *result)
{
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return call->upserts && state &&
           (strcmp(state, "23502") == 0 || strcmp(state, "23514") == 0 || strcmp(state, "SW005") == 0);
}

static void main_failed(sw_store_call *call, const PGresult *result)
{
    const sw_sqlstate *state = sw_sqlstate_find(PQresultErrorField(result, PG_DIAG_SQLSTATE));
    if (state->again && call->tries++ < tries_max) {
        submit_again(call);
        return;
    }
    sw_error error;
    sw_fault_fill(call, result, &error);
    call->foreign_key = call->method->table ? sw_fault_foreign_key(call, result) : NULL;
    if (!keep_failure(call)) {
        fail(call, &error);
        return;
    }
    *call->failure = error;
    if (cannot_insert(call, result)) {
        call->upserts = false;
        call->update_only = true;
        start(call, SW_STEP_MAIN);
    } else if (call->request_id)
        look_up_record(call);
    else
        fail_kept(call);
}

static void finish(sw_store_call *call, const PGresult *result,
                   void (*reply)(sw_store_call *, const PGresult *))
{
    reply(call, result);
    free_call(call);
}

static void main_succeeded(sw_store_call *call, const PGresult *result)
{
    bool absent = PQntuples(result) == 0 && (call->request_id || call->update_only) && keep_failure(call);
    if (absent && !call->update_only)
        sw_fault_not_found(call, call->failure);
    if (call->method->writes && !call->validate_only && !absent)
        sw_periodic_wake_all(call->store->periodic, true);
    if (!absent)
        finish(call, result, sw_store_call_reply);
    else if (call->request_id)
        look_up_record(call);
    else
        fail(call, call->failure);
}

/* Without a record, the call fails as before. */
static void record_read(sw_store_call *call, const PGresult *result, bool fine)
{
    if (fine && PQntuples(result) > 0)
        finish(call, result, sw_store_call_replay);
    else
        fail_kept(call);
}

static void fail_crowd(sw_store_call *call)
{
    sw_error error;
    sw_fail(&error, SW_RESOURCE_EXHAUSTED,
            "too many lists and searches wait here, and most are yours: ask for fewer at once");
    error.retry_safe = true;
    fail(call, &error);
}

/* There is no result: the connection was lost, or there was none, or the commit was not
 * confirmed. */
static void lost(sw_store_call *call)
{
    bool change = call->method->writes && call->step == SW_STEP_MAIN && !call->validate_only;
    call->lost |= change && call->work.sent;
    if (call->store->closing || !call->work.sent || call->tries >= tries_max || (change && !call->request_id))
        fail_unavailable(call);
    else if (call->step == SW_STEP_RECORD)
        look_up_record(call);
    else if (call->step == SW_STEP_REFERRERS)
        fail(call, call->failure);
    else {
        call->tries++;
        submit_again(call);
    }
}

/* The inner message points into a result that is freed now, so it is copied. */
static sw_code keep_inner(sw_store_call *call, sw_error *error)
{
    size_t size = protobuf_c_message_get_packed_size(call->inner);
    uint8_t *bytes = sw_arena_alloc(call->arena, size + 1);
    ProtobufCMessage *copy = NULL;
    if (bytes) {
        protobuf_c_message_pack(call->inner, bytes);
        copy = protobuf_c_message_unpack(call->method->query->inner, sw_arena_allocator(call->arena), size,
                                         bytes);
    }
    call->inner = copy;
    return copy ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
}

static void lookup_done(sw_store_call *call, const PGresult *result)
{
    sw_error error;
    sw_code code = sw_query_statement_read(call, &call->method->lookup, result, call->inner, &error);
    if (code == SW_OK)
        code = keep_inner(call, &error);
    if (code == SW_OK)
        code = sw_query_hook_run(call, call->method->query->middle, NULL, &error);
    if (code != SW_OK)
        fail(call, &error);
    else
        start(call, SW_STEP_MAIN);
}

static void done(sw_work *work, const PGresult *result)
{
    sw_store_call *call = (sw_store_call *)work;
    sw_statement_release(work->statement);
    work->statement = NULL;
    if (!call->rpc) {
        free_call(call);
        return;
    }
    if (work->sent)
        sw_call_add_sql_us(call->rpc, sw_now_us() - work->sent_us);
    if (!result) {
        (work->refusal == SW_REFUSED_CROWD ? fail_crowd : lost)(call);
        return;
    }
    bool fine = PQresultStatus(result) == PGRES_TUPLES_OK;
    switch (call->step) {
    case SW_STEP_RECORD:
        record_read(call, result, fine);
        return;
    case SW_STEP_REFERRERS:
        if (fine)
            sw_fault_referrers(call->foreign_key, result, call->failure);
        fail(call, call->failure);
        return;
    case SW_STEP_COUNT:
        if (!fine)
            break;
        call->total = (int64_t)sw_get_be(PQgetvalue(result, 0, 0), 8);
        start(call, SW_STEP_MAIN);
        return;
    case SW_STEP_LOOKUP:
        if (!fine)
            break;
        lookup_done(call, result);
        return;
    default:
        if (!fine)
            break;
        main_succeeded(call, result);
        return;
    }
    main_failed(call, result);
}

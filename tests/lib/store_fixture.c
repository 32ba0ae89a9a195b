/* The store for tests (store_fixture.h). */
#include "store_fixture.h"
#include "base/clock.h"
#include "db.h"
#include "heap.h"
#include "pg.h"
#include "store/pg/migrate.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SERVICE &sw__referential__descriptor

const sw_resource test_resources[] = {
    {SERVICE, &sw__cms__descriptor, "Cms", "referential.cms", 1, NULL, NULL, NULL},
    {SERVICE, &sw__website__descriptor, "Websites", "referential.website", 1, NULL, NULL, NULL},
    {SERVICE, &sw__hosting_provider__descriptor, "HostingProviders", "referential.hosting_provider", 1, NULL,
     NULL, NULL},
    {SERVICE, &sw__docroot__descriptor, "Docroots", "referential.docroot", 1, NULL, NULL, NULL},
    {SERVICE, &sw__environment__descriptor, "Environments", "referential.environment", 1, NULL, NULL, NULL},
    {SERVICE, &sw__docroot_environment__descriptor, "DocrootEnvironments", "referential.docroot_environment",
     2, NULL, NULL, NULL},
    {SERVICE, &sw__certificate__descriptor, "Certificates", "referential.certificate", 1,
     "not_before not_after subject alternative_names", NULL, NULL},
    {SERVICE, &sw__domain__descriptor, "Domains", "referential.domain", 1, NULL, NULL, NULL},
    {SERVICE, &sw__load_balancer__descriptor, "LoadBalancers", "referential.load_balancer", 1, NULL, NULL,
     NULL},
    {0},
};

static test_call last;

static void on_serving(void *context, bool serving, const char *reason)
{
    test_store *test = context;
    test->serving = serving;
    test->told = true;
    snprintf(test->reason, sizeof(test->reason), "%s", reason ? reason : "");
}

static void take_trailers(test_call *call, const sw_reply_header *header)
{
    for (size_t i = 0; i < header->trailer_count; i++) {
        const sw_pair *pair = &header->trailers[i];
        if (sw_view_equal(pair->key, SW_VIEW("sitewire-outcome")))
            snprintf(call->outcome, sizeof(call->outcome), "%.*s", (int)pair->value.size, pair->value.data);
        if (sw_view_equal(pair->key, SW_VIEW("sitewire-replayed")))
            call->replayed = true;
    }
}

/* Packs and unpacks the reply, as the wire would: what it points into is gone afterwards. */
static bool on_send(sw_transport *transport, const sw_route *route, bool final, const sw_reply_header *header,
                    const ProtobufCMessage *message)
{
    test_store *test = (test_store *)transport;
    test_call **slot = &test->calls[route->tag % 4096], *call = *slot;
    if (!call || call->tag != route->tag || !final)
        return true;
    *slot = NULL;
    call->ended = true;
    call->error.code = SW_OK;
    if (header->code)
        sw_error_from_reply_header(header, &call->error);
    take_trailers(call, header);
    call->sql_us = header->timing.sql_us;
    if (message) {
        sw_heap_pause();
        size_t size = protobuf_c_message_get_packed_size(message);
        uint8_t *bytes = malloc(size + 1);
        protobuf_c_message_pack(message, bytes);
        call->reply = protobuf_c_message_unpack(message->descriptor, NULL, size, bytes);
        free(bytes);
        sw_heap_resume();
    }
    return true;
}

void test_store_turn(test_store *test)
{
    sw_error error;
    sw_dispatch_expire(test->dispatch, sw_now_ms());
    if (sw_loop_once(test->loop, 20, &error) != SW_OK)
        fail_msg("loop: %s", error.message);
}

static void start_store(test_store *test)
{
    sw_error error;
    test->loop = sw_loop_new();
    test->dispatch = sw_dispatch_new();
    snprintf(test->service_conninfo, sizeof(test->service_conninfo), "%s user=sitewire_referential %s",
             test->conninfo, test->through ? test->through : "");
    sw_store_options options = {.conninfo = test->service_conninfo,
                                .schema_minimum = 1,
                                .schema_maximum = sw_migrate_latest(),
                                .on_serving = on_serving,
                                .context = test,
                                .hook_context = test->hook_context};
    if (sw_store_new(test->loop, &options, &test->store, &error) != SW_OK ||
        sw_store_add(test->store, test->dispatch, test->resources ? test->resources : test_resources,
                     test->queries, &error) != SW_OK ||
        (test->periodic && sw_store_add_periodic(test->store, test->periodic, &error) != SW_OK) ||
        sw_store_start(test->store, &error) != SW_OK)
        fail_msg("store: %s", error.message);
}

void test_store_open_bare(test_store *test, const char *name, const sw_query *queries)
{
    *test = (test_store){.transport = {on_send},
                         .hook_context = test->hook_context,
                         .resources = test->resources,
                         .through = test->through,
                         .periodic = test->periodic,
                         .queries = queries};
    test->conninfo = db_create(name);
    test->conn = db_open(test->conninfo);
    /* The migrations would make it; without it the store could not even ask for the schema. */
    db_run(test->conn, "DO $$ BEGIN IF to_regrole('sitewire_referential') IS NULL THEN "
                       "CREATE ROLE sitewire_referential LOGIN; END IF; END $$");
    start_store(test);
}

void test_store_join(test_store *test, const char *conninfo)
{
    *test = (test_store){.transport = {on_send}, .through = test->through, .conninfo = strdup(conninfo)};
    start_store(test);
}

void test_store_migrate(test_store *test)
{
    sw_error error;
    if (sw_migrate_apply(test->conninfo, false, NULL, NULL, &error) != SW_OK)
        fail_msg("migrate: %s", error.message);
}

void test_store_open(test_store *test, const char *name, const sw_query *queries)
{
    test_store_open_bare(test, name, queries);
    test_store_migrate(test);
    test_store_wait(test, true);
}

static void stop_store(test_store *test)
{
    sw_store_destroy(&test->store);
    sw_dispatch_destroy(&test->dispatch);
    sw_loop_destroy(&test->loop);
}

void test_store_restart(test_store *test)
{
    stop_store(test);
    test->told = test->serving = false;
    test->reason[0] = '\0';
    start_store(test);
}

void test_store_close(test_store *test)
{
    stop_store(test);
    PQfinish(test->conn);
    free(test->conninfo);
    test_call_clear(&last);
}

void test_store_wait(test_store *test, bool serving)
{
    int64_t until = sw_now_ms() + 10000;
    while (!test->told || test->serving != serving) {
        if (sw_now_ms() > until)
            fail_msg("the store is%s serving: %s", serving ? " not" : "", test->reason);
        test_store_turn(test);
    }
}

void test_store_wait_reason(test_store *test, const char *text)
{
    int64_t until = sw_now_ms() + 10000;
    while (test->serving || !strstr(test->reason, text)) {
        if (sw_now_ms() > until)
            fail_msg("expected the reason \"%s\", got \"%s\"", text,
                     test->serving ? "serving" : test->reason);
        test_store_turn(test);
    }
}

void test_store_start(test_store *test, test_call *call, const char *method, const ProtobufCMessage *request,
                      const char *request_id, uint32_t timeout_ms)
{
    char path[128];
    uint8_t header_bytes[SW_HEADER_MAX];
    snprintf(path, sizeof(path), "/sitewire.referential.v1.Referential/%s", method);
    *call = (test_call){.tag = ++test->tag};
    sw_call_header header = {.method = sw_view_of(path),
                             .request_id = sw_view_of(request_id),
                             .call_id = call->tag,
                             .time_left_ms = timeout_ms ? timeout_ms : 30000};
    size_t header_size = sw_call_header_encode(&header, header_bytes, sizeof(header_bytes));
    size_t size = protobuf_c_message_get_packed_size(request);
    sw_heap_pause();
    uint8_t *bytes = malloc(size + 1);
    sw_heap_resume();
    protobuf_c_message_pack(request, bytes);
    test->calls[call->tag % 4096] = call;
    sw_incoming incoming = {
        .transport = &test->transport,
        .route = {.tag = call->tag},
        .header = {(char *)header_bytes, header_size},
        .payload = {(char *)bytes, size},
        .handover = {.caller = sw_view_of(test->caller ? test->caller : "admin@localhost"),
                     .time_left_ms = header.time_left_ms}};
    sw_dispatch_call(test->dispatch, &incoming);
    free(bytes);
}

void test_store_end(test_store *test, test_call *call)
{
    int64_t until = sw_now_ms() + 20000;
    while (!call->ended) {
        if (sw_now_ms() > until)
            fail_msg("the call does not end");
        test_store_turn(test);
    }
}

void test_store_cancel(test_store *test, test_call *call)
{
    sw_route route = {.tag = call->tag};
    sw_dispatch_cancel(test->dispatch, &test->transport, &route);
}

void test_call_clear(test_call *call)
{
    if (call->reply)
        protobuf_c_message_free_unpacked(call->reply, NULL);
    call->reply = NULL;
}

const void *test_store_call(test_store *test, const char *method, const ProtobufCMessage *request,
                            const char *request_id)
{
    test_call_clear(&last);
    test_store_start(test, &last, method, request, request_id, 0);
    test_store_end(test, &last);
    return last.error.code == SW_OK ? last.reply : NULL;
}

const test_call *test_store_last(void)
{
    return &last;
}

void test_store_failed(sw_code code, const char *field, const char *text)
{
    if (last.error.code != code || (field && strcmp(field, last.error.field) != 0) ||
        (text && !strstr(last.error.message, text)))
        fail_msg("%s expected, field `%s`, text `%s`; got %s, field `%s`, text `%s`", sw_code_name(code),
                 field ? field : "(any)", text ? text : "(any)", sw_code_name(last.error.code),
                 last.error.field, last.error.message);
}

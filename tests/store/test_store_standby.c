/* A synchronous standby: nothing counts as done before the standby has it, whoever gives up
 * waiting, and reads go on. */
#include "base/clock.h"
#include "db.h"
#include "pg.h"
#include "store_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static test_store test;

#define WAITING "FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND usename = 'sitewire_referential'"

static void update(test_call *call, const char *code, const char *name, const char *request_id,
                   uint32_t timeout_ms)
{
    Sw__Website website = SW__WEBSITE__INIT;
    Sw__UpdateWebsiteRequest request = SW__UPDATE_WEBSITE_REQUEST__INIT;
    website.code = (char *)code;
    website.name = (char *)name;
    request.website = &website;
    request.has_allow_missing = request.allow_missing = 1;
    test_store_start(&test, call, "UpdateWebsite", &request.base, request_id, timeout_ms);
}

static void ends(test_call *call, sw_code code)
{
    test_store_end(&test, call);
    if (call->error.code != code)
        fail_msg("%s: %s", sw_code_name(call->error.code), call->error.message);
    test_call_clear(call);
}

static int waiting(void)
{
    return atoi(db_rows(test.conn, "SELECT count(*) " WAITING));
}

static void wait_waiting(int count)
{
    int64_t until = sw_now_ms() + 10000;
    while (waiting() != count) {
        if (sw_now_ms() >= until)
            fail_msg("%d wait for the standby, not %d", waiting(), count);
        test_store_turn(&test);
    }
}

/* The standby has what was acknowledged. */
static void standby_has(const char *code, const char *name)
{
    char sql[128];
    char *conninfo = pg_fixture_on_standby(test.conninfo);
    PGconn *standby = db_open(conninfo);
    snprintf(sql, sizeof(sql), "SELECT name FROM referential.website WHERE code = '%s'", code);
    assert_string_equal(db_rows(standby, sql), name);
    PQfinish(standby);
    free(conninfo);
}

static void a_late_commit(void **state)
{
    (void)state;
    test_call call;
    update(&call, "late", "1", "late-1", 0);
    ends(&call, SW_OK);
    assert_true(pg_fixture_stop_standby());
    update(&call, "late", "2", "late-2", 1000);
    wait_waiting(1);
    ends(&call, SW_DEADLINE_EXCEEDED);
    assert_false(call.error.retry_safe);
    /* The next one with this request_id waits, too, and the first one is not cancelled. */
    update(&call, "late", "2", "late-2", 1500);
    ends(&call, SW_DEADLINE_EXCEEDED);
    assert_int_equal(waiting(), 1);
    assert_true(pg_fixture_start_standby());
    update(&call, "late", "2", "late-2", 0);
    ends(&call, SW_OK);
    assert_true(call.replayed);
    standby_has("late", "2");
}

/* Somebody else ends the wait: then the change is committed here alone, and not acknowledged. Its
 * record is no proof either, until the standby has it. */
static void somebody_cancels(void **state)
{
    (void)state;
    test_call plain, repeated;
    assert_true(pg_fixture_stop_standby());
    update(&plain, "plain", "1", NULL, 0);
    wait_waiting(1);
    db_run(test.conn, "SELECT pg_cancel_backend(pid) " WAITING);
    ends(&plain, SW_UNAVAILABLE);
    assert_false(plain.error.retry_safe);
    assert_non_null(strstr(plain.error.message, "standby did not confirm"));
    assert_string_equal(db_rows(test.conn, "SELECT name FROM referential.website WHERE code = 'plain'"), "1");
    update(&repeated, "repeated", "1", "repeated-1", 2500);
    wait_waiting(1);
    db_run(test.conn, "SELECT pg_cancel_backend(pid) " WAITING);
    ends(&repeated, SW_DEADLINE_EXCEEDED);
    update(&repeated, "repeated", "1", "repeated-1", 1000);
    ends(&repeated, SW_DEADLINE_EXCEEDED);
    assert_true(pg_fixture_start_standby());
    update(&repeated, "repeated", "1", "repeated-1", 0);
    ends(&repeated, SW_OK);
    assert_true(repeated.replayed);
}

/* The methods of deployments answer a repeated request from its record, too. */
static void a_repeated_deployment(void **state)
{
    (void)state;
    PGconn *other = db_open(test.conninfo);
    db_run(test.conn, "INSERT INTO sitewire.request (request_id, method, request_hash, caller, reply) VALUES "
                      "('again', '/a.B/C', sha256('x'), 'admin@localhost', '{\"id\": 1, \"fence\": 0}')");
    db_run(
        other,
        "SELECT set_config('sitewire.request_id', 'again', false), "
        "set_config('sitewire.user', 'admin@localhost', false), set_config('sitewire.admin', 'on', false)");
    assert_true(pg_fixture_stop_standby());
    assert_int_equal(PQsendQuery(other, "SELECT deployment.earlier('/a.B/C', 'x')"), 1);
    int64_t until = sw_now_ms() + 30000;
    while (strcmp(db_rows(test.conn, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep'"),
                  "1") != 0)
        assert_true(sw_now_ms() < until);
    assert_true(pg_fixture_start_standby());
    PGresult *result = PQgetResult(other);
    assert_int_equal(PQresultStatus(result), PGRES_TUPLES_OK);
    assert_string_equal(PQgetvalue(result, 0, 0), "{\"id\": 1, \"fence\": 0}");
    PQclear(result);
    PQfinish(other);
}

/* Each lane waits: further changes fail at once, and have not run; reads go on. */
static void all_lanes_wait(void **state)
{
    (void)state;
    enum { LANES = 8 };
    test_call calls[LANES], more, read;
    char code[32], sql[96];
    assert_true(pg_fixture_stop_standby());
    for (int i = 0; i < LANES; i++) {
        snprintf(code, sizeof(code), "lane-%d", i);
        update(&calls[i], code, "1", NULL, 20000);
        wait_waiting(i + 1);
    }
    int64_t until = sw_now_ms() + 20000, began;
    int tries = 0;
    do { /* until the store has noticed; what was sent before runs later */
        assert_true(sw_now_ms() < until);
        began = sw_now_ms();
        snprintf(code, sizeof(code), "more-%d", tries++);
        update(&more, code, "1", NULL, 2000);
        test_store_end(&test, &more);
    } while (more.error.code == SW_DEADLINE_EXCEEDED);
    assert_int_equal(more.error.code, SW_UNAVAILABLE);
    assert_true(more.error.retry_safe);
    assert_true(sw_now_ms() - began < 1000);
    assert_non_null(strstr(more.error.message, "standby"));
    Sw__GetWebsiteRequest request = SW__GET_WEBSITE_REQUEST__INIT;
    request.code = "late";
    test_store_start(&test, &read, "GetWebsite", &request.base, NULL, 0);
    ends(&read, SW_OK);
    assert_true(pg_fixture_start_standby());
    for (int i = 0; i < LANES; i++)
        ends(&calls[i], SW_OK);
    update(&more, "after", "1", NULL, 0);
    ends(&more, SW_OK);
    snprintf(sql, sizeof(sql), "SELECT count(*) FROM referential.website WHERE code = '%s'", code);
    assert_string_equal(db_rows(test.conn, sql), "0");
}

static int open_store(void **state)
{
    (void)state;
    test_store_open(&test, "standby", NULL);
    return pg_fixture_start_standby() ? 0 : -1;
}

static int close_store(void **state)
{
    (void)state;
    pg_fixture_sql("ALTER SYSTEM RESET synchronous_standby_names");
    test_store_close(&test);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_late_commit), cmocka_unit_test(somebody_cancels),
                                       cmocka_unit_test(a_repeated_deployment),
                                       cmocka_unit_test(all_lanes_wait)};
    return cmocka_run_group_tests_name("standby", tests, open_store, close_store);
}

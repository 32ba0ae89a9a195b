/* A standby takes over: changes go on there by themselves, reads follow, and the server that was
 * replaced is not written to again. */
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

static test_store test, alone; /* with both servers in its conninfo; with the standby alone */
static char *both, *second;
static sw_database before;

static void update(test_store *store, test_call *call, const char *name, uint32_t timeout_ms)
{
    Sw__Website website = SW__WEBSITE__INIT;
    Sw__UpdateWebsiteRequest request = SW__UPDATE_WEBSITE_REQUEST__INIT;
    website.code = (char *)"site";
    website.name = (char *)name;
    request.website = &website;
    request.has_allow_missing = request.allow_missing = 1;
    test_store_start(store, call, "UpdateWebsite", &request.base, NULL, timeout_ms);
    test_store_end(store, call);
    test_call_clear(call);
}

static const char *read_name(test_store *store)
{
    Sw__GetWebsiteRequest request = SW__GET_WEBSITE_REQUEST__INIT;
    request.code = (char *)"site";
    const Sw__Website *website = test_store_call(store, "GetWebsite", &request.base, NULL);
    return website ? website->name : "";
}

static void must_update(test_store *store, const char *name)
{
    test_call call;
    update(store, &call, name, 0);
    if (call.error.code != SW_OK)
        fail_msg("%s: %s", sw_code_name(call.error.code), call.error.message);
}

/* Tries until it succeeds, as a client would. Returns after how many milliseconds. */
static int64_t update_at_last(test_store *store, const char *name)
{
    test_call call;
    int64_t began = sw_now_ms();
    do
        update(store, &call, name, 0);
    while (call.error.code == SW_UNAVAILABLE && sw_now_ms() < began + 60000);
    if (call.error.code != SW_OK)
        fail_msg("%s: %s", sw_code_name(call.error.code), call.error.message);
    return sw_now_ms() - began;
}

/* It serves reads, refuses changes at once and without having run them, and says why. */
static void a_standby_alone(void **state)
{
    (void)state;
    test_call call;
    must_update(&test, "1");
    before = sw_store_database(test.store);
    assert_true(before.system != 0 && before.timeline == 1 && before.writable && !before.standby);
    int64_t until = sw_now_ms() + 20000;
    while (strcmp(read_name(&alone), "1") != 0)
        assert_true(sw_now_ms() < until);
    sw_database database = sw_store_database(alone.store);
    assert_true(database.system == before.system && database.timeline == 1);
    assert_true(database.standby && !database.writable);
    assert_true(alone.serving);
    assert_non_null(strstr(alone.reason, "is a standby"));
    update(&alone, &call, "2", 0);
    assert_int_equal(call.error.code, SW_UNAVAILABLE);
    assert_true(call.error.retry_safe);
    assert_non_null(strstr(call.error.message, "is a standby"));
}

static void a_crash_and_a_promotion(void **state)
{
    (void)state;
    assert_true(pg_fixture_crash());
    assert_true(pg_fixture_promote());
    print_message("changes succeed %lld ms after the promotion\n", (long long)update_at_last(&test, "3"));
    assert_string_equal(read_name(&test), "3");
    sw_database after = sw_store_database(test.store);
    assert_true(after.system == before.system && after.timeline == 2 && !after.standby && after.writable);
    update_at_last(&alone, "4"); /* without a restart */
    assert_string_equal(read_name(&alone), "4");
    assert_string_equal(alone.reason, "");
    assert_int_equal(sw_store_database(alone.store).timeline, 2);
}

/* The old primary comes back, and would take changes. Nobody who knows of the new one uses it. */
static void the_old_primary(void **state)
{
    (void)state;
    test_call call;
    pg_fixture_restart();
    PGconn *old = db_open(test.conninfo), *new = db_open(second);
    assert_string_equal(db_rows(old, "SELECT pg_is_in_recovery()"), "f");
    for (int i = 0; i < 3; i++) { /* all sessions end, so that all servers are tried again */
        db_run(
            new,
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE usename = 'sitewire_referential'");
        update_at_last(&test, "5");
        assert_int_equal(sw_store_database(test.store).timeline, 2);
    }
    assert_string_equal(db_rows(old, "SELECT name FROM referential.website WHERE code = 'site'"), "1");
    /* One that has just started knows nothing, until a broker tells it. */
    db_run(old, "ALTER SYSTEM SET synchronous_standby_names = ''");
    db_run(old, "SELECT pg_reload_conf()");
    test_store fresh = {.through = "port=5432"};
    test_store_join(&fresh, test.conninfo);
    test_store_wait(&fresh, true);
    must_update(&fresh, "6");
    sw_store_note_timeline(fresh.store, before.system + 1, 9); /* another database */
    must_update(&fresh, "7");
    sw_store_note_timeline(fresh.store, before.system, 2);
    update(&fresh, &call, "8", 0);
    assert_int_equal(call.error.code, SW_UNAVAILABLE);
    assert_true(call.error.retry_safe);
    assert_non_null(strstr(call.error.message, "timeline 1, but 2 is known"));
    assert_string_equal(read_name(&fresh), "7");
    assert_true(fresh.serving);
    assert_non_null(strstr(fresh.reason, "another server was promoted"));
    assert_false(sw_store_database(fresh.store).writable);
    test_store_close(&fresh);
    PQfinish(old);
    PQfinish(new);
}

static int open_stores(void **state)
{
    (void)state;
    test_store_open(&test, "failover", NULL);
    if (!pg_fixture_start_standby())
        return -1;
    both = pg_fixture_on_both("");
    second = pg_fixture_on_standby(test.conninfo);
    test.through = both;
    test_store_restart(&test);
    test_store_wait(&test, true);
    alone = (test_store){.through = "port=5433"};
    test_store_join(&alone, test.conninfo);
    test_store_wait(&alone, true);
    return 0;
}

static int close_stores(void **state)
{
    (void)state;
    test_store_close(&alone);
    test_store_close(&test);
    free(both);
    free(second);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_standby_alone),
                                       cmocka_unit_test(a_crash_and_a_promotion),
                                       cmocka_unit_test(the_old_primary)};
    return cmocka_run_group_tests_name("failover", tests, open_stores, close_stores);
}

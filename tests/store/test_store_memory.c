/* The store on a real PostgreSQL when memory runs out: each allocation in turn fails, in calls,
 * while a store is made, and while it starts. Every call is answered, a call that failed for lack
 * of memory says so, and the store serves afterwards. */
#include "base/clock.h"
#include "db.h"
#include "heap.h"
#include "store/engine.h"
#include "store/pg/migrate.h"
#include "store_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

static test_store test;
static int run; /* numbers the websites */

/* Success, or a failure that a caller may repeat. */
static void expect_short(const test_call *call)
{
    sw_code code = call->error.code;
    if (code != SW_OK && code != SW_RESOURCE_EXHAUSTED && code != SW_UNAVAILABLE)
        fail_msg("%s: %s", sw_code_name(code), call->error.message);
}

/* Get, Create and List in flight at once. Whether the website was created. */
static bool call_all(bool all_good)
{
    bool created = false;
    test_call calls[3];
    char code[32];
    snprintf(code, sizeof(code), "site-%d", run++);
    Sw__GetWebsiteRequest get = SW__GET_WEBSITE_REQUEST__INIT;
    get.code = (char *)"known";
    Sw__Website website = SW__WEBSITE__INIT;
    Sw__CreateWebsiteRequest create = SW__CREATE_WEBSITE_REQUEST__INIT;
    website.code = code;
    create.website = &website;
    Sw__Filter filter = SW__FILTER__INIT, *filters[] = {&filter};
    char *values[] = {(char *)"name"};
    filter.field = (char *)"name";
    filter.op = (char *)"=";
    filter.values = values;
    filter.n_values = 1;
    Sw__ListWebsitesRequest list = SW__LIST_WEBSITES_REQUEST__INIT;
    list.filters = filters;
    list.n_filters = 1;
    test_store_start(&test, &calls[0], "GetWebsite", &get.base, NULL, 0);
    test_store_start(&test, &calls[1], "CreateWebsite", &create.base, code, 0);
    test_store_start(&test, &calls[2], "ListWebsites", &list.base, NULL, 0);
    for (int i = 0; i < 3; i++) {
        test_store_end(&test, &calls[i]);
        expect_short(&calls[i]);
        if (all_good)
            assert_int_equal(calls[i].error.code, SW_OK);
        created |= i == 1 && calls[i].error.code == SW_OK;
        test_call_clear(&calls[i]);
    }
    return created;
}

static void expect_service(void)
{
    sw_heap_pause();
    test_store_wait(&test, true);
    call_all(true);
    sw_heap_resume();
}

static void call_once(void *context)
{
    (void)context;
    call_all(false);
    expect_service();
}

static void test_calls(void **state)
{
    (void)state;
    assert_true(sw_heap_each(call_once, NULL) > 1);
}

/* --- Making a store --- */

static void on_serving(void *context, bool serving, const char *reason)
{
    (void)context;
    test.serving = serving;
    test.told = true;
    snprintf(test.reason, sizeof(test.reason), "%s", reason != NULL ? reason : "");
}

static void stop(void)
{
    sw_store_destroy(&test.store);
    sw_dispatch_destroy(&test.dispatch);
    sw_loop_destroy(&test.loop);
    test.serving = test.told = false;
}

static void new_loop(void)
{
    sw_heap_pause();
    test.loop = sw_loop_new();
    test.dispatch = sw_dispatch_new();
    assert_non_null(test.loop);
    assert_non_null(test.dispatch);
    sw_heap_resume();
}

/* A store that could not be made says why. */
static void make(void *context)
{
    (void)context;
    sw_error error = {0};
    const sw_store_options options = {.conninfo = test.service_conninfo,
                                      .read_lanes = 1,
                                      .write_lanes = 1,
                                      .schema_minimum = 1,
                                      .schema_maximum = sw_migrate_latest(),
                                      .on_serving = on_serving};
    new_loop();
    sw_code code = sw_store_new(test.loop, &options, &test.store, &error);
    if (code == SW_OK)
        code = sw_store_add(test.store, test.dispatch, test_resources, NULL, &error);
    if (code != SW_OK) {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
        assert_true(error.message[0] != '\0');
    }
    stop();
}

static void test_make(void **state)
{
    (void)state;
    stop();
    assert_true(sw_heap_each(make, NULL) > 100);
}

/* --- Starting a store --- */

static int64_t ahead_us;  /* of the true clock: pauses between tries need not be waited for */
static int changed, idle; /* runs of the periodic statement: after a change, and without one */

static int64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + ahead_us;
}

static int64_t on_result(void *context, const PGresult *result)
{
    (void)context;
    if (result != NULL)
        (*PQgetvalue(result, 0, 0) == 'c' ? &changed : &idle)[0]++;
    return -1;
}

static const sw_query queries[] = {
    {.service = &sw__referential__descriptor,
     .method = "FindVersions",
     .sql = "SELECT :code::text AS code",
     .requires = SW_REQUIRES_PROFILE},
    {0},
};

static void make_to_start(void)
{
    sw_error error;
    const sw_store_options options = {.conninfo = test.service_conninfo,
                                      .read_lanes = 1,
                                      .write_lanes = 1,
                                      .schema_minimum = 1,
                                      .schema_maximum = sw_migrate_latest(),
                                      .on_serving = on_serving};
    const sw_periodic periodic = {.name = "testing",
                                  .sql = "SELECT 'idle'",
                                  .every_ms = 10,
                                  .sql_on_change = "SELECT 'changed'",
                                  .on_result = on_result};
    new_loop();
    sw_heap_pause();
    assert_int_equal(sw_store_new(test.loop, &options, &test.store, &error), SW_OK);
    assert_int_equal(sw_store_add(test.store, test.dispatch, test_resources, queries, &error), SW_OK);
    assert_int_equal(sw_store_add_periodic(test.store, &periodic, &error), SW_OK);
    sw_heap_resume();
}

/* What failed is tried again after a pause, which the clock skips. */
static void turn_until(const int *count, int more_than)
{
    int64_t until = sw_now_ms() + 10000, skipped_ms = ahead_us / 1000;
    while (!test.serving || *count <= more_than) {
        if (sw_now_ms() - (ahead_us / 1000 - skipped_ms) > until)
            fail_msg("the store hangs: %s", test.reason);
        if (!test.serving && strstr(test.reason, "out of memory") != NULL)
            ahead_us += 1000000;
        test_store_turn(&test);
    }
}

/* However memory fails, the store starts, and looks after what calls have changed. */
static void start_once(void *context)
{
    sw_error error;
    (void)context;
    changed = 0;
    make_to_start();
    assert_int_equal(sw_store_start(test.store, &error), SW_OK);
    turn_until(&idle, idle);
    expect_service();
    turn_until(&changed, 0);
    stop();
}

static void test_start(void **state)
{
    (void)state;
    stop();
    sw_clock_set(clock_us);
    assert_true(sw_heap_each(start_once, NULL) > 40);
    sw_clock_set(NULL);
}

/* --- A periodic statement --- */

/* It runs after a change, even if it cannot be made at first. */
static void change(void *context)
{
    (void)context;
    sw_error error;
    make_to_start();
    sw_heap_pause();
    assert_int_equal(sw_store_start(test.store, &error), SW_OK);
    turn_until(&idle, idle);
    changed = 0;
    sw_heap_resume();
    sw_periodic_wake_all(test.store->periodic, true);
    turn_until(&changed, 0);
    stop();
}

static void test_periodic(void **state)
{
    (void)state;
    stop();
    assert_true(sw_heap_each(change, NULL) > 1);
    sw_heap_pause();
    test_store_restart(&test);
    test_store_wait(&test, true);
    sw_heap_resume();
}

static int set_up(void **state)
{
    (void)state;
    test_store_open(&test, "memory", NULL);
    Sw__Website website = SW__WEBSITE__INIT;
    Sw__CreateWebsiteRequest create = SW__CREATE_WEBSITE_REQUEST__INIT;
    website.code = (char *)"known";
    website.name = (char *)"name";
    create.website = &website;
    return test_store_call(&test, "CreateWebsite", &create.base, NULL) == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    test_store_close(&test);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_calls), cmocka_unit_test(test_make),
                                       cmocka_unit_test(test_start), cmocka_unit_test(test_periodic)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

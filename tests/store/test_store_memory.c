/* The store on a real PostgreSQL when memory runs out: each allocation in turn fails, in calls,
 * and while a store is made. Every call is answered, a call that failed for
 * lack of memory says so, and the store serves afterwards. */
#include "base/clock.h"
#include "db.h"
#include "heap.h"
#include "store/pg/migrate.h"
#include "store_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>

static test_store test;
static int run; /* numbers the websites */

/* Success, or a failure that a caller may repeat. */
static void expect_short(const test_call *call)
{
    sw_code code = call->error.code;
    if (code != SW_OK && code != SW_RESOURCE_EXHAUSTED && code != SW_UNAVAILABLE)
        fail_msg("%s: %s", sw_code_name(code), call->error.message);
}

/* Get, Create and List in flight at once. */
static void call_all(bool all_good)
{
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
        test_call_clear(&calls[i]);
    }
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_calls), cmocka_unit_test(test_make)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* Lists and searches: slow or many ones of one caller do not stop the others, nor reads by key, and
 * none outlives its call. */
#include "base/clock.h"
#include "db.h"
#include "store_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdlib.h>
#include <string.h>

static test_store test;

/* Stands in for a search that takes a minute. */
static const sw_query queries[] = {
    {.service = &sw__referential__descriptor,
     .method = "FindVersions",
     .requires = SW_REQUIRES_PROFILE,
     .sql = "SELECT :type AS type, pg_sleep(60)::text AS code"},
    {0},
};

enum { MANY = 64, ALL = 128 }; /* of one caller, and waiting in all */

static void search(test_call *call, const char *caller)
{
    Sw__FindVersionsRequest request = SW__FIND_VERSIONS_REQUEST__INIT;
    test.caller = caller;
    test_store_start(&test, call, "FindVersions", &request.base, NULL, 0);
    test.caller = NULL;
}

static void list(test_call *call, const char *caller)
{
    Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
    test.caller = caller;
    test_store_start(&test, call, "ListWebsites", &request.base, NULL, 0);
    test.caller = NULL;
}

static void get(test_call *call, const char *caller)
{
    Sw__GetWebsiteRequest request = SW__GET_WEBSITE_REQUEST__INIT;
    request.code = "one";
    test.caller = caller;
    test_store_start(&test, call, "GetWebsite", &request.base, NULL, 0);
    test.caller = NULL;
}

static void wait_sleeping(const char *count)
{
    int64_t until = sw_now_ms() + 10000;
    while (strcmp(db_rows(test.conn, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"),
                  count) != 0) {
        if (sw_now_ms() >= until)
            fail_msg("%s sleep, not %s",
                     db_rows(test.conn, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"),
                     count);
        test_store_turn(&test);
    }
}

static void is_served(test_call *call)
{
    test_store_end(&test, call);
    assert_int_equal(call->error.code, SW_OK);
    test_call_clear(call);
}

static void cancel(test_call *calls, int count)
{
    for (int i = 0; i < count; i++)
        if (!calls[i].ended)
            test_store_cancel(&test, &calls[i]);
    for (int i = 0; i < count; i++)
        test_store_end(&test, &calls[i]);
}

/* Two slow searches of each of two callers leave a lane to others, and reads by key never wait. */
static void others_are_served(void **state)
{
    (void)state;
    static test_call slow[MANY], ben[2], call;
    for (int i = 0; i < MANY; i++)
        search(&slow[i], "ann@x.org");
    wait_sleeping("2");
    for (int i = 0; i < 10; i++) {
        list(&call, "eve@x.org");
        is_served(&call);
        get(&call, "ann@x.org");
        is_served(&call);
    }
    for (int i = 0; i < 2; i++)
        search(&ben[i], "ben@x.org");
    wait_sleeping("3");
    for (int i = 0; i < 10; i++) {
        list(&call, "eve@x.org");
        is_served(&call);
    }
    cancel(slow, MANY);
    cancel(ben, 2);
    wait_sleeping("0");
}

/* A caller's own bound has a clear answer, and ends with the calls. */
static void too_many(void **state)
{
    (void)state;
    static test_call slow[MANY], more;
    for (int i = 0; i < MANY; i++)
        search(&slow[i], "ann@x.org");
    search(&more, "ann@x.org");
    test_store_end(&test, &more);
    assert_int_equal(more.error.code, SW_RESOURCE_EXHAUSTED);
    assert_non_null(strstr(more.error.message, "64 lists and searches of yours"));
    cancel(slow, MANY);
    wait_sleeping("0");
    list(&more, "ann@x.org");
    is_served(&more);
}

/* Where too many wait in all, whoever has the most gives way, and nobody else. */
static void crowd(void **state)
{
    (void)state;
    static test_call ann[MANY], ben[MANY], eve[MANY];
    for (int i = 0; i < MANY; i++)
        search(&ann[i], "ann@x.org");
    wait_sleeping("2");
    for (int i = 0; i < MANY; i++)
        search(&ben[i], "ben@x.org");
    wait_sleeping("3");
    for (int i = 0; i < 20; i++)
        search(&eve[i], "eve@x.org");
    wait_sleeping("4");
    int refused = 0;
    for (int i = 0; i < MANY; i++) {
        refused += ann[i].ended + ben[i].ended;
        assert_false(i < 20 && eve[i].ended);
        assert_true(!ben[i].ended || ben[i].error.code == SW_RESOURCE_EXHAUSTED);
        assert_true(!ann[i].ended || ann[i].error.code == SW_RESOURCE_EXHAUSTED);
    }
    assert_int_equal(refused, 62 + 63 + 20 - ALL); /* that many waited of ann's, ben's and eve's */
    ;
    cancel(ann, MANY);
    cancel(ben, MANY);
    cancel(eve, 20);
    wait_sleeping("0");
}

/* A search ends with its call, also at the deadline. */
static void none_outlives_its_call(void **state)
{
    (void)state;
    Sw__FindVersionsRequest request = SW__FIND_VERSIONS_REQUEST__INIT;
    test_call late[2];
    test.caller = "ann@x.org";
    for (int i = 0; i < 2; i++)
        test_store_start(&test, &late[i], "FindVersions", &request.base, NULL, 1000);
    test.caller = NULL;
    wait_sleeping("2");
    for (int i = 0; i < 2; i++) {
        test_store_end(&test, &late[i]);
        assert_int_equal(late[i].error.code, SW_DEADLINE_EXCEEDED);
    }
    wait_sleeping("0");
}

static int open_store(void **state)
{
    (void)state;
    test_store_open(&test, "fair", queries);
    db_run(test.conn, "INSERT INTO referential.website (code) VALUES ('one')");
    db_run(test.conn, "INSERT INTO users.\"user\" (email, is_admin) VALUES ('ann@x.org', true), "
                      "('ben@x.org', true), ('eve@x.org', true)");
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    test_store_close(&test);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(others_are_served), cmocka_unit_test(too_many),
                                       cmocka_unit_test(crowd), cmocka_unit_test(none_outlives_its_call)};
    return cmocka_run_group_tests_name("fair", tests, open_store, close_store);
}

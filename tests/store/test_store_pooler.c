/* Behind a pooler: one that shares sessions is noticed before anybody sees the rows of another, and
 * one that keeps them works. */
#include "base/clock.h"
#include "db.h"
#include "pg.h"
#include "store_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <string.h>

static const sw_query queries[] = {
    {.service = &sw__referential__descriptor,
     .method = "FindVersions",
     .requires = SW_REQUIRES_PROFILE,
     .sql = "SELECT :type AS type, pg_sleep(60)::text AS code"},
    {0},
};

static void get(test_store *test, test_call *call, const char *caller)
{
    Sw__GetWebsiteRequest request = SW__GET_WEBSITE_REQUEST__INIT;
    request.code = "one";
    test->caller = caller;
    test_store_start(test, call, "GetWebsite", &request.base, NULL, 0);
}

static void open_behind(test_store *test, const char *mode, int sessions)
{
    assert_non_null(pg_fixture_start());
    test->through = pg_fixture_start_pooler(mode, sessions);
    if (!test->through)
        skip();
    test_store_open_bare(test, mode, queries);
    test_store_migrate(test);
    db_run(test->conn, "INSERT INTO referential.website (code) VALUES ('one')");
    db_run(test->conn, "INSERT INTO referential.website (code) VALUES ('other')");
    db_run(test->conn, "INSERT INTO users.\"user\" (email) VALUES ('eve@x.org')");
    db_run(test->conn, "INSERT INTO users.access_right (project, \"user\", role) "
                       "VALUES ('website:other', 'eve@x.org', 'Owner')");
}

/* Eve may not read the website that the admin reads all the time. */
static void refuses(const char *mode)
{
    enum { TIMES = 20 };
    test_store test = {0};
    static test_call eve[TIMES], admin[TIMES];
    open_behind(&test, mode, 3);
    int64_t until = sw_now_ms() + 30000;
    while (test.serving || !strstr(test.reason, "session mode")) {
        assert_true(sw_now_ms() < until);
        for (int i = 0; i < TIMES; i++) {
            get(&test, &admin[i], "admin@localhost");
            get(&test, &eve[i], "eve@x.org");
        }
        for (int i = 0; i < TIMES; i++) {
            test_store_end(&test, &eve[i]);
            assert_int_not_equal(eve[i].error.code, SW_OK);
            test_store_end(&test, &admin[i]);
            test_call_clear(&admin[i]);
        }
    }
    test_store_close(&test);
    pg_fixture_stop_pooler();
}

static void transaction_mode(void **state)
{
    (void)state;
    refuses("transaction");
}

static void statement_mode(void **state)
{
    (void)state;
    refuses("statement");
}

static void wait_sleeping(test_store *test, const char *count)
{
    int64_t until = sw_now_ms() + 10000;
    while (strcmp(db_rows(test->conn, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'"),
                  count) != 0) {
        assert_true(sw_now_ms() < until);
        test_store_turn(test);
    }
}

/* Everything works, and cancelling reaches the statement, whose process libpq does not know. */
static void session_mode(void **state)
{
    (void)state;
    test_store test = {0};
    test_call call;
    open_behind(&test, "session", 40);
    test_store_wait(&test, true);
    for (int i = 0; i < 100; i++) {
        get(&test, &call, i % 2 ? "eve@x.org" : "admin@localhost");
        test_store_end(&test, &call);
        assert_int_equal(call.error.code, i % 2 ? SW_NOT_FOUND : SW_OK);
        test_call_clear(&call);
    }
    Sw__FindVersionsRequest request = SW__FIND_VERSIONS_REQUEST__INIT;
    test_store_start(&test, &call, "FindVersions", &request.base, NULL, 0);
    wait_sleeping(&test, "1");
    test_store_cancel(&test, &call);
    test_store_end(&test, &call);
    wait_sleeping(&test, "0");
    test_store_close(&test);
    pg_fixture_stop_pooler();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(transaction_mode), cmocka_unit_test(statement_mode),
                                       cmocka_unit_test(session_mode)};
    return cmocka_run_group_tests_name("pooler", tests, NULL, NULL);
}

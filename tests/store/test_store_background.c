/* Background work that fails or hangs shows, with the reason, until it succeeds again; calls go
 * on. */
#include "base/clock.h"
#include "db.h"
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
static int64_t ahead_us;

/* It fails while nobody holds the lock 77, and waits while somebody holds 78. */
static const sw_periodic work = {
    .name = "counting sheep",
    .sql = "SELECT 1 / (SELECT count(*)::integer FROM pg_locks WHERE locktype = 'advisory' AND objid = 77), "
           "pg_advisory_xact_lock(78)",
    .every_ms = 10,
};

static int64_t clock_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000 + ahead_us;
}

static sw_work_view look(void)
{
    const void *at = NULL;
    sw_work_view view;
    assert_true(sw_store_each_work(test.store, &at, &view));
    assert_string_equal(view.name, "counting sheep");
    sw_work_view found = view;
    assert_false(sw_store_each_work(test.store, &at, &view));
    return found;
}

static void wait_reason(const char *text)
{
    int64_t until = sw_now_ms() + 60000;
    while (strcmp(test.reason, text) != 0) {
        if (sw_now_ms() > until)
            fail_msg("expected the reason \"%s\", got \"%s\"", text, test.reason);
        test_store_turn(&test);
    }
    assert_true(test.serving);
}

static void calls_go_on(void)
{
    Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
    assert_non_null(test_store_call(&test, "ListWebsites", &request.base, NULL));
}

static void it_fails_and_recovers(void **state)
{
    (void)state;
    wait_reason("background work fails: counting sheep: division by zero");
    calls_go_on();
    sw_work_view view = look();
    assert_true(view.failing && view.failures >= 2 && view.runs >= view.failures);
    assert_string_equal(view.error, "division by zero");
    assert_true(view.succeeded_us == 0);
    db_run(test.conn, "SELECT pg_advisory_lock(77)");
    wait_reason("");
    view = look();
    assert_false(view.failing);
    assert_string_equal(view.error, "");
    assert_true(view.succeeded_us > 0);
}

static void it_hangs(void **state)
{
    (void)state;
    db_run(test.conn, "SELECT pg_advisory_lock(78)");
    int64_t until = sw_now_ms() + 60000;
    while (strcmp(db_rows(test.conn, "SELECT count(*) FROM pg_locks WHERE objid = 78 AND NOT granted"),
                  "1") != 0) {
        assert_true(sw_now_ms() < until);
        test_store_turn(&test);
    }
    ahead_us += (SW_PERIODIC_STALL_MS + 1000) * 1000LL;
    wait_reason("background work fails: counting sheep: it has not ended for 30 s");
    calls_go_on();
    db_run(test.conn, "SELECT pg_advisory_unlock(78)");
    wait_reason("");
}

static int set_up(void **state)
{
    (void)state;
    sw_clock_set(clock_us);
    test = (test_store){.periodic = &work};
    test_store_open(&test, "background", NULL);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    test_store_close(&test);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(it_fails_and_recovers), cmocka_unit_test(it_hangs)};
    return cmocka_run_group_tests_name("background", tests, set_up, tear_down);
}

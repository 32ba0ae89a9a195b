/* The fixture itself: a database that answers, is lost and comes back. */
#include "pg.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void test_life(void **state)
{
    (void)state;
    char *conninfo = pg_fixture_start();
    assert_non_null(conninfo);
    assert_ptr_equal(pg_fixture_start(), conninfo);
    assert_true(pg_fixture_sql("CREATE TABLE kept (a int); INSERT INTO kept VALUES (1)"));
    assert_true(pg_fixture_crash());
    assert_false(pg_fixture_sql("SELECT 1"));
    assert_true(pg_fixture_restart());
    assert_true(pg_fixture_sql("SELECT 1 / count(*) FROM kept"));
    pg_fixture_stop();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_life)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

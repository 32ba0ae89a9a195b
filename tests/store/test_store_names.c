/* The name of a database server cannot be looked up: the loop goes on, and the next server is
 * used. */
#include "base/clock.h"
#include "db.h"
#include "silent_dns.h"
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
static int dns;

static void a_silent_name_server(void **state)
{
    (void)state;
    char both[256];
    int64_t longest_ms = 0, until = sw_now_ms() + 60000;
    snprintf(both, sizeof(both), "host=nobody.example,%s", PQhost(test.conn));
    test_store other = {.through = both};
    test_store_join(&other, test.conninfo);
    while (!other.serving) {
        int64_t began = sw_now_ms();
        assert_true(began < until);
        test_store_turn(&other);
        longest_ms = sw_now_ms() - began > longest_ms ? sw_now_ms() - began : longest_ms;
    }
    assert_true(silent_dns_was_asked(dns));
    print_message("the longest round took %lld ms\n", (long long)longest_ms);
    assert_true(longest_ms < 15000); /* one question takes 30 s */
    test_store_close(&other);
}

/* Nothing else to try: it says what it waits for, and does not hang. */
static void no_other_server(void **state)
{
    (void)state;
    test_store other = {.through = "host=nobody.example"};
    test_store_join(&other, test.conninfo);
    int64_t until = sw_now_ms() + 60000;
    while (!strstr(other.reason, "nobody.example has no answer of the name service")) {
        assert_true(sw_now_ms() < until);
        test_store_turn(&other);
    }
    assert_false(other.serving);
    test_store_close(&other);
}

static int set_up(void **state)
{
    (void)state;
    test_store_open(&test, "names", NULL);
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
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_silent_name_server),
                                       cmocka_unit_test(no_other_server)};
    dns = silent_dns_start();
    if (dns < 0) {
        print_message("network namespaces are not permitted here\n");
        return 77;
    }
    return cmocka_run_group_tests_name("names", tests, set_up, tear_down);
}

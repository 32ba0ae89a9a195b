/* Host names in endpoints of brokers: which have one, what becomes of them, and a silent DNS
 * server. */
#include "base/clock.h"
#include "silent_dns.h"
#include "worker/broker_name.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static int dns;
static sw_loop *loop;
static sw_resolver *resolver;
static char found[128];

static void take(void *context, const char *endpoint)
{
    assert_ptr_equal(context, found);
    snprintf(found, sizeof(found), "%s", endpoint == NULL ? "nothing" : endpoint);
}

static void turn(void)
{
    sw_error error;
    assert_int_equal(sw_loop_once(loop, 20, &error), SW_OK);
}

static const char *look_up(const char *endpoint)
{
    sw_broker_name name = {0};
    int64_t until = sw_now_ms() + 30000;
    found[0] = '\0';
    assert_true(sw_broker_name_start(&name, resolver, endpoint, take, found));
    while (found[0] == '\0') {
        assert_true(sw_now_ms() < until);
        turn();
    }
    assert_null(name.lookup);
    return found;
}

static void which_have_a_name(void **state)
{
    (void)state;
    assert_true(sw_broker_name_is("tcp://broker:5555"));
    assert_true(sw_broker_name_is("tcp://broker.example.org:1"));
    static const char *const none[] = {"ipc:///run/broker",     "ipc://@broker:1",
                                       "tcp://127.0.0.1:5555",  "tcp://[::1]:5555",
                                       "tcp://broker",          "tcp://broker:",
                                       "tcp://broker:0",        "tcp://broker:x",
                                       "tcp://broker:65536",    "tcp://:5555",
                                       "tcp://eth0;h:555",      "inproc://broker:1",
                                       "tcp://broker:5555,tcp", ""};
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        if (sw_broker_name_is(none[i]))
            fail_msg("%s has no name", none[i]);
}

static void a_name_becomes_an_address(void **state)
{
    (void)state;
    const char *endpoint = look_up("tcp://localhost:5555");
    assert_true(strcmp(endpoint, "tcp://127.0.0.1:5555") == 0 || strcmp(endpoint, "tcp://[::1]:5555") == 0);
    assert_string_equal(look_up("tcp://no name:5555"), "nothing");
}

/* Nothing is heard after it was given up, and the loop does not wait. */
static void a_silent_server(void **state)
{
    (void)state;
    sw_broker_name name = {0};
    int64_t until = sw_now_ms() + 30000;
    if (dns < 0)
        skip();
    found[0] = '\0';
    assert_true(sw_broker_name_start(&name, resolver, "tcp://broker.example:5555", take, found));
    while (!silent_dns_was_asked(dns)) {
        assert_true(sw_now_ms() < until);
        turn();
    }
    assert_non_null(name.lookup);
    sw_broker_name_cancel(&name);
    assert_null(name.lookup);
    turn();
    assert_string_equal(found, "");
}

static int set_up(void **state)
{
    (void)state;
    loop = sw_loop_new();
    resolver = sw_resolver_new(loop);
    return loop == NULL || resolver == NULL;
}

static int tear_down(void **state)
{
    (void)state;
    sw_resolver_destroy(&resolver);
    sw_loop_destroy(&loop);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(which_have_a_name),
                                       cmocka_unit_test(a_name_becomes_an_address),
                                       cmocka_unit_test(a_silent_server)};
    dns = silent_dns_start();
    return cmocka_run_group_tests_name("broker_name", tests, set_up, tear_down);
}

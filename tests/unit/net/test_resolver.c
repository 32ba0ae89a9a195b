/* Looking up names beside the loop: answers, failures, a silent server, and ends at any moment. */
#include "base/clock.h"
#include "net/resolver.h"
#include "silent_dns.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static int dns;
static sw_loop *loop;
static sw_resolver *resolver;
static sw_addresses found;
static int answers;

static void take(void *context, const sw_addresses *addresses)
{
    assert_ptr_equal(context, &found);
    found = *addresses;
    answers++;
}

static void turn(void)
{
    sw_error error;
    assert_int_equal(sw_loop_once(loop, 20, &error), SW_OK);
}

static void wait_answers(int count)
{
    int64_t until = sw_now_ms() + 30000;
    while (answers < count) {
        assert_true(sw_now_ms() < until);
        turn();
    }
    assert_int_equal(answers, count);
}

static void look_up(const char *host)
{
    assert_non_null(sw_resolver_start(resolver, host, take, &found));
}

static void answers_and_failures(void **state)
{
    (void)state;
    look_up("127.0.0.7");
    assert_int_equal(answers, 0); /* never from within the call */
    wait_answers(1);
    assert_int_equal(found.count, 1);
    assert_string_equal(found.text[0], "127.0.0.7");
    look_up("::1");
    wait_answers(2);
    assert_string_equal(found.text[0], "::1");
    look_up("no name");
    wait_answers(3);
    assert_int_equal(found.count, 0);
    assert_true(found.error[0] != '\0');
    char longest[400];
    memset(longest, 'a', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    assert_null(sw_resolver_start(resolver, longest, take, &found));
}

static void those_who_cancel_hear_nothing(void **state)
{
    (void)state;
    sw_name_lookup *one = sw_resolver_start(resolver, "127.0.0.1", take, &found);
    sw_name_lookup *other = sw_resolver_start(resolver, "127.0.0.1", take, &found);
    look_up("127.0.0.1");
    sw_name_lookup_cancel(&one);
    assert_null(one);
    wait_answers(2); /* of the other two */
    other = NULL;
    sw_name_lookup_cancel(&other);
}

static void another_round(void *context, const sw_addresses *addresses)
{
    assert_int_equal(addresses->count, 1);
    if (++answers < 5)
        assert_non_null(sw_resolver_start(resolver, "127.0.0.1", another_round, context));
}

static void an_answer_may_ask_again(void **state)
{
    (void)state;
    assert_non_null(sw_resolver_start(resolver, "127.0.0.1", another_round, NULL));
    int64_t until = sw_now_ms() + 30000;
    while (answers < 5) {
        assert_true(sw_now_ms() < until);
        turn();
    }
}

static void count_tick(void *context)
{
    (*(int *)context)++;
}

/* The loop goes on while nobody answers, other names are found, and the end does not wait. */
static void a_silent_server(void **state)
{
    (void)state;
    int ticks = 0;
    if (dns < 0)
        skip();
    sw_timer *timer = sw_loop_timer(loop, count_tick, &ticks);
    look_up("nobody.example");
    look_up("nobody.example"); /* shares the thread */
    int64_t until = sw_now_ms() + 30000;
    while (!silent_dns_was_asked(dns)) {
        assert_true(sw_now_ms() < until);
        turn();
    }
    look_up("127.0.0.1");
    wait_answers(1);
    for (int rounds = 0; rounds < 20; rounds++) {
        sw_timer_start(timer, sw_now_ms());
        turn();
    }
    assert_int_equal(ticks, 20);
    assert_int_equal(answers, 1);
    char name[32];
    for (int i = 1; i < SW_RESOLVER_THREADS; i++) {
        snprintf(name, sizeof(name), "nobody-%d.example", i);
        look_up(name);
    }
    assert_null(sw_resolver_start(resolver, "one-more.example", take, &found));
    sw_timer_destroy(&timer);
}

static int set_up(void **state)
{
    (void)state;
    answers = 0;
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(answers_and_failures, set_up, tear_down),
        cmocka_unit_test_setup_teardown(those_who_cancel_hear_nothing, set_up, tear_down),
        cmocka_unit_test_setup_teardown(an_answer_may_ask_again, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_silent_server, set_up, tear_down),
    };
    dns = silent_dns_start();
    return cmocka_run_group_tests_name("resolver", tests, NULL, NULL);
}

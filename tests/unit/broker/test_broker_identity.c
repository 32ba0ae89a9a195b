/* Identities: their verdicts over time, the topics they may read, and when they are forgotten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "broker/auth/identity.h"
#include <stdio.h>
#include <string.h>

#define S 1000000

static sw_identities all;

static int open_all(void **state)
{
    (void)state;
    sw_identities_init(&all, 4711);
    return 0;
}

static int close_all(void **state)
{
    (void)state;
    sw_identities_clear(&all);
    return 0;
}

static sw_identity_report good(const char *user)
{
    return (sw_identity_report){
        .user = sw_view_of(user), .admin = true, .until_us = 60 * S, .expires_us = SW_NEVER};
}

static void test_verdict(void **state)
{
    (void)state;
    sw_identity *key = sw_identities_find_or_add(&all, SW_VIEW("k"), false, 0);
    assert_int_equal(sw_identity_verdict(key, 0), SW_VERDICT_NONE);
    sw_identity_report report = good("ann@a.example");
    sw_identity_update(key, &report, S);
    assert_int_equal(sw_identity_verdict(key, 2 * S), SW_VERDICT_GOOD);
    assert_true(key->admin);
    assert_string_equal(key->user, "ann@a.example");
    /* it was not confirmed */
    assert_int_equal(sw_identity_verdict(key, 60 * S), SW_VERDICT_NONE);
    sw_identity_update(key, &report, 50 * S);
    report.reason = SW_VIEW("this key was revoked");
    sw_identity_update(key, &report, 55 * S);
    assert_int_equal(sw_identity_verdict(key, 56 * S), SW_VERDICT_REFUSED);
    assert_int_equal(sw_identity_verdict(key, 600 * S),
                     SW_VERDICT_REFUSED); /* a refusal does not end by itself */
    assert_false(key->admin);
    sw_identity_update(key, &report, 58 * S);
    assert_int_equal(key->refused_us, 55 * S);
}

static void test_expiry(void **state)
{
    (void)state;
    sw_identity *key = sw_identities_find_or_add(&all, SW_VIEW("k"), false, 0);
    sw_identity_report report = good("ann@a.example");
    report.expires_us = 10 * S;
    sw_identity_update(key, &report, S);
    assert_int_equal(sw_identity_verdict(key, 10 * S - 1), SW_VERDICT_GOOD);
    assert_int_equal(sw_identity_verdict(key, 10 * S), SW_VERDICT_REFUSED);
    assert_non_null(strstr(key->reason, "expired"));
}

/* Whatever the service says, an empty or reserved user name is refused. */
static void test_names(void **state)
{
    (void)state;
    char longest[300];
    memset(longest, 'x', sizeof(longest) - 1);
    longest[sizeof(longest) - 1] = '\0';
    const char *const bad[] = {"", "@broker", longest};
    sw_identity *key = sw_identities_find_or_add(&all, SW_VIEW("k"), false, 0);
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        sw_identity_report report = good(bad[i]);
        sw_identity_update(key, &report, S);
        assert_int_equal(sw_identity_verdict(key, S), SW_VERDICT_REFUSED);
    }
    sw_identity_report report = good("a@a");
    report.reason = sw_view_of(longest);
    sw_identity_update(key, &report, S);
    assert_int_equal(strlen(key->reason), SW_REASON_MAX);
    assert_null(sw_identities_find_or_add(&all, sw_view_of(longest), true, 0));
    assert_null(sw_identities_find_or_add(&all, SW_VIEW(""), false, 0));
    /* A user and a key of the same name are two identities. */
    assert_ptr_not_equal(sw_identities_find_or_add(&all, SW_VIEW("k"), true, 0), key);
    assert_ptr_equal(sw_identities_find_or_add(&all, SW_VIEW("k"), false, 0), key);
}

static void test_many(void **state)
{
    (void)state;
    char name[16];
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof(name), "key-%d", i);
        sw_identity *key = sw_identities_find_or_add(&all, sw_view_of(name), false, 0);
        sw_identity_ask(&all, key);
        sw_identity_ask(&all, key); /* once is enough */
    }
    int due = 0;
    for (sw_identity *key; (key = sw_identity_next_due(&all)) != NULL; due++) {
        snprintf(name, sizeof(name), "key-%d", due);
        assert_string_equal(key->name, name); /* in order */
    }
    assert_int_equal(due, 1000);
    uint32_t at = 0;
    int odd = 0;
    for (sw_identity *key; (key = sw_identities_next(&all, &at)) != NULL; odd++)
        if (odd % 2 == 1)
            sw_identities_forget(&all, key);
    assert_int_equal(odd, 1000);
    assert_non_null(sw_identities_find(&all, SW_VIEW("key-0"), false));
    assert_null(sw_identities_find(&all, SW_VIEW("key-1"), false));
    assert_int_equal(all.slab.used, 500);
}

static bool may_read(const sw_identity *identity, const char *project)
{
    return sw_identity_may_read(identity, sw_view_of(project));
}

static void test_projects(void **state)
{
    (void)state;
    char *projects[] = {(char *)"website:c", (char *)"website:a", (char *)"website:ab"};
    sw_identity *user = sw_identities_find_or_add(&all, SW_VIEW("u"), true, 0);
    sw_identity_report report = {.user = SW_VIEW("u"), .until_us = 60 * S, .expires_us = SW_NEVER};
    assert_false(sw_identity_may_subscribe(user, S));
    sw_identity_update(user, &report, S);
    assert_false(sw_identity_may_subscribe(user, S)); /* its projects are unknown */
    report.has_projects = true;
    report.projects = projects;
    report.project_count = 3;
    sw_identity_update(user, &report, S);
    assert_true(sw_identity_may_subscribe(user, S));
    assert_true(may_read(user, "website:a") && may_read(user, "website:ab") && may_read(user, "website:c"));
    static const char *const others[] = {"", "website", "website:", "website:b", "website:abc", "website:d"};
    for (size_t i = 0; i < sizeof(others) / sizeof(others[0]); i++)
        assert_false(may_read(user, others[i]));
    assert_true(sw_identity_may_read(user, (sw_view){"website:abc", 10})); /* not NUL-terminated */

    uint32_t before = user->rights;
    sw_identity_update(user, &report, 2 * S);
    assert_int_equal(user->rights, before); /* nothing has changed */
    report.projects = projects + 1;
    report.project_count = 2;
    sw_identity_update(user, &report, 3 * S);
    assert_int_not_equal(user->rights, before);
    assert_false(may_read(user, "website:c"));
    before = user->rights;
    report.reads_everything = true;
    sw_identity_update(user, &report, 3 * S);
    assert_int_not_equal(user->rights, before);
    assert_true(may_read(user, "website:z"));
    before = user->rights;
    report.reads_everything = false;
    sw_identity_update(user, &report, 3 * S);
    assert_int_not_equal(user->rights, before);
    assert_false(may_read(user, "website:z"));
    before = user->rights;
    report.admin = true;
    report.project_count = 0;
    sw_identity_update(user, &report, 4 * S);
    assert_int_not_equal(user->rights, before);
    assert_true(may_read(user, "website:c") && may_read(user, "anything"));
    assert_false(sw_identity_may_subscribe(user, 61 * S));
    report.until_us = 120 * S;
    report.has_projects = false; /* the call did not ask for them */
    before = user->rights;
    sw_identity_update(user, &report, 62 * S);
    assert_false(sw_identity_may_subscribe(user, 62 * S));
    assert_int_equal(user->rights, before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_verdict, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_projects, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_expiry, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_names, open_all, close_all),
        cmocka_unit_test_setup_teardown(test_many, open_all, close_all),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

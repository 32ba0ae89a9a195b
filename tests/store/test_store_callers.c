/* On whose behalf statements run: many callers on the same connections, some refused, some
 * failing. */
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

static const sw_query queries[] = {
    {.service = &sw__referential__descriptor,
     .method = "FindVersions",
     .requires = SW_REQUIRES_PROFILE,
     .point = true, /* callers share transactions */
     .sql = "SELECT current_setting('sitewire.user', true) AS type, (SELECT count(*) FROM "
            "referential.website)::text AS code,"
            " CASE WHEN :type = 'fail' THEN sitewire.fail('SW002', 'code', 'bad') END AS version"},
    {0},
};

static const struct caller {
    const char *name;
    sw_code code;
    const char *sees; /* of two websites */
} callers[] = {
    {"admin@localhost", SW_OK, "2"},
    {"ann@x.org", SW_OK, "1"},
    {"bob@x.org", SW_OK, "0"},
    {"eve@x.org", SW_PERMISSION_DENIED, NULL},
    {"who@x.org", SW_UNAUTHENTICATED, NULL},
    {"", SW_UNAUTHENTICATED, NULL},
};
#define CALLERS (sizeof(callers) / sizeof(*callers))

static void ask(test_call *call, const char *caller, const char *type)
{
    Sw__FindVersionsRequest request = SW__FIND_VERSIONS_REQUEST__INIT;
    request.type = (char *)type;
    test.caller = caller;
    test_store_start(&test, call, "FindVersions", &request.base, NULL, 0);
    test.caller = NULL;
}

static void check(test_call *call, const struct caller *caller, bool fails)
{
    test_store_end(&test, call);
    if (fails && caller->code == SW_OK) {
        assert_int_equal(call->error.code, SW_INVALID_ARGUMENT);
    } else {
        assert_int_equal(call->error.code, caller->code);
    }
    if (call->error.code == SW_OK) {
        const Sw__FindVersionsResponse *reply = (const Sw__FindVersionsResponse *)call->reply;
        assert_string_equal(reply->items[0]->type, caller->name);
        assert_string_equal(reply->items[0]->code, caller->sees);
    }
    test_call_clear(call);
}

/* Whatever is under way, nobody's statement runs as another's: not behind a refusal, nor behind a
 * failure that undid who had entered. */
static void nobody_is_mistaken(void **state)
{
    (void)state;
    enum { ROUNDS = 40, TIMES = 100 };
    static test_call calls[TIMES];
    int who[TIMES];
    bool fails[TIMES];
    srand(7);
    for (int round = 0; round < ROUNDS; round++) {
        for (int i = 0; i < TIMES; i++) {
            /* Runs of the same caller in some rounds, all mixed in others. */
            who[i] = round % 2 && i % 10 ? who[i - 1] : rand() % (int)CALLERS;
            fails[i] = rand() % 8 == 0;
            ask(&calls[i], callers[who[i]].name, fails[i] ? "fail" : "");
            if (rand() % 4 == 0)
                test_store_turn(&test);
        }
        for (int i = 0; i < TIMES; i++)
            check(&calls[i], &callers[who[i]], fails[i]);
    }
}

/* Soon, although the session knows the caller. */
static void inactive_users_are_refused(void **state)
{
    (void)state;
    test_call call;
    ask(&call, "ann@x.org", "");
    check(&call, &callers[1], false);
    db_run(test.conn, "UPDATE users.\"user\" SET active = false WHERE email = 'ann@x.org'");
    int64_t since = sw_now_ms();
    do {
        ask(&call, "ann@x.org", "");
        test_store_end(&test, &call);
        test_call_clear(&call);
        assert_true(sw_now_ms() - since < 10000);
    } while (call.error.code == SW_OK);
    assert_int_equal(call.error.code, SW_UNAUTHENTICATED);
    assert_string_equal(call.error.message, "the user ann@x.org is not active");
    db_run(test.conn, "UPDATE users.\"user\" SET active = true WHERE email = 'ann@x.org'");
    ask(&call, "ann@x.org", "");
    check(&call, &callers[1], false);
}

/* Changes: refused with the reason, at once. */
static void changes(void **state)
{
    (void)state;
    Sw__Website website = SW__WEBSITE__INIT;
    Sw__UpdateWebsiteRequest request = SW__UPDATE_WEBSITE_REQUEST__INIT;
    website.code = (char *)"mine";
    website.name = (char *)"new";
    request.website = &website;
    request.has_validate_only = true;
    static const struct {
        const char *caller, *code;
        sw_code expected;
    } cases[] = {
        {"ann@x.org", "mine", SW_OK},         {"ann@x.org", "theirs", SW_NOT_FOUND},
        {"bob@x.org", "mine", SW_NOT_FOUND},  {"eve@x.org", "mine", SW_PERMISSION_DENIED},
        {"admin@localhost", "theirs", SW_OK}, {"", "mine", SW_UNAUTHENTICATED},
    };
    for (int with = 0; with < 4; with++)
        for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
            char id[32];
            snprintf(id, sizeof(id), "change-%d-%zu", with, i);
            website.code = (char *)cases[i].code;
            request.validate_only = with & 1;
            test.caller = cases[i].caller;
            test_store_call(&test, "UpdateWebsite", &request.base, with & 2 ? id : NULL);
            assert_int_equal(test_store_last()->error.code, cases[i].expected);
        }
    /* What one may not insert, one may still update. */
    request.has_allow_missing = request.allow_missing = true;
    request.validate_only = false;
    website.code = (char *)"mine";
    test.caller = "ann@x.org";
    assert_non_null(test_store_call(&test, "UpdateWebsite", &request.base, NULL));
    website.code = (char *)"missing";
    assert_null(test_store_call(&test, "UpdateWebsite", &request.base, NULL));
    assert_int_equal(test_store_last()->error.code, SW_PERMISSION_DENIED);
    assert_string_equal(test_store_last()->error.message,
                        "ann@x.org may not create this Website: only admins may");
    /* Another's record answers nobody else. */
    request.allow_missing = false;
    website.code = (char *)"mine";
    assert_non_null(test_store_call(&test, "UpdateWebsite", &request.base, "the-same"));
    test.caller = "admin@localhost";
    assert_null(test_store_call(&test, "UpdateWebsite", &request.base, "the-same"));
    test.caller = NULL;
}

static int open_store(void **state)
{
    (void)state;
    test_store_open(&test, "callers", queries);
    db_run(test.conn, "INSERT INTO referential.website (code) VALUES ('mine'), ('theirs');"
                      "INSERT INTO users.\"user\" (email) VALUES ('ann@x.org'), ('bob@x.org'), ('eve@x.org');"
                      "INSERT INTO users.role (code, permissions) VALUES ('Blind', '{approve}');"
                      "INSERT INTO users.access_right VALUES ('website:mine', 'ann@x.org', 'Owner'), "
                      "('website:mine', 'bob@x.org', 'Blind')");
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
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(nobody_is_mistaken),
        cmocka_unit_test(inactive_users_are_refused),
        cmocka_unit_test(changes),
    };
    return cmocka_run_group_tests(tests, open_store, close_store);
}

/* Methods with hooks: begin, look, middle, statement, end, each with what the one before left;
 * failures of each end the call. */
#include "base/error.h"
#include "db.h"
#include "store_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <string.h>

static test_store test;
static int context; /* counts hooks */

#define INNER(hook) ((Sw__Website *)(hook)->inner)

/* The request says in `version` which hook fails. */
static sw_code run(const sw_hook_context *hook, const char *name, sw_error *error)
{
    const Sw__FindVersionsRequest *request = (const Sw__FindVersionsRequest *)hook->request;
    assert_ptr_equal(hook->context, &context);
    assert_ptr_equal(hook->inner->descriptor, &sw__website__descriptor);
    context++;
    return request->version && strcmp(request->version, name) == 0
               ? sw_fail_field(error, SW_FAILED_PRECONDITION, "version", "%s says no", name)
               : SW_OK;
}

static sw_code begin(const sw_hook_context *hook, sw_error *error)
{
    assert_null(INNER(hook)->code);
    INNER(hook)->code = (char *)"one";
    return run(hook, "begin", error);
}

/* Between: what was looked up is there, and outlives the look. */
static sw_code middle(const sw_hook_context *hook, sw_error *error)
{
    assert_string_equal(INNER(hook)->code, "one");
    assert_string_equal(INNER(hook)->name, "First");
    INNER(hook)->organization = sw_arena_printf(hook->arena, "<%s>", INNER(hook)->name);
    return run(hook, "middle", error);
}

static sw_code end(const sw_hook_context *hook, sw_error *error)
{
    Sw__FindVersionsResponse *reply = (Sw__FindVersionsResponse *)hook->reply;
    Sw__VersionFound *version = sw_arena_alloc(hook->arena, sizeof(*version));
    Sw__VersionFound **list = sw_arena_alloc(hook->arena, sizeof(*list));
    sw__version_found__init(version);
    version->code = INNER(hook)->home_directory;
    list[0] = version;
    reply->items = list;
    reply->n_items = 1;
    return run(hook, "end", error);
}

static const sw_query queries[] = {
    {.service = &sw__referential__descriptor,
     .method = "FindVersions",
     .lookup = "SELECT w.name FROM referential.website w WHERE w.code = :code AND :type <> 'absent'",
     .sql = "SELECT concat_ws(' ', :code::text, :name::text, :organization::text, :type::text, "
            "CASE WHEN :type = 'fail' THEN sitewire.fail('SW002', 'code', 'bad') END) AS home_directory "
            "WHERE :type <> 'nothing'",
     .writes = true,
     .secret = true,
     .inner = &sw__website__descriptor,
     .begin = begin,
     .middle = middle,
     .end = end},
    {0},
};

static const Sw__FindVersionsResponse *ask(const char *type, const char *version)
{
    Sw__FindVersionsRequest request = SW__FIND_VERSIONS_REQUEST__INIT;
    request.type = (char *)type;
    request.code = (char *)"of the request"; /* the inner message has a field of that name, which counts */
    request.version = (char *)version;
    context = 0;
    return test_store_call(&test, "FindVersions", &request.base, NULL);
}

static void in_order(void **state)
{
    (void)state;
    for (int i = 0; i < 20; i++) { /* memory of calls is used again */
        const Sw__FindVersionsResponse *reply = ask("kind", NULL);
        assert_non_null(reply);
        assert_int_equal(context, 3);
        assert_string_equal(reply->items[0]->code, "one First <First> kind");
    }
}

static void failures(void **state)
{
    (void)state;
    static const char *const hooks[] = {"begin", "middle", "end"};
    for (int i = 0; i < 3; i++) {
        assert_null(ask("kind", hooks[i]));
        test_store_failed(SW_FAILED_PRECONDITION, "version", hooks[i]);
        assert_int_equal(context, i + 1);
    }
    assert_null(ask("absent", NULL)); /* nothing to be seen: the statement does not run */
    test_store_failed(SW_NOT_FOUND, NULL, NULL);
    assert_int_equal(context, 1);
    assert_null(ask("nothing", NULL));
    test_store_failed(SW_NOT_FOUND, NULL, NULL);
    assert_int_equal(context, 2);
    assert_null(ask("fail", NULL));
    test_store_failed(SW_INVALID_ARGUMENT, "code", "bad");
    assert_non_null(ask("kind", NULL));
}

/* Cancelled or out of time at any point, nothing is left behind (the sanitizers look on). */
static void cancelled(void **state)
{
    (void)state;
    Sw__FindVersionsRequest request = SW__FIND_VERSIONS_REQUEST__INIT;
    request.type = (char *)"kind";
    for (int i = 0; i < 200; i++) {
        test_call call;
        test_store_start(&test, &call, "FindVersions", &request.base, NULL, 0);
        for (int turn = 0; turn < i % 4 && !call.ended; turn++)
            test_store_turn(&test);
        if (!call.ended)
            test_store_cancel(&test, &call);
        test_store_end(&test, &call);
        assert_true(call.error.code == SW_OK || call.error.code == SW_CANCELLED);
        test_call_clear(&call);
    }
}

int main(void)
{
    test.hook_context = &context;
    test_store_open(&test, "hooks", queries);
    db_run(test.conn, "INSERT INTO referential.website (code, name) VALUES ('one', 'First')");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(in_order),
        cmocka_unit_test(failures),
        cmocka_unit_test(cancelled),
    };
    int failed = cmocka_run_group_tests(tests, NULL, NULL);
    test_store_close(&test);
    return failed;
}

/* request_id: a mutation takes effect once, whoever repeats it and when. */
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

static const Sw__Website *create(const char *code, const char *request_id)
{
    Sw__Website website = SW__WEBSITE__INIT;
    Sw__CreateWebsiteRequest request = SW__CREATE_WEBSITE_REQUEST__INIT;
    website.code = (char *)code;
    request.website = &website;
    return test_store_call(&test, "CreateWebsite", &request.base, request_id);
}

static void replays(void **state)
{
    (void)state;
    const Sw__Website *made = create("one", "id-1");
    assert_non_null(made);
    assert_false(test_store_last()->replayed);
    made = create("one", "id-1");
    assert_non_null(made);
    assert_true(test_store_last()->replayed);
    assert_string_equal(test_store_last()->outcome, "created");
    assert_string_equal(made->code, "one");
    assert_int_equal(made->revision, 1);
    assert_non_null(made->created_at);
    db_run(test.conn, "UPDATE referential.website SET name = 'later' WHERE code = 'one'");
    made = create("one", "id-1"); /* the answer of then */
    assert_non_null(made);
    assert_string_equal(made->name, "");
    assert_null(create("one", "id-2"));
    test_store_failed(SW_ALREADY_EXISTS, "website.code", NULL);
    assert_null(create("two", "id-1"));
    test_store_failed(SW_INVALID_ARGUMENT, "request_id", "different request");
    assert_string_equal(db_rows(test.conn, "SELECT count(*) FROM referential.website WHERE code = 'two'"),
                        "0");
    assert_null(create("no good!", "id-3")); /* a failure leaves no record */
    test_store_failed(SW_INVALID_ARGUMENT, "website.code", NULL);
    assert_non_null(create("good", "id-3"));
}

/* Too long for an index once it is random enough; the bound is the protocol's. */
static void long_id(void **state)
{
    (void)state;
    char id[5001];
    unsigned seed = 1;
    for (size_t i = 0; i < sizeof(id) - 1; i++) {
        seed = seed * 1103515245 + 12345;
        id[i] = (char)('!' + (seed >> 16) % 90);
    }
    id[sizeof(id) - 1] = '\0';
    assert_null(create("long", id));
    test_store_failed(SW_INVALID_ARGUMENT, "request_id", "128");
    id[128] = '\0';
    assert_non_null(create("long", id));
}

static void replays_of_each_verb(void **state)
{
    (void)state;
    assert_non_null(create("v", NULL));
    Sw__Website website = SW__WEBSITE__INIT;
    Sw__UpdateWebsiteRequest update = SW__UPDATE_WEBSITE_REQUEST__INIT;
    website.code = "v";
    website.name = "changed";
    website.has_revision = 1;
    website.revision = 1;
    update.website = &website;
    for (int i = 0; i < 2; i++) {
        const Sw__Website *changed = test_store_call(&test, "UpdateWebsite", &update.base, "v-update");
        assert_non_null(changed); /* though the revision fits no more the second time */
        assert_int_equal(changed->revision, 2);
        assert_int_equal(test_store_last()->replayed, i);
        assert_string_equal(test_store_last()->outcome, "updated");
    }
    Sw__RenameWebsiteRequest rename = SW__RENAME_WEBSITE_REQUEST__INIT;
    rename.code = "v";
    rename.new_code = "v2";
    for (int i = 0; i < 2; i++) {
        const Sw__Website *renamed = test_store_call(&test, "RenameWebsite", &rename.base, "v-rename");
        assert_non_null(renamed);
        assert_string_equal(renamed->code, "v2");
        assert_int_equal(test_store_last()->replayed, i);
    }
    Sw__DeleteWebsiteRequest delete = SW__DELETE_WEBSITE_REQUEST__INIT;
    delete.code = "v2";
    for (int i = 0; i < 2; i++) {
        assert_non_null(test_store_call(&test, "DeleteWebsite", &delete.base, "v-delete"));
        assert_int_equal(test_store_last()->replayed, i);
    }
    assert_null(test_store_call(&test, "DeleteWebsite", &delete.base, "v-delete-2"));
    test_store_failed(SW_NOT_FOUND, NULL, "v2");
}

/* The same request many times at once: each gets the answer, one row is made. */
static void simultaneous(void **state)
{
    (void)state;
    enum { TIMES = 40 };
    static test_call calls[TIMES];
    for (int round = 0; round < 10; round++) {
        char code[32], id[32], sql[128];
        Sw__Website website = SW__WEBSITE__INIT;
        Sw__UpdateWebsiteRequest request = SW__UPDATE_WEBSITE_REQUEST__INIT;
        snprintf(code, sizeof(code), "same%d", round / 2);
        snprintf(id, sizeof(id), "same-%d", round);
        website.code = code;
        website.name = id;
        request.website = &website;
        request.has_allow_missing = request.allow_missing = 1;
        int replayed = 0;
        for (int i = 0; i < TIMES; i++)
            test_store_start(&test, &calls[i], "UpdateWebsite", &request.base, id, 0);
        for (int i = 0; i < TIMES; i++) {
            test_store_end(&test, &calls[i]);
            if (calls[i].error.code != SW_OK)
                fail_msg("%s: %s", sw_code_name(calls[i].error.code), calls[i].error.message);
            assert_int_equal(((Sw__Website *)calls[i].reply)->revision, round % 2 + 1);
            replayed += calls[i].replayed;
            test_call_clear(&calls[i]);
        }
        assert_int_equal(replayed, TIMES - 1);
        snprintf(sql, sizeof(sql), "SELECT revision FROM referential.website WHERE code = '%s'", code);
        assert_string_equal(db_rows(test.conn, sql), round % 2 ? "2" : "1");
    }
}

/* Connections break again and again under a stream of creates that are repeated by request_id
 * inside the store:
 * each ends well or UNAVAILABLE, repeating those leaves each row once. */
static void losses(void **state)
{
    (void)state;
    enum { TIMES = 300 };
    static test_call calls[TIMES];
    static char codes[TIMES][16];
    for (int i = 0; i < TIMES; i++) {
        Sw__Website website = SW__WEBSITE__INIT;
        Sw__CreateWebsiteRequest request = SW__CREATE_WEBSITE_REQUEST__INIT;
        snprintf(codes[i], sizeof(codes[i]), "loss%d", i);
        website.code = codes[i];
        request.website = &website;
        test_store_start(&test, &calls[i], "CreateWebsite", &request.base, codes[i], 0);
        test_store_turn(&test);
        if (i % 20 == 10)
            db_run(test.conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                              "WHERE pid <> pg_backend_pid() AND application_name = 'sitewire'");
    }
    for (int i = 0; i < TIMES; i++) {
        test_store_end(&test, &calls[i]);
        sw_code code = calls[i].error.code;
        if (code != SW_OK && code != SW_UNAVAILABLE)
            fail_msg("%s: %s", sw_code_name(code), calls[i].error.message);
        test_call_clear(&calls[i]);
        if (code == SW_UNAVAILABLE)
            assert_non_null(create(codes[i], codes[i]));
    }
    assert_string_equal(db_rows(test.conn, "SELECT count(*), sum(revision) FROM referential.website "
                                           "WHERE code ~ '^loss'"),
                        "300|300");
}

static void pruning(void **state)
{
    (void)state;
    db_run(test.conn, "INSERT INTO sitewire.request (request_id, method, request_hash, at) "
                      "SELECT 'old' || i, '/sitewire.referential.v1.Referential/UpdateWebsite', '', now() - "
                      "interval '25 hours' FROM generate_series(1, 6000) i");
    db_run(test.conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                      "WHERE pid <> pg_backend_pid() AND application_name = 'sitewire'");
    for (int i = 0; i < 500; i++) { /* coming up again looks after them */
        test_store_turn(&test);
        if (strcmp(db_rows(test.conn, "SELECT count(*) FROM sitewire.request WHERE request_id ~ '^old'"),
                   "0") == 0)
            return;
    }
    fail_msg("old records stay");
}

static int open_store(void **state)
{
    (void)state;
    test_store_open(&test, "requests", NULL);
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
        cmocka_unit_test(replays),      cmocka_unit_test(replays_of_each_verb),
        cmocka_unit_test(simultaneous), cmocka_unit_test(losses),
        cmocka_unit_test(pruning),      cmocka_unit_test(long_id),
    };
    return cmocka_run_group_tests(tests, open_store, close_store);
}

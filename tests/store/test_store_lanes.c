/* The connections: loss of PostgreSQL, neighbours that fail, cancellation, schemas that do not fit,
 * queries. */
#include "base/clock.h"
#include "db.h"
#include "pg.h"
#include "store/pg/migrate.h"
#include "store_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static test_store test;

/* Stand-ins for real questions, which are slow or fail as their arguments say. */
static const sw_query queries[] = {
    {.service = &sw__referential__descriptor,
     .method = "FindVersions",
     .point = true, /* on the lanes for reads, where statements share syncs */
     .sql =
         "-- it's a comment with :nothing\n"
         "SELECT ':nothing' AS type, :code::text AS code, :version AS version, $x$:nothing$x$ AS docroot,\n"
         "       CASE WHEN :type = 'slow' THEN pg_sleep(:code::float)::text\n"
         "            WHEN :type = 'prepared' THEN (SELECT count(*)::text FROM pg_prepared_statements)\n"
         "            WHEN :type = 'fail' THEN sitewire.fail('SW002', 'code', 'bad code')\n"
         "            WHEN :type = 'divide' THEN (1 / (length(:code) - 1))::text END AS environment /* "
         ":nothing "
         "*/"},
    {0},
};

static void start(test_call *call, const char *type, const char *code, uint32_t timeout_ms)
{
    Sw__FindVersionsRequest request = SW__FIND_VERSIONS_REQUEST__INIT;
    request.type = (char *)type;
    request.code = (char *)code;
    test_store_start(&test, call, "FindVersions", &request.base, NULL, timeout_ms);
}

static void a_query(void **state)
{
    (void)state;
    test_call call;
    start(&call, "", "x", 0);
    test_store_end(&test, &call);
    assert_int_equal(call.error.code, SW_OK);
    const Sw__FindVersionsResponse *reply = (const Sw__FindVersionsResponse *)call.reply;
    assert_int_equal(reply->n_items, 1);
    assert_string_equal(reply->items[0]->type, ":nothing");
    assert_string_equal(reply->items[0]->code, "x");
    assert_null(reply->items[0]->version);
    test_call_clear(&call);
    start(&call, "fail", "x", 0);
    test_store_end(&test, &call);
    assert_int_equal(call.error.code, SW_INVALID_ARGUMENT);
    assert_string_equal(call.error.field, "code");
    assert_string_equal(call.error.message, "bad code");
}

/* Reads share syncs: the ones beside a failing one are answered all the same. */
static void failing_neighbours(void **state)
{
    (void)state;
    enum { TIMES = 200 };
    static test_call calls[TIMES];
    for (int i = 0; i < TIMES; i++)
        start(&calls[i], i % 3 ? "divide" : "", i % 3 == 1 ? "x" : "xyz", 0);
    for (int i = 0; i < TIMES; i++) {
        test_store_end(&test, &calls[i]);
        assert_int_equal(calls[i].error.code, i % 3 == 1 ? SW_INVALID_ARGUMENT : SW_OK);
        test_call_clear(&calls[i]);
    }
}

static const char *sleeping(void)
{
    return db_rows(test.conn, "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'PgSleep'");
}

static void wait_sleeping(const char *count)
{
    int64_t until = sw_now_ms() + 20000;
    while (strcmp(sleeping(), count) != 0) {
        assert_true(sw_now_ms() < until);
        test_store_turn(&test);
    }
}

/* A call that is cancelled or late ends at once, its SQL soon, and the calls behind it are
 * served. */
static void cancelled(void **state)
{
    (void)state;
    test_call slow[2], late[2], behind[20];
    for (int i = 0; i < 2; i++) { /* one on each read lane */
        start(&slow[i], "slow", "60", 0);
        test_store_turn(&test);
    }
    wait_sleeping("2");
    for (int i = 0; i < 20; i++)
        start(&behind[i], "", "x", 0);
    int64_t before = sw_now_ms();
    for (int i = 0; i < 2; i++) {
        test_store_cancel(&test, &slow[i]);
        test_store_end(&test, &slow[i]);
        assert_int_equal(slow[i].error.code, SW_CANCELLED);
    }
    for (int i = 0; i < 20; i++) {
        test_store_end(&test, &behind[i]);
        assert_int_equal(behind[i].error.code, SW_OK);
        test_call_clear(&behind[i]);
    }
    assert_string_equal(sleeping(), "0");
    for (int i = 0; i < 2; i++)
        start(&late[i], "slow", "60", 1500);
    for (int i = 0; i < 2; i++) {
        test_store_end(&test, &late[i]);
        assert_int_equal(late[i].error.code, SW_DEADLINE_EXCEEDED);
        assert_in_range(late[i].sql_us, 100000, 30000000); /* where its time went */
    }
    wait_sleeping("0");
    assert_true(sw_now_ms() - before < 30000); /* sooner than the 60 s that the SQL would take */
}

/* PostgreSQL is killed and comes back: calls are answered within their time, serving ends and
 * resumes by itself. */
static void crash(void **state)
{
    (void)state;
    test_call flying, parked;
    start(&flying, "slow", "60", 3000);
    test_store_turn(&test);
    wait_sleeping("1");
    PQfinish(test.conn);
    test.conn = NULL;
    assert_true(pg_fixture_crash());
    test_store_wait(&test, false);
    assert_non_null(strstr(test.reason, "no connection"));
    start(&parked, "", "x", 0);
    test_store_end(&test, &parked); /* while there is no database */
    assert_int_equal(parked.error.code, SW_UNAVAILABLE);
    test_store_end(&test, &flying);
    assert_true(flying.error.code == SW_UNAVAILABLE || flying.error.code == SW_DEADLINE_EXCEEDED);
    assert_true(pg_fixture_restart());
    test_store_wait(&test, true);
    test.conn = db_open(test.conninfo);
    start(&parked, "", "x", 0);
    test_store_end(&test, &parked);
    assert_int_equal(parked.error.code, SW_OK);
    test_call_clear(&parked);
}

/* A change that was sent when PostgreSQL went, and cannot be sent again as it stays away, may have
 * been committed. */
static void change_lost(void **state)
{
    (void)state;
    Sw__Website website = SW__WEBSITE__INIT;
    Sw__UpdateWebsiteRequest request = SW__UPDATE_WEBSITE_REQUEST__INIT;
    test_call unavailable, dropped;
    website.code = "lost";
    website.name = "new";
    request.website = &website;
    db_run(test.conn, "INSERT INTO referential.website (code) VALUES ('lost')");
    db_run(test.conn, "BEGIN; UPDATE referential.website SET live = true WHERE code = 'lost'");
    test_store_start(&test, &unavailable, "UpdateWebsite", &request.base, "lost-1", 0);
    test_store_start(&test, &dropped, "UpdateWebsite", &request.base, "lost-2", 0);
    int64_t until = sw_now_ms() + 10000;
    while (strcmp(db_rows(test.conn, "SELECT count(*) FROM pg_locks WHERE NOT granted"), "1") != 0) {
        assert_true(sw_now_ms() < until);
        test_store_turn(&test);
    }
    assert_true(pg_fixture_crash());
    PQfinish(test.conn); /* not before: it holds the lock that keeps the changes waiting */
    test.conn = NULL;
    test_store_wait(&test, false);
    test_store_turn(&test);
    test_store_cancel(&test, &dropped);
    test_store_end(&test, &dropped);
    test_store_end(&test, &unavailable);
    assert_true(pg_fixture_restart());
    test_store_wait(&test, true);
    test.conn = db_open(test.conninfo);
    assert_int_equal(dropped.error.code, SW_CANCELLED);
    assert_false(dropped.error.retry_safe);
    assert_int_equal(unavailable.error.code, SW_UNAVAILABLE);
    assert_false(unavailable.error.retry_safe);
    assert_non_null(strstr(unavailable.error.message, "may have taken effect"));
}

/* Changes at once: those of other rows share transactions, dry runs and refused ones leave their
 * neighbours alone. */
static void changes_together(void **state)
{
    (void)state;
    enum { TIMES = 400 };
    static test_call calls[TIMES];
    for (int i = 0; i < TIMES; i++) {
        char code[32];
        Sw__Website website = SW__WEBSITE__INIT;
        Sw__CreateWebsiteRequest request = SW__CREATE_WEBSITE_REQUEST__INIT;
        snprintf(code, sizeof(code), i % 8 == 5 ? "no good %d!" : "together-%d", i);
        website.code = code;
        request.website = &website;
        request.has_validate_only = request.validate_only = i % 4 == 2;
        test_store_start(&test, &calls[i], "CreateWebsite", &request.base, NULL, 0);
    }
    for (int i = 0; i < TIMES; i++) {
        test_store_end(&test, &calls[i]);
        assert_int_equal(calls[i].error.code, i % 8 == 5 ? SW_INVALID_ARGUMENT : SW_OK);
        test_call_clear(&calls[i]);
    }
    assert_string_equal(
        db_rows(test.conn, "SELECT count(*) FROM referential.website WHERE code LIKE 'together-%'"), "250");
}

/* The same rows from both ends, many times: in transactions of several rows each, changes would
 * wait for each other in a circle. */
static void same_rows_at_once(void **state)
{
    (void)state;
    enum { ROWS = 40, ROUNDS = 20 };
    static test_call calls[ROUNDS][ROWS];
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < ROWS; i++) {
            char code[32], name[32];
            Sw__Website website = SW__WEBSITE__INIT;
            Sw__UpdateWebsiteRequest request = SW__UPDATE_WEBSITE_REQUEST__INIT;
            snprintf(code, sizeof(code), "same-%d", round % 2 ? ROWS - 1 - i : i);
            snprintf(name, sizeof(name), "%d", round / 2); /* every second round finds nothing to change */
            website.code = code;
            website.name = name;
            request.website = &website;
            request.has_allow_missing = request.allow_missing = 1;
            test_store_start(&test, &calls[round][i], "UpdateWebsite", &request.base, NULL, 0);
        }
    int created = 0, updated = 0;
    for (int round = 0; round < ROUNDS; round++)
        for (int i = 0; i < ROWS; i++) {
            test_call *call = &calls[round][i];
            test_store_end(&test, call);
            assert_int_equal(call->error.code, SW_OK);
            created += strcmp(call->outcome, "created") == 0;
            updated += strcmp(call->outcome, "updated") == 0;
            test_call_clear(call);
        }
    assert_int_equal(created, ROWS);
    char changes[16];
    snprintf(changes, sizeof(changes), "%d", created + updated);
    assert_string_equal(
        db_rows(test.conn,
                "SELECT count(*) FROM users.change WHERE key LIKE 'same-%' AND resource = 'Website'"),
        changes);
    assert_string_equal(
        db_rows(test.conn, "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()"), "0");
}

/* Somebody else keeps a row locked: changes of other rows do not wait, in whatever number that
 * row's come, and those that nobody cancels take effect in the end, once each. */
static void locked_row(void **state)
{
    (void)state;
    enum { TIMES = 300, EACH = 10 };
    static test_call calls[TIMES];
    db_run(test.conn, "INSERT INTO referential.website (code) VALUES ('locked')");
    db_run(test.conn, "BEGIN; UPDATE referential.website SET live = true WHERE code = 'locked'");
    for (int i = 0; i < TIMES; i++) {
        char code[32], name[32];
        Sw__Website website = SW__WEBSITE__INIT;
        Sw__UpdateWebsiteRequest request = SW__UPDATE_WEBSITE_REQUEST__INIT;
        snprintf(code, sizeof(code), i % EACH ? "unlocked-%d" : "locked", i);
        snprintf(name, sizeof(name), "%d", i);
        website.code = code;
        website.name = name;
        request.website = &website;
        request.has_allow_missing = request.allow_missing = 1;
        test_store_start(&test, &calls[i], "UpdateWebsite", &request.base, NULL, 0);
    }
    for (int i = 0; i < TIMES; i++)
        if (i % EACH) {
            test_store_end(&test, &calls[i]);
            assert_int_equal(calls[i].error.code, SW_OK);
            assert_string_equal(calls[i].outcome, "created");
            test_call_clear(&calls[i]);
        }
    for (int i = 0; i < TIMES; i += 2 * EACH) {
        test_store_cancel(&test, &calls[i]);
        test_store_end(&test, &calls[i]);
        assert_int_equal(calls[i].error.code, SW_CANCELLED);
    }
    db_run(test.conn, "COMMIT");
    for (int i = EACH; i < TIMES; i += 2 * EACH) {
        test_store_end(&test, &calls[i]);
        assert_int_equal(calls[i].error.code, SW_OK);
        assert_string_equal(calls[i].outcome, "updated");
        test_call_clear(&calls[i]);
    }
    assert_string_equal(
        db_rows(test.conn,
                "SELECT count(*) || '/' || count(DISTINCT after ->> 'name') FROM users.change "
                "WHERE resource = 'Website' AND key = 'locked' AND after ->> 'name' ~ '[13579]0$'"),
        "15/15");
}

/* Statements that make room for others leave the server too, also where one before them failed. */
static void prepared_statements(void **state)
{
    (void)state;
    enum { SHAPES = 600 };
    test_call bad[2], call; /* one on each read lane, the third behind the first */
    for (int i = 0; i < SHAPES; i++) {
        Sw__Filter filters[10], *list[10];
        Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
        request.filters = list;
        request.n_filters = 10;
        for (int n = 0; n < 10; n++) { /* a shape for each number */
            sw__filter__init(list[n] = &filters[n]);
            filters[n].field = (char *)(i >> n & 1 ? "name" : "code");
            filters[n].op = "is_null";
        }
        for (int n = 0; n < 2; n++)
            start(&bad[n], "divide", "x", 0);
        test_store_start(&test, &call, "ListWebsites", &request.base, NULL, 0);
        for (int n = 0; n < 2; n++)
            test_store_end(&test, &bad[n]);
        test_store_end(&test, &call);
        assert_int_equal(call.error.code, SW_OK);
        test_call_clear(&call);
    }
    start(&call, "prepared", "", 0);
    test_store_end(&test, &call);
    assert_int_equal(call.error.code, SW_OK);
    int count = atoi(((const Sw__FindVersionsResponse *)call.reply)->items[0]->environment);
    if (count > 256)
        fail_msg("%d prepared statements", count);
    test_call_clear(&call);
}

static void columns_change(void **state)
{
    (void)state;
    test_call call;
    Sw__GetWebsiteRequest request = SW__GET_WEBSITE_REQUEST__INIT;
    request.code = "c";
    db_run(test.conn, "INSERT INTO referential.website (code) VALUES ('c')");
    for (int i = 0; i < 40; i++) {
        test_store_start(&test, &call, "GetWebsite", &request.base, NULL, 0);
        test_store_end(&test, &call);
        assert_int_equal(call.error.code, SW_OK);
        test_call_clear(&call);
        if (i == 20) /* prepared statements see another type from here on */
            db_run(test.conn, "ALTER TABLE referential.website ALTER COLUMN organization TYPE varchar(300)");
    }
}

static int open_store(void **state)
{
    (void)state;
    test_store_open(&test, "lanes", queries);
    return 0;
}

static int close_store(void **state)
{
    (void)state;
    test_store_close(&test);
    return 0;
}

/* --- Stores that cannot serve --- */

static void keep_serving(void *context, bool serving, const char *reason)
{
    (void)reason;
    ((test_store *)context)->serving = serving;
}

static void schema_missing(void **state)
{
    (void)state;
    test_call call;
    test_store other = {0};
    test_store_open_bare(&other, "bare", NULL);
    int64_t until = sw_now_ms() + 20000;
    while (!strstr(other.reason, "sitewire migrate")) {
        assert_true(sw_now_ms() < until);
        test_store_turn(&other);
    }
    assert_false(other.serving);
    Sw__GetWebsiteRequest request = SW__GET_WEBSITE_REQUEST__INIT;
    request.code = "c";
    test_store_start(&other, &call, "GetWebsite", &request.base, NULL, 0);
    test_store_end(&other, &call);
    assert_int_equal(call.error.code, SW_UNAVAILABLE);
    assert_non_null(strstr(call.error.message, "sitewire migrate"));
    test_store_migrate(&other); /* no restart is needed */
    test_store_wait(&other, true);
    test_store_close(&other);
}

static const Sw__ListWebsitesResponse *list_one(test_store *of, const char *token)
{
    Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
    request.has_page_size = true;
    request.page_size = 1;
    request.page_token = (char *)token;
    return test_store_call(of, "ListWebsites", &request.base, NULL);
}

/* A database is restored under its name while the store runs: it learns anew what it knows, the key
 * of page tokens among it. */
static void another_database(void **state)
{
    (void)state;
    test_store old = {0}, fresh = {0};
    test_store_open(&old, "swapped", NULL);
    test_store_open(&fresh, "swapped_fresh", NULL);
    db_run(fresh.conn, "INSERT INTO referential.website (code) VALUES ('a'), ('b')");
    char *token = strdup(list_one(&fresh, NULL)->next_page_token);
    test_store_close(&fresh);
    PQfinish(old.conn);
    db_run(test.conn, "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'swapped'");
    db_run(test.conn, "ALTER DATABASE swapped RENAME TO swapped_old");
    db_run(test.conn, "ALTER DATABASE swapped_fresh RENAME TO swapped");
    old.conn = db_open(old.conninfo);
    int64_t until = sw_now_ms() + 10000;
    const Sw__ListWebsitesResponse *reply;
    while (!(reply = list_one(&old, token)) && sw_now_ms() < until)
        test_store_turn(&old);
    assert_non_null(reply);
    assert_string_equal(reply->items[0]->code, "b");
    test_store_close(&old);
    free(token);
}

/* A role that can create objects could have functions of the owner find them
 * (sql/schema/12_access.sql). A restored dump lets everybody create objects. */
static void role_that_creates(void **state)
{
    (void)state;
    test_store other = {0};
    test_store_open_bare(&other, "creates", NULL);
    test_store_migrate(&other);
    db_run(other.conn, "GRANT TEMPORARY ON DATABASE creates TO PUBLIC");
    int64_t until = sw_now_ms() + 20000;
    while (!strstr(other.reason, "REVOKE TEMPORARY")) {
        assert_true(sw_now_ms() < until);
        test_store_turn(&other);
    }
    assert_false(other.serving);
    db_run(other.conn, "REVOKE TEMPORARY ON DATABASE creates FROM PUBLIC");
    test_store_wait(&other, true);
    test_store_close(&other);
}

/* The first of two hosts takes connections and never answers: the second one is tried after a
 * while. */
static void silent_host(void **state)
{
    (void)state;
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    char folder[] = "/tmp/swsilent-XXXXXX", conninfo[512];
    assert_non_null(mkdtemp(folder));
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/.s.PGSQL.5432", folder);
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    assert_int_equal(listen(fd, 100), 0);
    sw_error error;
    test_store other = {0};
    snprintf(conninfo, sizeof(conninfo), "host=%s,%s dbname=lanes user=sitewire_referential", folder,
             PQhost(test.conn));
    sw_store_options options = {.conninfo = conninfo, .schema_maximum = sw_migrate_latest()};
    other.loop = sw_loop_new();
    options.context = &other;
    options.on_serving = keep_serving;
    assert_int_equal(sw_store_new(other.loop, &options, &other.store, &error), SW_OK);
    assert_int_equal(sw_store_start(other.store, &error), SW_OK);
    int64_t until = sw_now_ms() + 15000;
    while (!other.serving && sw_now_ms() < until)
        assert_int_equal(sw_loop_once(other.loop, 100, &error), SW_OK);
    sw_store_destroy(&other.store);
    sw_loop_destroy(&other.loop);
    close(fd);
    unlink(address.sun_path);
    rmdir(folder);
    assert_true(other.serving);
}

/* A server that vanishes from the network must be noticed soon. */
static void short_timeouts(void **state)
{
    (void)state;
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}}, peer;
    socklen_t size = sizeof(address);
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), lanes = 0;
    assert_int_equal(bind(fd, (struct sockaddr *)&address, size), 0);
    assert_int_equal(listen(fd, 100), 0);
    assert_int_equal(getsockname(fd, (struct sockaddr *)&address, &size), 0);
    char conninfo[64];
    sw_error error;
    sw_store *store;
    sw_loop *loop = sw_loop_new();
    snprintf(conninfo, sizeof(conninfo), "host=127.0.0.1 port=%d keepalives_idle=7", ntohs(address.sin_port));
    sw_store_options options = {.conninfo = conninfo, .schema_maximum = 1};
    assert_int_equal(sw_store_new(loop, &options, &store, &error), SW_OK);
    assert_int_equal(sw_store_start(store, &error), SW_OK);
    for (int i = 0; i < 256; i++) {
        int idle = 0, user_ms = 0;
        socklen_t peer_size = sizeof(peer), int_size = sizeof(int);
        if (getpeername(i, (struct sockaddr *)&peer, &peer_size) != 0 || peer.sin_family != AF_INET ||
            peer.sin_port != address.sin_port)
            continue;
        lanes++;
        assert_int_equal(getsockopt(i, IPPROTO_TCP, TCP_KEEPIDLE, &idle, &int_size), 0);
        assert_int_equal(getsockopt(i, IPPROTO_TCP, TCP_USER_TIMEOUT, &user_ms, &int_size), 0);
        assert_int_equal(idle, 7); /* the conninfo has the last word */
        assert_int_equal(user_ms, 5000);
    }
    assert_true(lanes > 0);
    sw_store_destroy(&store);
    sw_loop_destroy(&loop);
    close(fd);
}

static void refused_by_name(void **state)
{
    (void)state;
    static const sw_query no_field[] = {
        {.service = &sw__referential__descriptor, .method = "FindVersions", .sql = "SELECT :nope"}, {0}};
    static const sw_query no_method[] = {
        {.service = &sw__referential__descriptor, .method = "Nope", .sql = "SELECT 1"}, {0}};
    static const sw_query no_column[] = {{.service = &sw__referential__descriptor,
                                          .method = "FindVersions",
                                          .sql = "SELECT 'x'::text AS nope"},
                                         {0}};
    sw_error error;
    sw_loop *loop = sw_loop_new();
    sw_dispatch *dispatch = sw_dispatch_new();
    sw_store *store;
    sw_store_options options = {.schema_maximum = 1};
    assert_int_equal(sw_store_new(loop, &options, &store, &error), SW_OK);
    assert_int_equal(sw_store_add(store, dispatch, NULL, no_field, &error), SW_INTERNAL);
    assert_non_null(strstr(error.message, "`:nope`"));
    assert_int_equal(sw_store_add(store, dispatch, NULL, no_method, &error), SW_INTERNAL);
    assert_non_null(strstr(error.message, "Nope"));
    sw_store_destroy(&store);
    sw_dispatch_destroy(&dispatch);
    sw_loop_destroy(&loop);
    test_store other = {0};
    test_store_open_bare(&other, "no_column", no_column);
    test_store_migrate(&other);
    int64_t until = sw_now_ms() + 20000;
    while (!strstr(other.reason, "column `nope`")) {
        assert_true(sw_now_ms() < until);
        test_store_turn(&other);
    }
    test_store_close(&other);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_query),
        cmocka_unit_test(failing_neighbours),
        cmocka_unit_test(changes_together),
        cmocka_unit_test(same_rows_at_once),
        cmocka_unit_test(locked_row),
        cmocka_unit_test(cancelled),
        cmocka_unit_test(columns_change),
        cmocka_unit_test(crash),
        cmocka_unit_test(schema_missing),
        cmocka_unit_test(refused_by_name),
        cmocka_unit_test(prepared_statements),
        cmocka_unit_test(change_lost),
        cmocka_unit_test(silent_host),
        cmocka_unit_test(short_timeouts),
        cmocka_unit_test(role_that_creates),
        cmocka_unit_test(another_database),
    };
    return cmocka_run_group_tests(tests, open_store, close_store);
}

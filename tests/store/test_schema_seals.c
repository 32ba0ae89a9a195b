/* The chain of history: everything committed is sealed once, whoever writes meanwhile, and whatever
 * is done to it afterwards is found. */
#include "cli/system/chain.h"
#include "db.h"
#include "store/audit.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static PGconn *conn;
static char *conninfo;

typedef struct verdict {
    sw_chain chain;
    sw_unsealed unsealed;
    sw_code code;
    sw_error error;
    char head[SW_CHAIN_HEAD_TEXT];
} verdict;

static verdict v;

static bool add(const sw_sealed *sealed, void *context)
{
    (void)context;
    v.code = sw_chain_add(&v.chain, sealed, &v.error);
    return v.code == SW_OK;
}

static void verify(const char *head)
{
    v = (verdict){0};
    sw_error error;
    assert_int_equal(sw_chain_init(&v.chain, head, &error), SW_OK);
    if (sw_audit_read(conninfo, add, NULL, &v.unsealed, &error) != SW_OK)
        fail_msg("%s", error.message);
    if (v.code == SW_OK)
        v.code = sw_chain_end(&v.chain, &v.error);
    sw_chain_head(&v.chain, v.head);
}

static void is_whole(int64_t count, int64_t unsealed)
{
    verify(NULL);
    if (v.code != SW_OK)
        fail_msg("%s", v.error.message);
    assert_int_equal(v.chain.count, count);
    assert_int_equal(v.unsealed.count, unsealed);
    assert_int_equal(*v.unsealed.oldest != '\0', unsealed > 0);
}

static int64_t number(const char *sql)
{
    return atoll(db_rows(conn, sql));
}

static int64_t seal(PGconn *by)
{
    return atoll(db_rows(by, "SELECT users.seal_changes()"));
}

/* As somebody who owns the tables and means it. */
static void tamper(const char *sql)
{
    db_run(conn, "SET session_replication_role = replica");
    db_run(conn, sql);
    db_run(conn, "RESET session_replication_role");
}

/* Everything there is, changed by hand or by migrations, in every kind of column. */
static void test_chain(void **state)
{
    (void)state;
    assert_true(seal(conn) > 5); /* what the migrations made */
    int64_t made = number("SELECT count(*) FROM users.change");
    is_whole(made, 0);
    assert_int_equal(seal(conn), 0);
    db_run(conn, "SET sitewire.reason = 'wegen 1:2,- und \xc3\xa9'; SET TimeZone = 'Asia/Tokyo'");
    db_run(conn, "INSERT INTO website (code, name) VALUES ('a', E'\\u00e9 \"quoted\" \\\\')");
    db_run(conn, "UPDATE website SET code = 'b'; DELETE FROM website; RESET sitewire.reason; RESET TimeZone");
    verify(NULL);
    assert_int_equal(v.unsealed.count, 6); /* a project goes with it each time */
    assert_int_equal(seal(conn), 6);
    db_run(conn, "SET TimeZone = 'America/Lima'; SET DateStyle = 'German'");
    is_whole(made + 6, 0);
    db_run(conn, "RESET TimeZone; RESET DateStyle");
}

/* A transaction that stays open holds up nobody but itself. */
static void test_long_transactions(void **state)
{
    (void)state;
    PGconn *slow = db_open(conninfo), *other = db_open(conninfo);
    int64_t before = number("SELECT count(*) FROM users.change");
    db_run(slow, "BEGIN; INSERT INTO referential.cms (code) VALUES ('slow')");
    db_run(conn, "INSERT INTO cms (code) VALUES ('fast')");
    assert_int_equal(seal(conn), 1);
    db_run(conn, "UPDATE cms SET name = 'F' WHERE code = 'fast'");
    assert_int_equal(seal(conn), 1);
    is_whole(before + 2, 0); /* what is not committed does not exist */
    db_run(slow, "UPDATE referential.cms SET name = 'S' WHERE code = 'fast'; COMMIT");
    is_whole(before + 2, 2);
    /* While one relay works, the others leave it to it. */
    db_run(other, "BEGIN");
    assert_int_equal(seal(other), 2);
    assert_int_equal(seal(conn), 0);
    db_run(conn, "INSERT INTO cms (code) VALUES ('meanwhile')");
    db_run(other, "COMMIT");
    assert_int_equal(seal(conn), 1);
    is_whole(before + 5, 0);
    /* Changes of a row are in the order in which they were made. */
    assert_string_equal(
        db_rows(conn, "SELECT string_agg(c.after->>'name', ',' ORDER BY s.position) FROM users.change c "
                      "JOIN users.seal s ON s.change = c.id WHERE c.resource = 'Cms' AND c.key = 'fast'"),
        ",F,S");
    /* One that is rolled back leaves a gap in the ids, and none in the chain. */
    db_run(slow, "BEGIN; INSERT INTO referential.cms (code) VALUES ('never'); ROLLBACK");
    db_run(conn, "INSERT INTO cms (code) VALUES ('next')");
    assert_int_equal(seal(conn), 1);
    is_whole(before + 6, 0);
    PQfinish(slow);
    PQfinish(other);
}

/* Writers with transactions short and long, and relays, all at once. */
static void test_concurrency(void **state)
{
    (void)state;
    enum { WRITERS = 4, RELAYS = 3 };
    PGconn *connections[WRITERS + RELAYS];
    char sql[400];
    for (int i = 0; i < WRITERS + RELAYS; i++) {
        connections[i] = db_open(conninfo);
        if (i < WRITERS)
            snprintf(sql, sizeof(sql),
                     "DO $$ BEGIN FOR i IN 1..300 LOOP INSERT INTO referential.server (hostname) VALUES "
                     "('h%d-' || i);"
                     "UPDATE referential.environment SET rank = rank + 1 WHERE code = 'shared';"
                     "IF i %% %d = 0 THEN COMMIT; END IF; END LOOP; END $$",
                     i, i * 7 + 1);
        else
            snprintf(sql, sizeof(sql),
                     "DO $$ BEGIN FOR i IN 1..150 LOOP PERFORM users.seal_changes(); COMMIT; "
                     "PERFORM pg_sleep(0.001); END LOOP; END $$");
        if (i == 0)
            db_run(conn, "INSERT INTO environment (code) VALUES ('shared')");
        assert_true(PQsendQuery(connections[i], sql));
    }
    for (int i = 0; i < WRITERS + RELAYS; i++) {
        for (PGresult *result; (result = PQgetResult(connections[i])); PQclear(result))
            if (PQresultStatus(result) != PGRES_COMMAND_OK)
                fail_msg("%s", PQresultErrorMessage(result));
        PQfinish(connections[i]);
    }
    seal(conn);
    is_whole(number("SELECT count(*) FROM users.change"), 0);
    assert_int_equal(number("SELECT rank FROM environment WHERE code = 'shared'"), WRITERS * 300);
    /* Of each row, the order of the chain is that of the changes: revisions grow. */
    assert_string_equal(
        db_rows(conn,
                "SELECT count(*) FROM (SELECT (c.after->>'revision')::int - lag((c.after->>'revision')::int) "
                "OVER (PARTITION BY c.resource, c.key ORDER BY s.position) AS step FROM users.change c "
                "JOIN users.seal s ON s.change = c.id WHERE c.resource IN ('Environment', 'Server')) x "
                "WHERE step <> 1"),
        "0");
}

/* More than one run takes, and a copy of the database in a cluster that has counted fewer
 * transactions. */
static void test_backlog(void **state)
{
    (void)state;
    db_run(conn, "INSERT INTO server (hostname) SELECT 'many-' || i FROM generate_series(1, 10050) i");
    assert_int_equal(seal(conn), 10000);
    verify(NULL);
    assert_int_equal(v.code, SW_OK);
    assert_int_equal(v.unsealed.count, 50);
    db_run(conn, "INSERT INTO cms (code) VALUES ('behind')");
    assert_int_equal(seal(conn), 51);
    tamper("UPDATE users.seal SET horizon = '99999999999' WHERE position = (SELECT max(position) FROM "
           "users.seal)");
    db_run(conn, "INSERT INTO cms (code) VALUES ('elsewhere')");
    assert_int_equal(seal(conn), 1);
    db_run(conn, "INSERT INTO cms (code) VALUES ('and-on')");
    assert_int_equal(seal(conn), 1);
}

static void test_tampering(void **state)
{
    (void)state;
    static const char altered[] = "was altered after it was sealed",
                      unfit[] = "does not follow from what is before it";
    static const struct {
        const char *sql, *where, *how;
        int whole; /* positions before it */
    } cases[] = {
        {"UPDATE users.change SET reason = 'x' WHERE id = public.fourth()", "position 4: change", altered, 3},
        {"UPDATE users.change SET at = at + interval '1 microsecond' WHERE id = public.fourth()",
         "position 4: change", altered, 3},
        {"UPDATE users.change SET actor = 'x', call_id = 'x' WHERE id = public.fourth()",
         "position 4: change", altered, 3},
        {"UPDATE users.change SET after = after || '{\"code\": \"x\"}' WHERE id = public.fourth()",
         "position 4: change", altered, 3},
        {"UPDATE users.change SET before = 'null' WHERE id = public.fourth()", "position 4: change", altered,
         3},
        {"UPDATE users.change SET old_key = '' WHERE id = public.fourth()", "position 4: change", altered, 3},
        {"UPDATE users.change SET transaction = '1' WHERE id = public.fourth()", "position 4: change",
         altered, 3},
        {"DELETE FROM users.change WHERE id = public.fourth()", "position 4: change",
         "was removed after it was sealed", 3},
        {"DELETE FROM users.seal WHERE position = 4", "position 4: it was removed", "position 5 comes next",
         3},
        {"DELETE FROM users.seal WHERE position = 1", "position 1: it was removed", "position 2 comes next",
         0},
        {"UPDATE users.seal SET hash = sha256(hash) WHERE position = 4", "position 4: the seal of change",
         unfit, 3},
        {"UPDATE users.seal SET hash = '' WHERE position = 4", "position 4: the seal of change", unfit, 3},
        {"UPDATE users.seal SET change = -change WHERE position = 4", "position 4: change -", "was removed",
         3},
        {"DELETE FROM users.seal WHERE position = 4; DELETE FROM users.change WHERE id = public.fourth();"
         "CREATE TEMP TABLE t AS SELECT * FROM users.seal WHERE position > 4; DELETE FROM users.seal WHERE "
         "position > 4;"
         "INSERT INTO users.seal SELECT position - 1, change, hash, horizon FROM t; DROP TABLE t",
         "position 4: change", "or one before it was removed", 3},
        {"CREATE TEMP TABLE t AS SELECT * FROM users.seal WHERE position IN (4, 5); DELETE FROM users.seal "
         "WHERE position IN "
         "(4, 5); INSERT INTO users.seal SELECT 9 - position, change, hash, horizon FROM t; DROP TABLE t",
         "position 4: the seal of change", unfit, 3},
    };
    db_run(conn,
           "CREATE TABLE public.changes AS TABLE users.change; CREATE TABLE public.seals AS TABLE users.seal;"
           "CREATE FUNCTION public.fourth() RETURNS bigint STABLE LANGUAGE sql AS "
           "'SELECT change FROM public.seals WHERE position = 4'");
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        tamper(cases[i].sql);
        verify(NULL);
        if (v.code != SW_DATA_LOSS || strncmp(v.error.message, cases[i].where, strlen(cases[i].where)) != 0 ||
            strstr(v.error.message, cases[i].how) == NULL)
            fail_msg("%s: %s", cases[i].sql, v.code ? v.error.message : "whole");
        assert_int_equal(v.chain.count, cases[i].whole);
        tamper("TRUNCATE users.change; TRUNCATE users.seal; INSERT INTO users.change OVERRIDING SYSTEM VALUE "
               "TABLE public.changes; INSERT INTO users.seal TABLE public.seals");
    }
    verify(NULL);
    assert_int_equal(v.code, SW_OK);
}

/* The chain alone cannot tell whether its end was cut off, or all of it made anew. A head that was
 * kept can. */
static void test_heads(void **state)
{
    (void)state;
    char head[SW_CHAIN_HEAD_TEXT];
    verify(NULL);
    memcpy(head, v.head, sizeof(head));
    int64_t count = v.chain.count;
    db_run(conn, "INSERT INTO cms (code) VALUES ('after-the-head')");
    seal(conn);
    verify(head);
    assert_int_equal(v.code, SW_OK);
    tamper(
        "DELETE FROM users.change WHERE id IN (SELECT change FROM users.seal ORDER BY position DESC LIMIT 2);"
        "DELETE FROM users.seal WHERE change NOT IN (SELECT id FROM users.change)");
    is_whole(count - 1, 0);
    verify(head);
    assert_int_equal(v.code, SW_DATA_LOSS);
    assert_non_null(strstr(v.error.message, "the chain ends before the head that you kept"));
    db_run(conn, "INSERT INTO cms (code) VALUES ('forged')");
    seal(conn);
    is_whole(count, 0);
    verify(head);
    assert_int_equal(v.code, SW_DATA_LOSS);
    assert_non_null(strstr(v.error.message, "the hash is not the one that you kept"));
    /* A change that is slipped in, with an old transaction: nobody seals it. */
    tamper("INSERT INTO users.change (actor, resource, key, operation, transaction, row_id) VALUES ('x', "
           "'Cms', 'x', "
           "'INSERT', '1', 1)");
    seal(conn);
    is_whole(count, 1);
}

/* Not even the owner by mistake, and no service at all. */
static void test_permanent(void **state)
{
    (void)state;
    static const char *const statements[] = {
        "UPDATE users.seal SET position = 1",  "DELETE FROM users.seal",   "TRUNCATE users.seal",
        "UPDATE users.change SET actor = 'x'", "DELETE FROM users.change", "TRUNCATE users.change",
    };
    static const char *const more[] = {
        "INSERT INTO users.seal VALUES (0, 0, '', '0')",
        "SELECT FROM users.seal",
        "UPDATE users.history SET since = now()",
        "INSERT INTO users.change (actor, resource, key, operation) VALUES ('x', 'Cms', 'x', 'INSERT')",
    };
    static const char *const roles[] = {"sitewire_referential", "sitewire_user", "sitewire_deployment"};
    char sql[100];
    for (size_t i = 0; i < 6; i++)
        db_fails(conn, statements[i], "SW006", NULL);
    for (size_t r = 0; r < 3; r++) {
        snprintf(sql, sizeof(sql), "SET ROLE %s", roles[r]);
        db_run(conn, sql);
        for (size_t i = 0; i < 6; i++)
            db_fails(conn, statements[i], "42501", NULL);
        for (size_t i = 0; i < 4; i++)
            db_fails(conn, more[i], "42501", NULL);
        if (strcmp(roles[r], "sitewire_user") == 0)
            seal(conn);
        else
            db_fails(conn, "SELECT users.seal_changes()", "42501", NULL);
        db_run(conn, "RESET ROLE");
    }
    /* An audit by a role that does not see everything would find holes that are none. */
    sw_error error;
    char *narrow = NULL;
    assert_true(asprintf(&narrow, "%s user=sitewire_user", conninfo) > 0);
    assert_int_equal(sw_audit_read(narrow, add, NULL, &v.unsealed, &error), SW_PERMISSION_DENIED);
    free(narrow);
}

int main(void)
{
    conn = db_open_registry("seals");
    assert_true(asprintf(&conninfo, "host=%s port=%s user=%s dbname=%s", PQhost(conn), PQport(conn),
                         PQuser(conn), PQdb(conn)) > 0);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_chain),       cmocka_unit_test(test_long_transactions),
        cmocka_unit_test(test_concurrency), cmocka_unit_test(test_backlog),
        cmocka_unit_test(test_tampering),   cmocka_unit_test(test_heads),
        cmocka_unit_test(test_permanent),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    PQfinish(conn);
    free(conninfo);
    return failures;
}

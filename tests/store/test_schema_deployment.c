/* The states of deployments, by hand as at psql: no statement makes a move that is not allowed,
 * whoever runs it. */
#include "db.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static PGconn *conn;

static const char rows[] =
    "INSERT INTO website (code) VALUES ('w'); INSERT INTO docroot (code) VALUES ('d');"
    "INSERT INTO environment (code, protected) VALUES ('dev', false), ('prod', true);"
    "INSERT INTO docroot_environment (docroot, environment) VALUES ('d', 'dev'), ('d', 'prod');"
    "INSERT INTO users.\"user\" (email) VALUES ('ann@x.org'), ('bob@x.org'), ('eve@x.org');"
    "INSERT INTO users.access_right (project, \"user\", role) VALUES ('website:w', 'ann@x.org', 'Owner');";

static const char *const states[] = {"REQUESTED", "ACCEPTED", "IN_PROGRESS", "DONE", "FAILED", "ABORTED"};
enum { REQUESTED, ACCEPTED, IN_PROGRESS, DONE, FAILED, ABORTED_, STATES };

/* What leads there from the state before. */
static const char claim[] = "UPDATE deployment.deployment SET status = 'IN_PROGRESS', runner = 'r', "
                            "runner_user = 'ann@x.org', lease_until = now() + interval '1 min'";
static const char claim_lost[] = "UPDATE deployment.deployment SET status = 'IN_PROGRESS', runner = 'r', "
                                 "runner_user = 'ann@x.org', lease_until = now() - interval '1 s'";
/* Its command runs, and succeeds. */
static const char run[] =
    "INSERT INTO deployment.deployment_command_result (deployment, command, attempt, fence) "
    "SELECT id, 1, 1, fence FROM deployment.deployment;"
    "UPDATE deployment.deployment_command_result SET finished_at = now(), exit_code = 0";
static const char accept[] = "UPDATE deployment.deployment SET status = 'ACCEPTED'";

static void request(const char *environment, const char *on_lost_lease)
{
    char text[512];
    snprintf(text, sizeof(text),
             "INSERT INTO deployment.deployment (project, type, docroot, environment, version, requester, "
             "on_lost_lease) VALUES ('website:w', 'WEBSITE', 'd', '%s', '1', 'ann@x.org', '%s')",
             environment, on_lost_lease);
    db_run(conn, text);
}

/* One deployment to dev, with a command, in that state. */
static void reach(int state)
{
    request("dev", "FAIL");
    db_run(conn, "INSERT INTO deployment.deployment_command (deployment, number, step, argv, "
                 "continue_on_failure) SELECT id, 1, 'POST', '{a}', true FROM deployment.deployment");
    if (state == REQUESTED)
        return;
    db_run(conn, accept);
    if (state == ACCEPTED)
        return;
    db_run(conn, claim);
    if (state == IN_PROGRESS)
        return;
    char text[128];
    db_run(conn, run);
    snprintf(text, sizeof(text), "UPDATE deployment.deployment SET status = '%s'", states[state]);
    db_run(conn, text);
}

static void test_every_move(void **state)
{
    static const bool allowed[STATES][STATES] = {
        [REQUESTED] = {[ACCEPTED] = true, [ABORTED_] = true},
        [ACCEPTED] = {[IN_PROGRESS] = true, [ABORTED_] = true},
        [IN_PROGRESS] = {[DONE] = true, [FAILED] = true, [ABORTED_] = true},
    };
    for (int from = 0; from < STATES; from++)
        for (int to = 0; to < STATES; to++) {
            if (from == to)
                continue;
            db_begin(state);
            reach(from);
            char text[512];
            /* To DONE, its command is over; to IN_PROGRESS, a runner has it; else nothing is
             * missing. */
            if (from == IN_PROGRESS && to == DONE)
                db_run(conn, run);
            if (to == IN_PROGRESS)
                snprintf(text, sizeof(text), "%s", claim);
            else
                snprintf(text, sizeof(text), "UPDATE deployment.deployment SET status = '%s'", states[to]);
            if (allowed[from][to]) {
                db_run(conn, text);
                assert_string_equal(db_rows(conn, "SELECT status FROM deployment.deployment"), states[to]);
            } else {
                db_fails(conn, text, "SW006", NULL);
                assert_string_equal(db_rows(conn, "SELECT status FROM deployment.deployment"), states[from]);
            }
            db_rollback(state);
        }
}

static void test_what_is_refused(void **state)
{
    static const struct {
        int in;
        const char *statement, *sqlstate, *constraint;
    } refused[] = {
        {REQUESTED, "UPDATE deployment.deployment SET status = 'ODD'", "SW006", NULL},
        {REQUESTED, "UPDATE deployment.deployment SET version = '2'", "SW006", NULL},
        {REQUESTED, "UPDATE deployment.deployment SET requester = 'bob@x.org'", "SW006", NULL},
        {REQUESTED, "UPDATE deployment.deployment SET environment = 'prod'", "SW006", NULL},
        {REQUESTED, "UPDATE deployment.deployment SET fence = 7", "SW006", NULL},
        {REQUESTED, "DELETE FROM deployment.deployment", "SW006", NULL},
        {REQUESTED, "UPDATE deployment.deployment SET approver = 'bob@x.org'", "SW006", NULL},
        {REQUESTED, "UPDATE deployment.deployment SET started_at = now()", "SW006", NULL},
        {REQUESTED, "UPDATE deployment.deployment SET abort_requested_at = now()", "23514",
         "deployment__status__together"},
        {ACCEPTED, "UPDATE deployment.deployment SET approver = 'bob@x.org'", "SW006", NULL},
        {ACCEPTED, "UPDATE deployment.deployment SET runner_user = 'bob@x.org'", "SW006", NULL},
        {IN_PROGRESS, "UPDATE deployment.deployment SET runner_user = 'bob@x.org'", "SW006", NULL},
        {IN_PROGRESS, "UPDATE deployment.deployment SET status = 'FAILED', runner_user = 'bob@x.org'",
         "SW006", NULL},
        {IN_PROGRESS, "UPDATE deployment.deployment SET status = 'FAILED', approver = 'bob@x.org'", "SW006",
         NULL},
        {ACCEPTED,
         "UPDATE deployment.deployment SET status = 'IN_PROGRESS', lease_until = now() + interval '1 min'",
         "23514", "deployment__runner__together"},
        {ACCEPTED,
         "UPDATE deployment.deployment SET status = 'IN_PROGRESS', runner = 'r', runner_user = 'ann@x.org'",
         "23514", "deployment__runner__together"},
        {ACCEPTED, "UPDATE deployment.deployment SET lease_until = now()", "23514",
         "deployment__runner__together"},
        {ACCEPTED, "UPDATE deployment.deployment SET queue = 1000", "SW006", NULL},
        {ACCEPTED, "UPDATE deployment.deployment SET plan_hash = 'x'", "SW006", NULL},
        {ACCEPTED, "DELETE FROM deployment.deployment", "SW006", NULL},
        {ACCEPTED, "UPDATE deployment.deployment_command SET argv = '{b}'", "SW006", NULL},
        {ACCEPTED, "DELETE FROM deployment.deployment_command", "SW006", NULL},
        {ACCEPTED,
         "INSERT INTO deployment.deployment_command (deployment, number, step, argv) "
         "SELECT id, 2, 'POST', '{b}' FROM deployment.deployment",
         "SW006", NULL},
        {ACCEPTED,
         "INSERT INTO deployment.deployment_command_result (deployment, command, attempt, fence) "
         "SELECT id, 1, 1, fence FROM deployment.deployment",
         "SW007", NULL},
        {IN_PROGRESS, "UPDATE deployment.deployment SET status = 'DONE'", "SW006", NULL}, /* its command */
        {IN_PROGRESS, "UPDATE deployment.deployment SET fence = fence + 1", "SW006", NULL},
        {IN_PROGRESS, "UPDATE deployment.deployment SET runner = 'other'", "SW006", NULL},
        {IN_PROGRESS, "UPDATE deployment.deployment SET lease_until = NULL", "23514",
         "deployment__runner__together"},
        {IN_PROGRESS,
         "INSERT INTO deployment.deployment_command_result (deployment, command, attempt, fence) "
         "SELECT id, 1, 1, fence + 1 FROM deployment.deployment",
         "SW007", NULL},
        {IN_PROGRESS,
         "INSERT INTO deployment.deployment_log (deployment, \"offset\", command, attempt, stream, bytes, "
         "fence) SELECT id, 0, 1, 1, 'stdout', 'x', fence - 1 FROM deployment.deployment",
         "SW007", NULL},
        {DONE, "UPDATE deployment.deployment SET failure = 'x'", "SW006", NULL},
        {DONE, "UPDATE deployment.deployment SET finished_at = now()", "SW006", NULL},
        {DONE, "UPDATE deployment.deployment_command_result SET exit_code = 1", "SW006", NULL},
        {DONE, "DELETE FROM deployment.deployment_command_result", "SW006", NULL},
        {DONE,
         "INSERT INTO deployment.deployment_log (deployment, \"offset\", command, attempt, stream, bytes, "
         "fence) SELECT id, 0, 1, 1, 'stdout', 'x', fence FROM deployment.deployment",
         "SW007", NULL},
        {DONE, "DELETE FROM deployment.transition", "SW006", NULL},
        {DONE, "INSERT INTO deployment.transition VALUES ('DONE', 'REQUESTED')", "SW006", NULL},
        {DONE, "UPDATE deployment.transition SET \"from\" = 'DONE' WHERE \"to\" = 'DONE'", "SW006", NULL},
        {DONE, "INSERT INTO deployment.deployment_status (code) VALUES ('PAUSED')", "SW006", NULL},
    };
    for (size_t i = 0; i < sizeof(refused) / sizeof(*refused); i++) {
        db_begin(state);
        reach(refused[i].in);
        db_fails(conn, refused[i].statement, refused[i].sqlstate, refused[i].constraint);
        db_rollback(state);
    }
}

static void test_begins_as_requested(void **state)
{
    (void)state;
    for (int to = ACCEPTED; to < STATES; to++) {
        char text[512];
        snprintf(text, sizeof(text),
                 "INSERT INTO deployment.deployment (project, type, docroot, environment, version, "
                 "requester, status) VALUES ('website:w', 'WEBSITE', 'd', 'dev', '1', 'ann@x.org', '%s')",
                 states[to]);
        db_fails(conn, text, "SW006", NULL);
    }
    db_fails(
        conn,
        "INSERT INTO deployment.deployment (project, type, docroot, environment, version, requester, "
        "started_at, replaces) VALUES ('website:w', 'WEBSITE', 'd', 'dev', '1', 'ann@x.org', now(), '0')",
        "23514", "deployment__status__together");
}

static void test_lost_leases(void **state)
{
    (void)state;
    static const char again[] = "UPDATE deployment.deployment SET status = 'ACCEPTED', runner = ''";
    request("dev", "FAIL");
    db_run(conn, accept);
    db_run(conn, "SAVEPOINT accepted");
    db_run(conn, claim_lost);
    db_fails(conn, again, "SW006", NULL); /* it did not say RETRY */
    db_fails(conn, "UPDATE deployment.deployment SET lease_until = now() + interval '1 min'", "SW007", NULL);
    db_fails(conn, "UPDATE deployment.deployment SET status = 'DONE'", "SW007", NULL);
    assert_string_equal(db_rows(conn, "SELECT deployment.sweep(), deployment.sweep()"), "1|0");
    assert_string_equal(db_rows(conn, "SELECT status, failure FROM deployment.deployment"),
                        "FAILED|the runner r was lost");
    db_run(conn, "ROLLBACK; BEGIN");
    request("dev", "RETRY");
    db_run(conn, accept);
    db_run(conn, claim);
    db_fails(conn, again, "SW006", NULL); /* the lease is not over */
    assert_string_equal(db_rows(conn, "SELECT deployment.sweep()"), "0");
    db_run(conn, "ROLLBACK; BEGIN");
    request("dev", "RETRY");
    db_run(conn, accept);
    db_run(conn, claim_lost);
    db_run(conn, "SELECT deployment.sweep()");
    assert_string_equal(db_rows(conn, "SELECT status, fence FROM deployment.deployment"), "ACCEPTED|1");
    db_run(conn, claim);
    assert_string_equal(db_rows(conn, "SELECT status, fence FROM deployment.deployment"), "IN_PROGRESS|2");
}

static void test_one_at_a_time(void **state)
{
    (void)state;
    request("dev", "FAIL");
    db_run(conn, accept);
    request("dev", "FAIL");
    db_run(conn, "UPDATE deployment.deployment SET status = 'ACCEPTED' WHERE status = 'REQUESTED'");
    char text[512];
    static const char last[] = " WHERE queue = (SELECT max(queue) FROM deployment.deployment)";
    snprintf(text, sizeof(text), "%s%s", claim, last);
    db_fails(conn, text, "SW006", NULL); /* the other one comes first */
    snprintf(text, sizeof(text), "%s WHERE queue = (SELECT min(queue) FROM deployment.deployment)", claim);
    db_run(conn, text);
    snprintf(text, sizeof(text), "%s%s", claim, last);
    db_fails(conn, text, "SW006", NULL);
    db_run(conn, "UPDATE deployment.deployment SET status = 'FAILED' WHERE status = 'IN_PROGRESS'");
    db_run(conn, text);
    /* Whatever the triggers do, the index does not let two in. */
    db_run(conn, "ALTER TABLE deployment.deployment DISABLE TRIGGER USER");
    db_fails(
        conn,
        "UPDATE deployment.deployment SET status = 'IN_PROGRESS', lease_until = now(), finished_at = NULL",
        "23505", "deployment__environment__unique");
}

static void test_protected(void **state)
{
    (void)state;
    request("prod", "FAIL");
    db_run(conn, "UPDATE deployment.deployment d SET plan_hash = deployment.hash_of(d)");
    db_fails(conn, accept, "SW006", NULL);
    db_fails(conn, "UPDATE deployment.deployment SET status = 'ACCEPTED', approver = requester", "SW006",
             NULL);
    db_run(conn, "UPDATE environment SET name = 'another plan' WHERE code = 'prod'");
    static const char approve[] =
        "UPDATE deployment.deployment SET status = 'ACCEPTED', approver = 'bob@x.org'";
    db_fails(conn, approve, "SW007", NULL);
    db_run(conn, "UPDATE deployment.deployment d SET plan_hash = deployment.hash_of(d)");
    db_fails(conn, approve, "SW006", NULL); /* nobody has approved it */
    db_run(conn, "INSERT INTO deployment.deployment_approval (deployment, approver, plan_hash) "
                 "SELECT id, 'bob@x.org', plan_hash FROM deployment.deployment");
    db_fails(conn, approve, "SW006", NULL); /* bob has no right to */
    db_run(conn, "INSERT INTO users.access_right (project, \"user\", role) VALUES "
                 "('website:w', 'bob@x.org', 'Owner')");
    db_run(conn, approve);
    db_run(conn, "SAVEPOINT accepted; UPDATE environment SET name = 'yet another' WHERE code = 'prod'");
    db_fails(conn, claim, "SW006", NULL);
    db_run(conn, "ROLLBACK TO accepted");
    db_run(conn, claim);
}

/* Renaming what a deployment names changes no deployment, over or not. */
static void test_renames(void **state)
{
    (void)state;
    reach(DONE);
    db_run(conn, "UPDATE website SET code = 'w2' WHERE code = 'w'; UPDATE docroot SET code = 'd2' WHERE code "
                 "= 'd'; UPDATE users.\"user\" SET email = 'anna@x.org' WHERE email = 'ann@x.org'");
    assert_string_equal(
        db_rows(conn, "SELECT project, docroot, requester, runner_user, status FROM deployment.deployment"),
        "website:w2|d2|anna@x.org|anna@x.org|DONE");
}

static void test_registry_follows(void **state)
{
    (void)state;
    reach(DONE);
    assert_string_equal(
        db_rows(conn, "SELECT website, docroot, environment, website_version FROM website_deployed"),
        "w|d|dev|1");
    db_run(conn, "DELETE FROM deployment.deployment");
    assert_string_equal(db_rows(conn, "SELECT (SELECT count(*) FROM deployment.deployment_command), (SELECT "
                                      "count(*) FROM deployment.deployment_command_result)"),
                        "0|0");
}

/* A list passes by what is other people's at no function call a row: there may be millions of
 * them. */
static void test_many_rows_of_others(void **state)
{
    (void)state;
    db_run(
        conn,
        "INSERT INTO website (code) VALUES ('mine'); INSERT INTO users.access_right (project, \"user\", "
        "role) VALUES ('website:mine', 'bob@x.org', 'Owner');"
        "SET LOCAL session_replication_role = replica;"
        "INSERT INTO deployment.deployment (project, type, docroot, environment, version, requester) "
        "SELECT CASE g WHEN 1000 THEN 'website:mine' ELSE 'website:w' END, 'WEBSITE', 'd', 'dev', '1', "
        "'ann@x.org' FROM generate_series(1, 1000) g;"
        "INSERT INTO deployment.deployment_command (deployment, number, step, argv) "
        "SELECT id, 1, 'POST', '{a}' FROM deployment.deployment;"
        "INSERT INTO deployment.deployment_command_result (deployment, command, attempt, fence) "
        "SELECT id, 1, 1, 1 FROM deployment.deployment;"
        "INSERT INTO deployment.deployment_log (deployment, \"offset\", command, attempt, stream, bytes, "
        "fence) SELECT id, 0, 1, 1, 'stdout', 'a', 1 FROM deployment.deployment;"
        "INSERT INTO deployment.event (position, project, project_sequence, deployment, kind, at, payload, "
        "previous_position) SELECT id, project, id, id, 'log', now(), '{}', 0 FROM deployment.deployment;"
        "INSERT INTO deployment.event_head (project, position, project_sequence) "
        "SELECT project, max(position), 1 FROM deployment.event GROUP BY project;"
        "SET LOCAL session_replication_role = origin; ANALYZE; SET LOCAL track_functions = 'all';"
        "SET LOCAL ROLE sitewire_deployment; "
        "SELECT sitewire.enter('', 'bob@x.org', false, false, '', '', '')");
    static const char *const tables[] = {
        "deployment", "deployment_command", "deployment_command_result", "deployment_log",
        "event",      "event_head"};
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
        char text[128];
        snprintf(text, sizeof(text), "SELECT count(*) FROM deployment.%s", tables[i]);
        assert_string_equal(db_rows(conn, text), "1");
        assert_string_equal(db_rows(conn, "SELECT coalesce(sum(calls), 0) FROM pg_stat_xact_user_functions "
                                          "WHERE funcname IN ('may_read', 'has_read', 'project_of')"),
                            "0");
    }
    db_run(conn, "SELECT sitewire.enter('', 'eve@x.org', true, false, '', '', '')"); /* who has no right */
    for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
        char text[128];
        snprintf(text, sizeof(text), "SELECT count(*) FROM deployment.%s", tables[i]);
        assert_string_equal(db_rows(conn, text), "0");
    }
}

/* However many wait behind one that runs, a claim passes them by. */
static void test_a_long_queue(void **state)
{
    (void)state;
    request("dev", "FAIL");
    db_run(conn, accept);
    db_run(conn, claim);
    db_run(conn,
           "INSERT INTO users.access_right (project, \"user\", role) VALUES ('website:w', 'ann@x.org', "
           "'Runner');"
           "SET LOCAL session_replication_role = replica;"
           "INSERT INTO deployment.deployment (project, type, docroot, environment, version, requester, "
           "status, queue) SELECT 'website:w', 'WEBSITE', 'd', 'dev', '1', 'ann@x.org', 'ACCEPTED', "
           "1000000 + g FROM generate_series(1, 3000) g;"
           "SET LOCAL session_replication_role = origin; ANALYZE deployment.deployment;"
           "SELECT set_config('sitewire.user', 'ann@x.org', true), "
           "set_config('sitewire.admin', 'on', true)");
    static const char looks[] = "SELECT idx_scan FROM pg_stat_xact_user_tables "
                                "WHERE relid = 'deployment.deployment'::regclass";
    char before[32];
    snprintf(before, sizeof(before), "%s", db_rows(conn, looks));
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM deployment.claim_next('r', '{}', '{}', '{}', 0)"),
                        "0");
    long long count = strtoll(db_rows(conn, looks), NULL, 10) - strtoll(before, NULL, 10);
    if (count > 100)
        fail_msg("%lld looks into an index for 3000 that wait", count);
    db_run(conn, "UPDATE deployment.deployment SET status = 'FAILED' WHERE status = 'IN_PROGRESS'");
    assert_string_equal(
        db_rows(conn, "SELECT (deployment).queue FROM deployment.claim_next('r', '{}', '{}', '{}', 0)"),
        "1000001");
}

int main(void)
{
    conn = db_open_registry("deployment");
    db_run(conn, rows);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_move),
        cmocka_unit_test(test_what_is_refused),
        cmocka_unit_test_setup_teardown(test_begins_as_requested, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_lost_leases, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_one_at_a_time, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_protected, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_renames, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_registry_follows, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_many_rows_of_others, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_a_long_queue, db_begin, db_rollback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

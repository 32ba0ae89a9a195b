/* Leases and the relay after a failover to a server whose clock is wrong: two hours ahead, one hour
 * behind. The servers run under libfaketime. */
#include "db.h"
#include "pg.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>

#include <cmocka.h>

static PGconn *conn;
static char *conninfo;

static const char rows[] =
    "INSERT INTO website (code) VALUES ('w'); INSERT INTO docroot (code) VALUES ('d');"
    "INSERT INTO environment (code) VALUES ('dev');"
    "INSERT INTO docroot_environment (docroot, environment) VALUES ('d', 'dev');"
    "INSERT INTO users.\"user\" (email) VALUES ('ann@x.org');"
    "INSERT INTO users.access_right (project, \"user\", role) VALUES ('website:w', 'ann@x.org', 'Owner');"
    "INSERT INTO deployment.deployment (project, type, docroot, environment, version, requester) "
    "VALUES ('website:w', 'WEBSITE', 'd', 'dev', '1', 'ann@x.org');"
    "UPDATE deployment.deployment SET status = 'ACCEPTED';"
    "SELECT deployment.sweep(); SELECT deployment.relay(false, 10)";
static const char claim[] = "UPDATE deployment.deployment SET status = 'IN_PROGRESS', runner = 'r', "
                            "runner_user = 'ann@x.org', lease_until = now() + interval '1 min'";
static const char renew[] =
    "UPDATE deployment.deployment SET lease_until = clock_timestamp() + interval '1 min'";
static const char left[] =
    "SELECT status, lease_until - clock_timestamp() BETWEEN interval '30 s' AND interval "
    "'61 s' FROM deployment.deployment";

static void expect(const char *sql, const char *value)
{
    assert_string_equal(db_rows(conn, sql), value);
}

/* The server runs; what the first sweep does there. */
static void look_at_leases(void)
{
    expect("SELECT deployment.sweep()", "0");
    expect(left, "IN_PROGRESS|t");
    expect("SELECT deployment.sweep()", "0");
    db_run(conn, renew);
    expect(left, "IN_PROGRESS|t");
}

/* No other session holds the relay, whatever the row says. */
static void look_at_relay(void)
{
    db_run(conn, "UPDATE deployment.relay SET holder = (SELECT min(pid) FROM pg_stat_activity)");
    expect("SELECT count(*) > 0 FROM deployment.relay(true, 10)", "t");
    expect("SELECT holder = pg_backend_pid() AND until < clock_timestamp() + interval '4 s' FROM "
           "deployment.relay",
           "t");
}

static void two_hours_ahead(void **state)
{
    (void)state;
    assert_true(pg_fixture_crash());
    assert_true(pg_fixture_promote());
    conn = db_open(conninfo);
    expect("SELECT clock_timestamp() - lease_until > interval '1 hour' FROM deployment.deployment", "t");
    db_run(conn, "BEGIN"); /* the runner may renew before the first sweep */
    db_run(conn, renew);
    db_run(conn, "ROLLBACK");
    look_at_leases();
    look_at_relay();
    db_run(conn, "UPDATE deployment.deployment SET lease_until = clock_timestamp() - interval '1 s'");
    expect("SELECT deployment.sweep()", "1"); /* a lease of this server's own does lapse */
    expect("SELECT status, failure FROM deployment.deployment", "FAILED|the runner r was lost");
    PQfinish(conn);
}

static void one_hour_behind(void **state)
{
    (void)state;
    pg_fixture_set_clock("-1h");
    assert_true(pg_fixture_restart());
    char *first = NULL;
    assert_true(asprintf(&first, "%s port=5432", conninfo) > 0);
    conn = db_open(first);
    free(first);
    db_run(conn, "ALTER SYSTEM RESET synchronous_standby_names");
    db_run(conn, "SELECT pg_reload_conf()");
    expect("SELECT lease_until - clock_timestamp() > interval '50 min' FROM deployment.deployment", "t");
    look_at_leases();
    look_at_relay();
    PQfinish(conn);
}

static int set_up(void **state)
{
    (void)state;
    PGconn *main = db_open_registry("clocks");
    char *base = NULL;
    if (asprintf(&base, "host=%s user=postgres dbname=clocks", PQhost(main)) < 0)
        return -1;
    conninfo = pg_fixture_on_standby(base);
    free(base);
    pg_fixture_set_clock("+2h");
    if (!pg_fixture_start_standby())
        return -1;
    db_run(main, rows);
    db_run(main, claim);
    PQfinish(main);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    free(conninfo);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(two_hours_ahead), cmocka_unit_test(one_hour_behind)};
    if (!pg_fixture_set_clock(NULL)) {
        print_message("libfaketime is not installed\n");
        return 77;
    }
    return cmocka_run_group_tests_name("clocks", tests, set_up, tear_down);
}

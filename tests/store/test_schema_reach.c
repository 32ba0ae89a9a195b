/* What the login of each service reaches: the tables that are registered for it, and the functions
 * that its methods call. Everything in the database is tried as every login, so whatever a new
 * grant opens without need fails here. */
#include "db.h"
#include "pg.h"
#include "service/service.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static PGconn *owner;
static char *conninfo;

/* Each service with the statements that stand in its C sources. */
static const struct login {
    const char *name;
    const sw_service *service;
    const char *statements;
} logins[] = {
    {"sitewire_referential", &sw_service_referential, ""},
    {"sitewire_user", &sw_service_user, "users.seal_head(" /* src/service/seal_head.c */},
    {"sitewire_deployment", &sw_service_deployment, "deployment.relay(" /* src/service/relay.c */},
};
enum { LOGINS = sizeof(logins) / sizeof(*logins) };

/* What the store itself calls, for every service; and src/service/refusals.c. */
static const char store_statements[] =
    "sitewire.enter( sitewire.as_of( sitewire.next_revision( sitewire.missing_duties( "
    "sitewire.unregistered( sitewire.altered( sitewire.resource_at( sitewire.may_replay( "
    "users.record_refusals(";

/* Relations that no registration names, with the privileges that the service needs, and why. */
static const struct {
    const char *login, *relation, *privileges; /* login NULL: all */
} beside[] = {
    {NULL, "sitewire.schema", "SELECT"},                             /* whether the program fits */
    {NULL, "sitewire.setting", "SELECT"},                            /* the key of its page tokens */
    {NULL, "sitewire.request", "SELECT INSERT UPDATE DELETE"},       /* request_id; row security */
    {NULL, "users.rights_version", "SELECT"},                        /* whether rights have changed */
    {"sitewire_deployment", "deployment.relay", "SELECT(position)"}, /* ReadEventPosition */
    {"sitewire_deployment", "deployment.readable", "SELECT"},        /* policies on events */
};

static PGconn *open_as(const char *login)
{
    char text[512];
    snprintf(text, sizeof(text), "%s user=%s", conninfo, login);
    return db_open(text);
}

/* A file beside this one. The caller frees it. */
static char *read_file(const char *name)
{
    enum { MOST = 65536 };
    char *path = NULL, *text = calloc(1, MOST);
    assert_true(asprintf(&path, "%s/store/%s", SW_TESTS, name) > 0);
    FILE *file = fopen(path, "re");
    assert_non_null(file);
    assert_true(fread(text, 1, MOST - 1, file) > 0);
    fclose(file);
    free(path);
    return text;
}

/* What the login reaches, as the file finds it. The caller frees it. */
static char *reach(const char *login, const char *file)
{
    PGconn *conn = open_as(login);
    char *sql = read_file(file);
    db_run(conn, sql);
    free(sql);
    char *text = strdup(db_rows(conn, "SELECT current_setting('test.reach')"));
    PQfinish(conn);
    return text;
}

static bool has_line(const char *text, const char *line)
{
    size_t length = strlen(line);
    for (const char *at = text; (at = strstr(at, line)); at += length)
        if ((at == text || at[-1] == '\n') && (at[length] == '\n' || at[length] == '\0'))
            return true;
    return false;
}

static void add_line(char *text, size_t size, const char *relation, const char *privilege, size_t length)
{
    size_t used = strlen(text);
    snprintf(text + used, size - used, "%s %.*s\n", relation, (int)length, privilege);
}

/* `relation PRIVILEGE` for each one of the list, which is separated by spaces. */
static void add_privileges(char *text, size_t size, const char *relation, const char *privileges)
{
    for (const char *at = privileges; *at; at += strspn(at, " ")) {
        size_t length = strcspn(at, " ");
        add_line(text, size, relation, at, length);
        at += length;
    }
}

static void expect_relations(const struct login *login, char *text, size_t size)
{
    char sql[512];
    snprintf(sql, sizeof(sql),
             "SELECT string_agg(format('%%s %%s', coalesce(r.listing, r.relation), p), E'\\n') || E'\\n' "
             "FROM sitewire.resource r, unnest(r.privileges) p WHERE r.service = '%s'",
             login->name);
    snprintf(text, size, "%s", db_rows(owner, sql));
    for (size_t i = 0; i < sizeof(beside) / sizeof(*beside); i++)
        if (!beside[i].login || strcmp(beside[i].login, login->name) == 0)
            add_privileges(text, size, beside[i].relation, beside[i].privileges);
}

/* Each line of `lines` is one of `others`. Shows all that are not. */
static void are_all_in(const char *login, const char *lines, const char *others, const char *what)
{
    char line[512];
    int wrong = 0;
    for (const char *at = lines; *at; at += strspn(at, "\n")) {
        size_t length = strcspn(at, "\n");
        snprintf(line, sizeof(line), "%.*s", (int)length, at);
        at += length;
        if (has_line(others, line))
            continue;
        fprintf(stderr, "%s %s: %s\n", login, what, line);
        wrong++;
    }
    assert_int_equal(wrong, 0);
}

static void relations(void **state)
{
    (void)state;
    static char expected[65536];
    for (int i = 0; i < LOGINS; i++) {
        char *reached = reach(logins[i].name, "reach_relations.sql");
        expect_relations(&logins[i], expected, sizeof(expected));
        are_all_in(logins[i].name, reached, expected, "reaches what is not registered for it");
        are_all_in(logins[i].name, expected, reached, "does not reach what it needs");
        free(reached);
    }
}

static void add_text(char *text, size_t size, const char *more)
{
    size_t used = strlen(text);
    assert_true(used + strlen(more ? more : "") + 2 < size);
    snprintf(text + used, size - used, "%s\n", more ? more : "");
}

/* All statements that a service sends. */
static void collect_statements(const struct login *login, char *text, size_t size)
{
    *text = '\0';
    add_text(text, size, store_statements);
    add_text(text, size, login->statements);
    add_text(text, size, login->service->periodic);
    for (const sw_query *query = login->service->queries; query->service; query++) {
        add_text(text, size, query->sql);
        add_text(text, size, query->lookup);
    }
}

static void functions(void **state)
{
    (void)state;
    static char statements[65536];
    char *needed = read_file("reach_needed.sql");
    for (int i = 0; i < LOGINS; i++) {
        char *reached = reach(logins[i].name, "reach_functions.sql");
        collect_statements(&logins[i], statements, sizeof(statements));
        const char *values[] = {logins[i].name, statements};
        PGresult *result = PQexecParams(owner, needed, 2, NULL, values, NULL, NULL, 0);
        if (PQresultStatus(result) != PGRES_TUPLES_OK)
            fail_msg("%s", PQerrorMessage(owner));
        are_all_in(logins[i].name, reached, PQgetvalue(result, 0, 0),
                   "may call what none of its methods calls");
        are_all_in(logins[i].name, PQgetvalue(result, 0, 0), reached, "may not call what it needs");
        PQclear(result);
        free(reached);
    }
    free(needed);
}

/* A login reads the past of its own resources alone, its own records, and its own key. */
static void own_rows(void **state)
{
    (void)state;
    db_run(owner, "INSERT INTO sitewire.request (request_id, method, request_hash) VALUES "
                  "('one', '/sitewire.user.v1.Users/UpdateUser', ''), "
                  "('one', '/sitewire.referential.v1.Referential/UpdateWebsite', '')");
    static const char *const foreign[] = {"User", "Website", "Website"};
    static const char *const records[] = {"/sitewire.referential.v1.Referential/UpdateWebsite",
                                          "/sitewire.user.v1.Users/UpdateUser", ""};
    char keys[LOGINS][80], sql[256];
    for (int i = 0; i < LOGINS; i++) {
        PGconn *conn = open_as(logins[i].name);
        db_run(conn, "SELECT sitewire.enter('', 'admin@localhost', 'profile', '', '', '')");
        snprintf(sql, sizeof(sql), "SELECT * FROM sitewire.as_of('%s', now(), NULL, NULL)", foreign[i]);
        db_fails(conn, sql, "SW005", NULL);
        assert_string_equal(db_rows(conn, "SELECT method FROM sitewire.request"), records[i]);
        db_fails(conn,
                 "INSERT INTO sitewire.request (request_id, method, request_hash) "
                 "VALUES ('two', '/sitewire.other.v1.Others/Update', '')",
                 "42501", NULL);
        db_fails(conn, "SELECT FROM sitewire.stored_setting", "42501", NULL);
        snprintf(keys[i], sizeof(keys[i]), "%s",
                 db_rows(conn, "SELECT encode(value, 'hex') FROM sitewire.setting"));
        assert_int_equal(strlen(keys[i]), 64);
        for (int other = 0; other < i; other++)
            assert_string_not_equal(keys[i], keys[other]);
        PQfinish(conn);
    }
}

/* A grant that nobody registered is noticed: the comparison is able to fail. */
static void a_slip(void **state)
{
    (void)state;
    static char expected[65536];
    db_run(owner, "GRANT SELECT (position) ON users.seal TO sitewire_deployment");
    char *reached = reach("sitewire_deployment", "reach_relations.sql");
    expect_relations(&logins[2], expected, sizeof(expected));
    assert_true(has_line(reached, "users.seal SELECT(position)"));
    assert_false(has_line(expected, "users.seal SELECT(position)"));
    free(reached);
    db_run(owner, "REVOKE ALL ON users.seal FROM sitewire_deployment");
}

static int open_database(void **state)
{
    (void)state;
    owner = db_open_registry("reach");
    db_run(owner, "SET search_path = pg_catalog"); /* so that each name has its schema */
    const char *start = pg_fixture_start();
    size_t size = strlen(start) + 32;
    conninfo = malloc(size);
    snprintf(conninfo, size, "%s dbname=reach", start);
    return 0;
}

static int close_database(void **state)
{
    (void)state;
    PQfinish(owner);
    free(conninfo);
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(relations), cmocka_unit_test(functions),
                                       cmocka_unit_test(own_rows), cmocka_unit_test(a_slip)};
    return cmocka_run_group_tests_name("reach", tests, open_database, close_database);
}

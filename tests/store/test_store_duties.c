/* A resource is guarded by default. An entity that is registered has every duty of a resource;
 * without one of them, and for every table that nobody registered, the store refuses to serve by
 * name; and a query that declares nothing is for admins. */
#include "db.h"
#include "service/service.h"
#include "store/pg/migration.h"
#include "store_fixture.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#define SERVICE &sw__referential__descriptor

static test_store test;

/* The entity: the message Registrar over a table that this test makes from nothing. */
static const sw_resource entity[] = {
    {SERVICE, &sw__registrar__descriptor, "Registrars", "referential.registrar", 1, NULL, NULL, NULL},
    {0},
};
static const sw_query queries[] = {
    {.service = SERVICE, .method = "FindVersions", .sql = "SELECT 'undeclared' AS type"},
    {.service = SERVICE,
     .method = "ListImpact",
     .sql = "SELECT 'admin' AS type",
     .requires = SW_REQUIRES_ADMIN},
    {.service = SERVICE,
     .method = "CompareEnvironments",
     .sql = "SELECT 'profile' AS type",
     .requires = SW_REQUIRES_PROFILE},
    {.service = SERVICE,
     .method = "ListExpirations",
     .sql = "SELECT 'open' AS type",
     .requires = SW_REQUIRES_OPEN},
    {0},
};

/* The registry without it, as before somebody added the entity. */
static const char table[] =
    "DROP TABLE referential.registrar CASCADE; DELETE FROM sitewire.resource WHERE name = 'Registrar';"
    "DELETE FROM users.rule WHERE resource = 'Registrar';"
    "CREATE TABLE referential.registrar (code text PRIMARY KEY, name text NOT NULL DEFAULT '',"
    " created_at timestamptz NOT NULL DEFAULT now(), updated_at timestamptz NOT NULL DEFAULT now(),"
    " revision bigint NOT NULL DEFAULT 1)";
static const char registration[] =
    "SELECT sitewire.keep_resource('referential.registrar', 'sitewire_referential', read => 'profile')";
static const char people[] =
    "INSERT INTO referential.website (code) VALUES ('w');"
    "INSERT INTO users.\"user\" (email) VALUES ('external@x.org'), ('stranger@x.org');"
    "INSERT INTO users.access_right VALUES ('website:w', 'external@x.org', 'External')";

/* A store that looks at the schema as it is now refuses, and says this. */
static void refused(const char *text)
{
    test_store_restart(&test);
    test_store_wait_reason(&test, text);
    assert_false(test.serving);
}

static void served(void)
{
    test_store_restart(&test);
    test_store_wait(&test, true);
}

/* --- The entity --- */

static const Sw__Registrar *create(const char *code)
{
    Sw__Registrar row = SW__REGISTRAR__INIT;
    Sw__CreateRegistrarRequest request = SW__CREATE_REGISTRAR_REQUEST__INIT;
    row.code = (char *)code;
    request.registrar = &row;
    return test_store_call(&test, "CreateRegistrar", &request.base, NULL);
}

static const void *delete_row(const char *code)
{
    Sw__DeleteRegistrarRequest request = SW__DELETE_REGISTRAR_REQUEST__INIT;
    request.code = (char *)code;
    return test_store_call(&test, "DeleteRegistrar", &request.base, NULL);
}

static const Sw__Registrar *rename_to(const char *code, const char *name)
{
    Sw__Registrar row = SW__REGISTRAR__INIT;
    Sw__UpdateRegistrarRequest request = SW__UPDATE_REGISTRAR_REQUEST__INIT;
    row.code = (char *)code;
    row.name = (char *)name;
    request.registrar = &row;
    return test_store_call(&test, "UpdateRegistrar", &request.base, NULL);
}

static const Sw__Registrar *get(const char *code, Google__Protobuf__Timestamp *read_time)
{
    Sw__GetRegistrarRequest request = SW__GET_REGISTRAR_REQUEST__INIT;
    request.code = (char *)code;
    request.read_time = read_time;
    return test_store_call(&test, "GetRegistrar", &request.base, NULL);
}

/* One call has made a whole resource of the table. */
static void complete_entity(void **state)
{
    (void)state;
    served();
    assert_non_null(create("one"));
    Google__Protobuf__Timestamp then = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    sscanf(db_rows(test.conn, "SELECT floor(extract(epoch FROM clock_timestamp()))::bigint || ' ' || "
                              "(extract(microseconds FROM clock_timestamp())::bigint % 1000000) * 1000"),
           "%" SCNd64 " %" SCNd32, &then.seconds, &then.nanos);
    const Sw__Registrar *row = rename_to("one", "One");
    assert_int_equal(row->revision, 2);
    assert_string_equal(db_rows(test.conn, "SELECT updated_at > created_at FROM referential.registrar"), "t");
    assert_string_equal(get("one", NULL)->name, "One");
    assert_string_equal(get("one", &then)->name, "");
    assert_string_equal(db_rows(test.conn,
                                "SELECT string_agg(concat_ws(' ', operation, key, actor), ', ' ORDER BY id) "
                                "FROM users.change WHERE resource = 'Registrar'"),
                        "INSERT one admin@localhost, UPDATE one admin@localhost");
    /* Who is no admin reads, and does nothing else. */
    test.caller = "external@x.org";
    assert_non_null(get("one", NULL));
    assert_null(create("two"));
    test_store_failed(SW_PERMISSION_DENIED, NULL,
                      "external@x.org may not create this Registrar: only admins may");
    assert_null(rename_to("one", "Mine"));
    test_store_failed(SW_PERMISSION_DENIED, NULL, "only admins may");
    assert_null(delete_row("one"));
    test_store_failed(SW_PERMISSION_DENIED, NULL, "only admins may");
    test.caller = "stranger@x.org";
    assert_null(get("one", NULL));
    test_store_failed(SW_PERMISSION_DENIED, NULL, "no access right");
    test.caller = NULL;
    assert_non_null(delete_row("one"));
    assert_string_equal(db_rows(test.conn, "SELECT count(*) FROM users.change WHERE resource = 'Registrar'"),
                        "3");
    db_run(test.conn,
           "INSERT INTO referential.registrar (code) VALUES ('x'); TRUNCATE referential.registrar");
    assert_string_equal(db_rows(test.conn, "SELECT operation FROM users.change ORDER BY id DESC LIMIT 1"),
                        "DELETE");
    /* What lists types reads the registration. */
    db_run(test.conn, "INSERT INTO referential.registrar (code) VALUES ('x')");
    assert_string_equal(db_rows(test.conn, "SELECT referential.find('Registrar', 'x', 'key')"), "{x}");
    assert_string_equal(db_rows(test.conn, "SELECT sitewire.row_of('Registrar', 'x')->>'code'"), "x");
    db_run(test.conn, "DELETE FROM referential.registrar");
}

/* Without words of its own a registration opens nothing, not even for reading. */
static void closed_by_default(void **state)
{
    (void)state;
    db_run(test.conn, "SELECT sitewire.keep_resource('referential.registrar', 'sitewire_referential')");
    served();
    assert_non_null(create("one"));
    test.caller = "external@x.org";
    assert_null(get("one", NULL));
    test_store_failed(SW_NOT_FOUND, NULL, NULL);
    assert_null(create("two"));
    test_store_failed(SW_PERMISSION_DENIED, NULL, "only admins may");
    test.caller = NULL;
    assert_non_null(delete_row("one"));
    db_run(test.conn, registration);
}

/* --- Duties --- */

#define REPLACE(name, timing, condition, function)                                                           \
    "CREATE OR REPLACE TRIGGER " name " " timing " ON referential.registrar FOR EACH ROW " condition         \
    " EXECUTE FUNCTION " function

static void duties_removed_in_turn(void **state)
{
    (void)state;
    static const struct {
        const char *removal, *duty;
    } cases[] = {
        {"DROP TRIGGER touch ON referential.registrar", "timestamps;"},
        {"ALTER TABLE referential.registrar DISABLE TRIGGER touch", "timestamps;"},
        {"DROP TRIGGER guard ON referential.registrar", "guard;"},
        {"ALTER TABLE referential.registrar DISABLE TRIGGER guard", "guard;"},
        {"DROP TRIGGER record ON referential.registrar", "history;"},
        {"DROP TRIGGER record_update ON referential.registrar", "history;"},
        {"DROP TRIGGER record_truncate ON referential.registrar", "history;"},
        {"ALTER TABLE referential.registrar DISABLE TRIGGER ALL", "timestamps, guard, history;"},
        {"ALTER TABLE referential.registrar DISABLE ROW LEVEL SECURITY", "row security;"},
        {"DROP POLICY read ON referential.registrar", "row security;"},
        {"CREATE POLICY everybody ON referential.registrar FOR SELECT USING (true)", "row security;"},
        {"DELETE FROM users.rule WHERE resource = 'Registrar' AND action = 'delete'", "rules;"},
        {"REVOKE INSERT ON referential.registrar FROM sitewire_referential", "grants;"},
        {"GRANT SELECT ON referential.registrar TO PUBLIC", "grants;"},
        {"GRANT UPDATE (name) ON referential.registrar TO sitewire_user", "grants;"},
        /* The same, changed in place: names and comments stay. */
        {"ALTER POLICY read ON referential.registrar USING (1 = 1)", "row security;"},
        {"ALTER POLICY read ON referential.registrar TO sitewire_service, sitewire_user", "row security;"},
        {"ALTER POLICY \"create\" ON referential.registrar WITH CHECK (true OR false)", "row security;"},
        {REPLACE("guard", "BEFORE INSERT OR UPDATE OR DELETE", "WHEN (false)", "users.guard('Registrar')"),
         "guard;"},
        {REPLACE("guard", "BEFORE INSERT", "WHEN (current_setting('sitewire.admin', true) <> 'on')",
                 "users.guard('Registrar')"),
         "guard;"},
        {REPLACE("guard", "BEFORE INSERT OR UPDATE OR DELETE", "", "users.guard('Cms')"), "guard;"},
        {REPLACE("touch", "BEFORE UPDATE", "WHEN (false)", "sitewire.touch()"), "timestamps;"},
        {REPLACE("record_update", "AFTER UPDATE", "WHEN (false)", "users.record('Registrar', '{}', 'code')"),
         "history;"},
        {REPLACE("record", "AFTER INSERT OR DELETE", "", "users.record('Registrar', '{code}', 'code')"),
         "history;"},
        {"SET session_replication_role = replica; DELETE FROM users.history WHERE resource = 'Registrar';"
         "RESET session_replication_role",
         "as-of;"},
        {"DELETE FROM sitewire.resource WHERE name = 'Registrar'",
         "registration; register it with sitewire.keep_resource('referential.registrar', ...)"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[200];
        snprintf(text, sizeof(text), "referential.registrar is not guarded: it lacks %s", cases[i].duty);
        db_run(test.conn, cases[i].removal);
        refused(text);
        db_run(test.conn, "DROP POLICY IF EXISTS everybody ON referential.registrar");
        db_run(test.conn, registration);
        assert_string_equal(
            db_rows(test.conn, "SELECT * FROM sitewire.missing_duties('referential.registrar')"), "");
    }
    served();
}

/* The rows of a table that inherits are read and written through its parent, without the parent's
 * triggers; a rule writes with its owner's rights. */
static void rows_without_triggers(void **state)
{
    (void)state;
    static const char *const cases[][2] = {
        {"CREATE TABLE referential.heir () INHERITS (referential.registrar)", "DROP TABLE referential.heir"},
        {"CREATE RULE hasty AS ON UPDATE TO referential.registrar DO ALSO DELETE FROM referential.cms",
         "DROP RULE hasty ON referential.registrar"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        db_run(test.conn, cases[i][0]);
        refused("referential.registrar is not guarded: it lacks triggers for all rows; drop the rule, or");
        db_run(test.conn, cases[i][1]);
    }
    db_run(test.conn, "CREATE TABLE referential.parted (code text PRIMARY KEY, created_at timestamptz,"
                      " updated_at timestamptz, revision bigint) PARTITION BY LIST (code);"
                      "CREATE TABLE referential.part PARTITION OF referential.parted DEFAULT;"
                      "SELECT sitewire.keep_resource('referential.parted', 'sitewire_referential')");
    static const char missing[] = "SELECT duty FROM sitewire.missing_duties('referential.parted')";
    assert_string_equal(db_rows(test.conn, missing), "");
    db_run(test.conn, "ALTER TABLE referential.part DISABLE TRIGGER guard");
    assert_string_equal(db_rows(test.conn, missing), "triggers for all rows");
    db_run(test.conn, "DROP TABLE referential.parted;"
                      "DELETE FROM sitewire.resource WHERE name = 'Parted'");
    served();
}

/* History and rights know a resource by the name of its table, so a row with another message is
 * refused. */
static void names_agree(void **state)
{
    (void)state;
    static const sw_resource other[] = {
        {SERVICE, &sw__registrar__descriptor, "Registrars", "referential.cms", 1, NULL, NULL, NULL}, {0}};
    test.resources = other;
    refused("referential.cms is not guarded: it lacks name; ");
    test.resources = entity;
    served();
}

/* Every duty was removed above, so a new one needs a case there. */
static void all_duties_are_known(void **state)
{
    (void)state;
    assert_string_equal(
        db_rows(test.conn,
                "SELECT string_agg(duty, ' ' ORDER BY duty) FROM sitewire.duties('referential.registrar')"),
        "as-of grants guard history row security rules timestamps triggers for all rows");
    assert_string_equal(db_rows(test.conn, "SELECT r.name, d.duty FROM sitewire.resource r, "
                                           "sitewire.missing_duties(r.relation::regclass) d"),
                        "");
}

/* A column of the bookkeeping that is gone cannot be made up for by a call. */
static void columns_are_a_duty(void **state)
{
    (void)state;
    db_run(test.conn, "CREATE TABLE referential.bare (code text PRIMARY KEY)");
    db_fails(test.conn, "SELECT sitewire.keep_resource('referential.bare', 'sitewire_referential')", "P0001",
             NULL);
    db_run(test.conn, "ALTER TABLE referential.bare ADD created_at timestamptz, ADD updated_at timestamptz,"
                      " ADD revision bigint NOT NULL DEFAULT 1;"
                      "SELECT sitewire.keep_resource('referential.bare', 'sitewire_referential')");
    db_fails(test.conn,
             "SELECT sitewire.keep_resource('referential.bare', 'sitewire_referential', "
             "project => '''website:'' || {website}')",
             "P0001", NULL);
    db_fails(test.conn,
             "SELECT sitewire.keep_resource('referential.bare', 'sitewire_referential', "
             "exempt => '{grants}')",
             "P0001", NULL);
    db_run(test.conn, "DROP TABLE referential.bare; DELETE FROM sitewire.resource WHERE name = 'Bare'");
}

/* What somebody made in a hurry, wherever it is. */
static void tables_of_nobody(void **state)
{
    (void)state;
    static const struct {
        const char *sql, *name;
    } cases[] = {
        {"CREATE TABLE referential.hasty (code text); GRANT ALL ON referential.hasty TO sitewire_referential",
         "referential.hasty"},
        {"CREATE TABLE users.hasty (code text); GRANT INSERT ON users.hasty TO sitewire_service",
         "users.hasty"},
        {"CREATE TABLE public.hasty (code text); GRANT DELETE ON public.hasty TO PUBLIC", "public.hasty"},
        {"CREATE TABLE deployment.hasty (code text); GRANT UPDATE (code) ON deployment.hasty TO "
         "sitewire_user",
         "deployment.hasty"},
        {"CREATE VIEW referential.hasty AS SELECT * FROM referential.cms;"
         "GRANT UPDATE ON referential.hasty TO sitewire_referential",
         "referential.hasty"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char text[200];
        db_run(test.conn, cases[i].sql);
        snprintf(text, sizeof(text),
                 "%s is not guarded: it lacks registration; register it with "
                 "sitewire.keep_resource('%s', ...) in sql/schema/12_access.sql",
                 cases[i].name, cases[i].name);
        refused(text);
        snprintf(text, sizeof(text), "DROP %s %s", strstr(cases[i].sql, "VIEW") ? "VIEW" : "TABLE",
                 cases[i].name);
        db_run(test.conn, text);
    }
    served();
}

/* What was removed by hand from a resource of ours comes back with a migration. */
static void migrating_repairs(void **state)
{
    (void)state;
    sw_error error;
    db_run(test.conn, "DROP TRIGGER guard ON referential.website; DROP POLICY read ON users.key;"
                      "ALTER TABLE referential.domain DISABLE ROW LEVEL SECURITY;"
                      "GRANT SELECT ON users.key TO sitewire_referential");
    assert_string_equal(db_rows(test.conn, "SELECT r.name, d.duty FROM sitewire.resource r, "
                                           "sitewire.missing_duties(r.relation::regclass) d ORDER BY 1, 2"),
                        "Domain|row security\nKey|grants\nKey|row security\nWebsite|guard");
    if (sw_migrate_apply(test.conninfo, false, NULL, NULL, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_string_equal(db_rows(test.conn, "SELECT r.name, d.duty FROM sitewire.resource r, "
                                           "sitewire.missing_duties(r.relation::regclass) d"),
                        "");
}

static void repair(void)
{
    sw_error error;
    if (sw_migrate_apply(test.conninfo, false, NULL, NULL, &error) != SW_OK)
        fail_msg("%s", error.message);
    assert_string_equal(db_rows(test.conn, "SELECT * FROM sitewire.damage()"), "");
}

/* What rules rest on, changed by hand where it is: it is refused by name, and a migration repairs
 * it. */
static void definitions_changed_by_hand(void **state)
{
    (void)state;
    static const struct {
        const char *change, *said;
    } cases[] = {
        {"CREATE OR REPLACE FUNCTION users.is_admin() RETURNS boolean LANGUAGE sql AS 'SELECT true'",
         "function users.is_admin() was changed by hand; run `sitewire migrate`, which makes it again"},
        {"CREATE OR REPLACE FUNCTION users.owner_of(resource text, \"row\" jsonb) RETURNS text LANGUAGE sql "
         "AS 'SELECT users.me()'",
         "function users.owner_of(text,jsonb) was changed by hand; run `sitewire migrate`"},
        {"ALTER FUNCTION users.may_read(text) SET search_path = public",
         "function users.may_read(text) was changed by hand; run `sitewire migrate`"},
        {"CREATE FUNCTION users.may_read(name) RETURNS boolean LANGUAGE sql AS 'SELECT true'",
         "function users.may_read(name) was not made by sitewire; run `sitewire migrate`, which drops it"},
        {"CREATE TRIGGER zealous BEFORE INSERT ON referential.cms FOR EACH ROW EXECUTE FUNCTION "
         "sitewire.touch()",
         "trigger zealous on referential.cms was not made by sitewire; run `sitewire migrate`"},
        {"ALTER TABLE deployment.deployment DISABLE TRIGGER state",
         "trigger state on deployment.deployment was changed by hand; run `sitewire migrate`"},
        {"DROP TRIGGER keep ON users.change",
         "trigger keep on users.change is missing; run `sitewire migrate`"},
        {"CREATE POLICY everybody ON users.rule USING (true)",
         "policy everybody on users.rule was not made by sitewire; run `sitewire migrate`"},
        {"ALTER VIEW referential.secret_listing SET (security_barrier = false)",
         "view referential.secret_listing was changed by hand; run `sitewire migrate`"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        db_run(test.conn, "BEGIN");
        db_run(test.conn, cases[i].change);
        const char *said = db_rows(test.conn, "SELECT object || ' ' || complaint || '; ' || remedy FROM "
                                              "sitewire.altered()");
        if (strncmp(said, cases[i].said, strlen(cases[i].said)) != 0 || strchr(said, '\n'))
            fail_msg("expected %s, got %s", cases[i].said, said);
        db_run(test.conn, "ROLLBACK");
    }
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        db_run(test.conn, cases[i].change);
    refused(cases[0].said);
    repair();
    served();
}

/* A function that CHECK constraints call belongs to a numbered migration, which is not applied
 * again. */
static void check_function_changed_by_hand(void **state)
{
    (void)state;
    static const char said[] = "function sitewire.is_code(text) was changed by hand; define it again as in "
                               "sql/migrations";
    sw_error error;
    db_run(test.conn,
           "CREATE TABLE public.saved AS SELECT pg_get_functiondef('sitewire.is_code'::regproc) AS sql;"
           "CREATE OR REPLACE FUNCTION sitewire.is_code(value text) RETURNS boolean LANGUAGE sql "
           "IMMUTABLE AS 'SELECT true'; DROP POLICY read ON referential.website");
    refused(said);
    /* The rest is repaired. */
    assert_int_equal(sw_migrate_apply(test.conninfo, false, NULL, NULL, &error), SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, said));
    assert_string_equal(db_rows(test.conn, "SELECT object FROM sitewire.damage()"),
                        "function sitewire.is_code(text)");
    db_run(test.conn, "DO $$ BEGIN EXECUTE (SELECT sql FROM public.saved); END $$; DROP TABLE public.saved");
    repair();
    served();
}

/* Schema files that change under a running service do not disturb it. */
static void files_change_under_calls(void **state)
{
    (void)state;
    sw_schema_file files[64];
    sw_migration_set set = sw_migrations;
    int calls = 0, end;
    assert_true(set.file_count < 64);
    memcpy(files, set.files, (size_t)set.file_count * sizeof(*files));
    files[0].checksum = "changed";
    set.files = files;
    db_run(test.conn, "DELETE FROM referential.registrar");
    served();
    assert_non_null(create("busy"));
    pid_t child = fork();
    assert_true(child >= 0);
    if (child == 0)
        _exit(sw_migration_set_apply(&set, test.conninfo, false, NULL, NULL, NULL));
    for (; waitpid(child, &end, WNOHANG) == 0; calls++) {
        const Sw__Registrar *row = rename_to("busy", calls % 2 ? "odd" : "even");
        if (!row)
            fail_msg("call %d: %s", calls, test_store_last()->error.message);
    }
    assert_true(WIFEXITED(end));
    assert_int_equal(WEXITSTATUS(end), SW_OK);
    assert_true(calls > 0);
    assert_true(test.serving);
    assert_string_equal(
        db_rows(test.conn, "SELECT checksum FROM sitewire.schema_file WHERE name = '01_common'"), "changed");
    assert_string_equal(db_rows(test.conn, "SELECT revision = (SELECT count(*) FROM users.change c "
                                           "WHERE c.key = 'busy') FROM referential.registrar"),
                        "t");
    served();
}

/* --- Queries --- */

static void ask(const char *caller, const char *method, const ProtobufCMessage *request, sw_code code)
{
    test.caller = caller;
    test_store_call(&test, method, request, NULL);
    test.caller = NULL;
    if (test_store_last()->error.code != code)
        fail_msg("%s by %s: %s", method, caller, test_store_last()->error.message);
}

static void queries_require(void **state)
{
    (void)state;
    Sw__FindVersionsRequest undeclared = SW__FIND_VERSIONS_REQUEST__INIT;
    Sw__ListImpactRequest admin = SW__LIST_IMPACT_REQUEST__INIT;
    Sw__CompareEnvironmentsRequest profile = SW__COMPARE_ENVIRONMENTS_REQUEST__INIT;
    Sw__ListExpirationsRequest open = SW__LIST_EXPIRATIONS_REQUEST__INIT;
    served();
    static const char *const callers[] = {"admin@localhost", "external@x.org", "stranger@x.org",
                                          "nobody@x.org"};
    static const sw_code codes[][4] = {
        {SW_OK, SW_OK, SW_OK, SW_OK},
        {SW_PERMISSION_DENIED, SW_PERMISSION_DENIED, SW_OK, SW_OK},
        {SW_PERMISSION_DENIED, SW_PERMISSION_DENIED, SW_PERMISSION_DENIED, SW_OK},
        {SW_UNAUTHENTICATED, SW_UNAUTHENTICATED, SW_UNAUTHENTICATED, SW_UNAUTHENTICATED},
    };
    for (size_t i = 0; i < 4; i++) {
        ask(callers[i], "FindVersions", &undeclared.base, codes[i][0]);
        ask(callers[i], "ListImpact", &admin.base, codes[i][1]);
        ask(callers[i], "CompareEnvironments", &profile.base, codes[i][2]);
        ask(callers[i], "ListExpirations", &open.base, codes[i][3]);
    }
    ask("external@x.org", "FindVersions", &undeclared.base, SW_PERMISSION_DENIED);
    test_store_failed(SW_PERMISSION_DENIED, NULL, "external@x.org may not do this: only admins may");
}

/* The services' own queries have declared theirs: one is for admins. */
static void services_declare(void **state)
{
    (void)state;
    static const sw_service *const services[] = {&sw_service_referential, &sw_service_user,
                                                 &sw_service_deployment};
    char admin[200] = "", internal[200] = "", open[200] = "";
    for (size_t i = 0; i < 3; i++)
        for (const sw_query *query = services[i]->queries; query->service; query++) {
            char *list = query->requires == SW_REQUIRES_ADMIN      ? admin
                         : query->requires == SW_REQUIRES_INTERNAL ? internal
                         : query->requires == SW_REQUIRES_OPEN     ? open
                                                                   : NULL;
            if (list)
                snprintf(list + strlen(list), 200 - strlen(list), "%s ", query->method);
        }
    assert_string_equal(admin, "RotateSecrets Offboard ");
    assert_string_equal(internal, "Authenticate RecordRefusals ");
    assert_string_equal(open, "WhoAmI InviteKey ");
}

static int open_store(void **state)
{
    (void)state;
    test.resources = entity;
    test_store_open_bare(&test, "duties", queries);
    test_store_migrate(&test);
    db_run(test.conn, table);
    db_run(test.conn, registration);
    db_run(test.conn, people);
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
        cmocka_unit_test(complete_entity),
        cmocka_unit_test(closed_by_default),
        cmocka_unit_test(duties_removed_in_turn),
        cmocka_unit_test(rows_without_triggers),
        cmocka_unit_test(all_duties_are_known),
        cmocka_unit_test(names_agree),
        cmocka_unit_test(columns_are_a_duty),
        cmocka_unit_test(tables_of_nobody),
        cmocka_unit_test(queries_require),
        cmocka_unit_test(services_declare),
        cmocka_unit_test(migrating_repairs),
        cmocka_unit_test(definitions_changed_by_hand),
        cmocka_unit_test(check_function_changed_by_hand),
        cmocka_unit_test(files_change_under_calls),
    };
    return cmocka_run_group_tests(tests, open_store, close_store);
}

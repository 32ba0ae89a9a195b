/* Which permissions users hold, by which rows, and who made those rows. */
#include "db.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static PGconn *conn;

static const char rows[] =
    "INSERT INTO website (code) VALUES ('mine'), ('theirs');"
    "INSERT INTO users.\"user\" (email, kind, active, is_admin) VALUES"
    " ('ann@x.org', 'PERSON', true, false), ('bob@x.org', 'PERSON', true, false),"
    " ('eve@x.org', 'PERSON', true, false), ('gone@x.org', 'PERSON', false, true),"
    " ('robot@x.org', 'ROBOT', true, false), ('chief@x.org', 'PERSON', true, true);"
    "INSERT INTO users.access_right (project, \"user\", role) VALUES"
    " ('website:mine', 'ann@x.org', 'Owner'), ('website:mine', 'robot@x.org', 'Owner'),"
    " ('website:mine', 'gone@x.org', 'Owner'), ('website:theirs', 'bob@x.org', 'External'),"
    " ('website:theirs', 'chief@x.org', 'Runner');";

static void enter(const char *role, const char *user)
{
    char text[256];
    snprintf(text, sizeof(text), "RESET ROLE; SET ROLE %s", role);
    db_run(conn, text);
    snprintf(text, sizeof(text), "SELECT sitewire.enter('', '%s', 'profile', '', '', '')", user);
    db_run(conn, text);
}

static const char *permissions(const char *user, const char *project)
{
    char text[256];
    db_run(conn, "RESET ROLE");
    snprintf(text, sizeof(text), "SELECT array_to_string(users.permissions_of('%s', '%s'), ' ')", user,
             project);
    return db_rows(conn, text);
}

static void test_permissions(void **state)
{
    (void)state;
    assert_string_equal(permissions("ann@x.org", "website:mine"), "approve command deploy manage read");
    assert_string_equal(permissions("ann@x.org", "website:theirs"), "");
    assert_string_equal(permissions("bob@x.org", "website:theirs"), "command deploy read");
    /* A robot never approves, and somebody who is not active may nothing, admin or not. */
    assert_string_equal(permissions("robot@x.org", "website:mine"), "command deploy manage read");
    assert_string_equal(permissions("gone@x.org", "website:mine"), "");
    /* An admin may everything but run, unless a right says so. */
    assert_string_equal(permissions("chief@x.org", "website:mine"),
                        "approve command deploy manage override read");
    assert_string_equal(permissions("chief@x.org", "website:theirs"),
                        "approve command deploy manage override read run");
    db_run(conn, "UPDATE users.\"user\" SET kind = 'ROBOT' WHERE email = 'chief@x.org'");
    assert_string_equal(permissions("chief@x.org", "website:mine"), "command deploy manage override read");
    assert_string_equal(
        db_rows(conn,
                "SELECT step FROM users.explain('run', 'Website', 'mine', 'chief@x.org') WHERE NOT allowed"),
        "to run a Website takes: run; it needs run on website:mine, where chief@x.org has command, deploy, "
        "manage, override, read\nno");
}

static const char *maker(const char *project, const char *user)
{
    char text[256];
    db_run(conn, "RESET ROLE");
    snprintf(text, sizeof(text),
             "SELECT made_by, made_by_admin FROM users.access_right WHERE project = '%s' AND \"user\" = '%s'",
             project, user);
    return db_rows(conn, text);
}

static const char *chain(const char *user)
{
    char text[256];
    db_run(conn, "RESET ROLE");
    snprintf(text, sizeof(text), "SELECT users.approval_chain('%s', 'website:mine', '')", user);
    return db_rows(conn, text);
}

static void test_makers(void **state)
{
    (void)state;
    assert_string_equal(maker("website:mine", "ann@x.org"), "|t");
    assert_string_equal(chain("ann@x.org"), "t");
    assert_string_equal(chain("chief@x.org"), "t");
    assert_string_equal(chain("robot@x.org"), "f");
    assert_string_equal(chain("gone@x.org"), "f");
    assert_string_equal(chain("bob@x.org"), "f");
    /* Whatever the statement says, the maker is the caller. */
    enter("sitewire_user", "ann@x.org");
    db_run(conn, "INSERT INTO users.access_right (project, \"user\", role, made_by, made_by_admin)"
                 " VALUES ('website:mine', 'eve@x.org', 'Owner', 'chief@x.org', true)");
    assert_string_equal(maker("website:mine", "eve@x.org"), "ann@x.org|f");
    assert_string_equal(chain("eve@x.org"), "f");
    enter("sitewire_user", "ann@x.org");
    db_run(conn,
           "UPDATE users.access_right SET made_by = NULL, made_by_admin = true WHERE \"user\" = 'eve@x.org'");
    assert_string_equal(maker("website:mine", "eve@x.org"), "ann@x.org|f");
    enter("sitewire_user", "ann@x.org");
    /* To change somebody's right makes it one's own. */
    db_run(conn, "UPDATE users.access_right SET \"user\" = 'bob@x.org' WHERE \"user\" = 'ann@x.org'");
    assert_string_equal(maker("website:mine", "bob@x.org"), "ann@x.org|f");
    /* A rename changes no maker. */
    db_run(conn, "RESET ROLE; UPDATE users.\"user\" SET email = 'anna@x.org' WHERE email = 'ann@x.org'");
    assert_string_equal(maker("website:mine", "bob@x.org"), "anna@x.org|f");
    enter("sitewire_user", "chief@x.org");
    db_run(conn, "UPDATE users.\"user\" SET email = 'eva@x.org' WHERE email = 'eve@x.org'");
    assert_string_equal(maker("website:mine", "eva@x.org"), "anna@x.org|f");
    /* A right of an admin's own counts. */
    db_run(conn, "INSERT INTO users.access_right (project, \"user\", role) VALUES"
                 " ('website:mine', 'eva@x.org', 'Admin')");
    assert_string_equal(chain("eva@x.org"), "t");
    /* Makers can be deleted; what they made stays. */
    db_run(conn, "DELETE FROM users.access_right WHERE \"user\" = 'anna@x.org';"
                 "DELETE FROM users.\"user\" WHERE email = 'anna@x.org'");
    assert_string_equal(maker("website:mine", "bob@x.org"), "|f");
}

/* Sites of two organizations on two docroots, in two environments; a core on one docroot. */
static const char fleet[] =
    "INSERT INTO drupal_docroot_core (code) VALUES ('core');"
    "INSERT INTO docroot (code, drupal_docroot_core) VALUES ('d1', 'core'), ('d2', NULL);"
    "INSERT INTO environment (code, protected) VALUES ('dev', false), ('prod', true);"
    "INSERT INTO docroot_environment (docroot, environment) VALUES ('d1', 'dev'), ('d1', 'prod'), ('d2', "
    "'prod');"
    "INSERT INTO website (code, organization) VALUES ('a1', 'Acme'), ('a2', 'Acme'), ('b1', 'Bolt');"
    "INSERT INTO website_deployed (website, docroot, environment) VALUES"
    " ('a1', 'd1', 'dev'), ('a1', 'd1', 'prod'), ('a2', 'd2', 'prod'), ('b1', 'd1', 'prod');"
    "INSERT INTO users.\"group\" (code) VALUES ('team');"
    "INSERT INTO users.group_member (\"group\", \"user\") VALUES ('team', 'eve@x.org');";

static const char *reach(const char *user, const char *permission)
{
    char text[256];
    db_run(conn, "RESET ROLE");
    snprintf(text, sizeof(text),
             "SELECT string_agg(substr(project, strpos(project, ':') + 1) || coalesce('@' || environment, "
             "''), ' ' ORDER "
             "BY project) FROM users.reach('%s', '%s')",
             user, permission);
    return db_rows(conn, text);
}

static void grant(const char *code, const char *role, const char *fields, const char *values)
{
    char text[512];
    snprintf(text, sizeof(text),
             "RESET ROLE; INSERT INTO users.\"grant\" (code, role, %s) VALUES ('%s', '%s', %s)", fields, code,
             role, values);
    db_run(conn, text);
}

static const char *readable(const char *user)
{
    enter("sitewire_referential", user);
    return db_rows(conn, "SELECT string_agg(code, ' ' ORDER BY code) FROM website");
}

/* What scopes cover; what several have in common; what comes later. Each way to ask agrees. */
static void test_scopes(void **state)
{
    (void)state;
    static const struct {
        const char *fields, *values, *read, *deploy;
    } scopes[] = {
        {"organization", "'Acme'", "a1 a2", "a1 a2"},
        {"docroot", "'d1'", "core a1 b1", "core a1 b1"},
        {"environment", "'dev'", "core a1", "core@dev a1@dev"},
        {"environment", "'prod'", "core a1 a2 b1", "core@prod a1@prod a2@prod b1@prod"},
        {"organization, docroot", "'Acme', 'd1'", "a1", "a1"},
        {"organization, environment", "'Acme', 'dev'", "a1", "a1@dev"},
        {"docroot, environment", "'d2', 'prod'", "a2", "a2@prod"},
        {"docroot, environment", "'d2', 'dev'", "", ""},
        {"organization", "'Nobody'", "", ""},
        {"organization, expires_at", "'Acme', now()", "", ""},
        {"organization, expires_at", "'Acme', now() + interval '1 hour'", "a1 a2", "a1 a2"},
    };
    db_run(conn, fleet);
    for (size_t i = 0; i < sizeof(scopes) / sizeof(*scopes); i++) {
        char fields[128], values[128], said[256];
        snprintf(fields, sizeof(fields), "%s, \"group\"", scopes[i].fields);
        snprintf(values, sizeof(values), "%s, 'team'", scopes[i].values);
        grant("g", "Owner", fields, values);
        assert_string_equal(reach("eve@x.org", "read"), scopes[i].read);
        assert_string_equal(reach("eve@x.org", "deploy"), scopes[i].deploy);
        assert_string_equal(reach("eve@x.org", "run"), "");
        /* The projects one by one, the list of websites, and the profile. */
        assert_string_equal(
            db_rows(conn, "SELECT coalesce(string_agg(substr(code, strpos(code, ':') + 1), ' ' ORDER BY "
                          "code), '') FROM users.project WHERE 'read' = ANY "
                          "(users.permissions_of('eve@x.org', code))"),
            scopes[i].read);
        snprintf(said, sizeof(said), "%s",
                 strncmp(scopes[i].read, "core", 4) == 0 ? scopes[i].read + 5 : scopes[i].read);
        assert_string_equal(readable("eve@x.org"), said);
        db_run(conn, "RESET ROLE; DELETE FROM users.\"grant\"");
    }
    grant("all", "External", "everything, \"user\"", "true, 'eve@x.org'");
    assert_string_equal(reach("eve@x.org", "read"), "core a1 a2 b1 mine theirs");
    assert_string_equal(readable("eve@x.org"), "a1 a2 b1 mine theirs");
    assert_string_equal(db_rows(conn, "SELECT current_setting('sitewire.reads')"), "*");
    db_run(conn, "RESET ROLE; INSERT INTO website (code) VALUES ('new'); SET ROLE sitewire_referential");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM website"), "6");
    db_run(conn, "RESET ROLE; DELETE FROM users.\"grant\"; SET ROLE sitewire_referential");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM website"), "0");
}

/* A permission of an environment does not leave it. */
static void test_environments(void **state)
{
    (void)state;
    db_run(conn, fleet);
    grant("dev", "Owner", "environment, \"user\"", "'dev', 'eve@x.org'");
    assert_string_equal(permissions("eve@x.org", "website:a1"), "read");
    assert_string_equal(db_rows(conn, "SELECT users.permissions_of('eve@x.org', 'website:a1', 'dev')"),
                        "{approve,command,deploy,manage,read}");
    assert_string_equal(db_rows(conn, "SELECT users.permissions_of('eve@x.org', 'website:a1', 'prod')"),
                        "{read}");
    assert_string_equal(db_rows(conn, "SELECT users.permissions_of('eve@x.org', 'website:b1', 'dev')"), "{}");
    enter("sitewire_referential", "eve@x.org");
    db_run(conn,
           "UPDATE website_deployed SET website_version = '2' WHERE website = 'a1' AND environment = 'dev'");
    db_fails(conn, "UPDATE website_deployed SET website_version = '2' WHERE environment = 'prod'", "SW005",
             NULL);
    db_fails(conn,
             "UPDATE website_deployed SET environment = 'prod', docroot = 'd2' WHERE environment = 'dev'",
             "SW005", NULL);
    db_fails(conn, "UPDATE website SET name = 'x' WHERE code = 'a1'", "SW005", NULL);
    /* So do deployments. */
    enter("sitewire_deployment", "eve@x.org");
    assert_string_equal(db_rows(conn, "SELECT (deployment.request('website:a1', '', 'd1', 'dev', '3', "
                                      "ARRAY[ROW('', NULL, 'true', 0, 0, "
                                      "false)]::deployment.command[], '', '', true, NULL)).rights_used"),
                        "{\"deploy on website:a1 as Owner\",\"command on website:a1 as Owner\"}");
    db_fails(
        conn,
        "SELECT deployment.request('website:a1', '', 'd1', 'prod', '3', ARRAY[ROW('', NULL, 'true', 0, 0, "
        "false)]::deployment.command[], '', '', true, NULL)",
        "SW005", NULL);
    enter("sitewire_user", "eve@x.org");
    db_fails(conn,
             "INSERT INTO users.access_right (project, \"user\", role) VALUES ('website:a1', 'bob@x.org', "
             "'External')",
             "SW005", NULL);
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM users.\"user\""), "1");
}

/* Grants and memberships take what giving those rights takes. */
static void test_giving(void **state)
{
    (void)state;
    db_run(conn, fleet);
    grant("acme", "Owner", "organization, \"user\"", "'Acme', 'ann@x.org'");
    grant("short", "Owner", "docroot, \"user\", expires_at", "'d2', 'ann@x.org', now() + interval '1 hour'");
    grant("team", "External", "organization, \"group\"", "'Bolt', 'team'");
    enter("sitewire_user", "ann@x.org");
    static const char *const allowed[] = {
        "INSERT INTO users.\"grant\" (code, role, \"user\", organization) VALUES ('n1', 'Owner', "
        "'bob@x.org', 'Acme')",
        "INSERT INTO users.\"grant\" (code, role, \"user\", organization, environment) VALUES ('n2', "
        "'External', "
        "'bob@x.org', 'Acme', 'dev')",
        "INSERT INTO users.\"grant\" (code, role, \"user\", docroot, expires_at) VALUES ('n3', 'Owner', "
        "'bob@x.org', 'd2', "
        "now() + interval '1 minute')",
        "UPDATE users.\"grant\" SET role = 'External' WHERE code = 'n1'",
        "DELETE FROM users.\"grant\" WHERE code = 'n1'",
    };
    for (size_t i = 0; i < sizeof(allowed) / sizeof(*allowed); i++)
        db_run(conn, allowed[i]);
    assert_string_equal(db_rows(conn, "SELECT made_by, made_by_admin FROM users.\"grant\" WHERE code = 'n2'"),
                        "ann@x.org|f");
    static const char *const denied[] = {
        "INSERT INTO users.\"grant\" (code, role, \"user\", everything) VALUES ('x', 'External', "
        "'bob@x.org', true)",
        "INSERT INTO users.\"grant\" (code, role, \"user\", organization) VALUES ('x', 'External', "
        "'bob@x.org', 'Bolt')",
        "INSERT INTO users.\"grant\" (code, role, \"user\", organization) VALUES ('x', 'Admin', 'bob@x.org', "
        "'Acme')",
        "INSERT INTO users.\"grant\" (code, role, \"user\", organization) VALUES ('x', 'Runner', "
        "'bob@x.org', 'Acme')",
        /* Rights on all of today's projects do not give those of tomorrow. */
        "INSERT INTO users.\"grant\" (code, role, \"user\", environment) VALUES ('x', 'External', "
        "'bob@x.org', 'dev')",
        /* What one has for an hour, nobody gets for longer. */
        "INSERT INTO users.\"grant\" (code, role, \"user\", docroot) VALUES ('x', 'External', 'bob@x.org', "
        "'d2')",
        "UPDATE users.\"grant\" SET expires_at = NULL WHERE code = 'n3'",
        "UPDATE users.\"grant\" SET organization = 'Bolt' WHERE code = 'n2'",
        "UPDATE users.\"grant\" SET organization = '', everything = true, environment = NULL WHERE code = "
        "'n2'",
        "UPDATE users.\"grant\" SET \"user\" = NULL, \"group\" = 'team', organization = 'Bolt' WHERE code = "
        "'n2'",
        "INSERT INTO users.group_member (\"group\", \"user\") VALUES ('team', 'ann@x.org')",
        "INSERT INTO users.\"group\" (code) VALUES ('mine')",
    };
    for (size_t i = 0; i < sizeof(denied) / sizeof(*denied); i++)
        db_fails(conn, denied[i], "SW005", NULL);
    db_fails(conn,
             "INSERT INTO users.access_right (project, \"user\", role) VALUES ('website:a2', 'bob@x.org', "
             "'Admin')",
             "SW005", NULL);
    /* What she does not see, she does not end; as a member she sees it, and may not either. */
    assert_string_equal(db_rows(conn, "DELETE FROM users.\"grant\" WHERE code = 'team' RETURNING 1"), "");
    enter("sitewire_user", "eve@x.org");
    assert_string_equal(db_rows(conn, "SELECT code FROM users.\"grant\""), "team");
    assert_string_equal(db_rows(conn, "SELECT code FROM users.\"group\""), "team");
    db_fails(conn, "DELETE FROM users.\"grant\" WHERE code = 'team'", "SW005", NULL);
    db_fails(conn, "DELETE FROM users.group_member", "SW005", NULL);
    /* A group without grants may get some tomorrow. */
    db_run(conn, "RESET ROLE; DELETE FROM users.\"grant\" WHERE code = 'team'");
    enter("sitewire_user", "ann@x.org");
    db_fails(conn, "INSERT INTO users.group_member (\"group\", \"user\") VALUES ('team', 'ann@x.org')",
             "SW005", NULL);
    grant("team", "External", "organization, \"group\"", "'Acme', 'team'");
    enter("sitewire_user", "ann@x.org");
    db_run(conn, "INSERT INTO users.group_member (\"group\", \"user\") VALUES ('team', 'bob@x.org')");
    db_run(conn, "DELETE FROM users.group_member WHERE \"user\" = 'bob@x.org'");
    enter("sitewire_user", "chief@x.org");
    db_fails(conn, "INSERT INTO users.\"grant\" (code, role, organization) VALUES ('x', 'Owner', 'Acme')",
             "SW002", NULL);
    db_fails(conn, "INSERT INTO users.\"grant\" (code, role, \"user\") VALUES ('x', 'Owner', 'bob@x.org')",
             "SW002", NULL);
    db_fails(conn,
             "INSERT INTO users.\"grant\" (code, role, \"user\", everything, docroot) VALUES ('x', 'Owner', "
             "'bob@x.org', true, 'd1')",
             "SW002", NULL);
    /* A right that lasts takes permissions that last. */
    db_run(conn, "UPDATE users.\"grant\" SET expires_at = now() + interval '1 hour' WHERE code = 'acme'");
    enter("sitewire_user", "ann@x.org");
    db_fails(conn,
             "INSERT INTO users.access_right (project, \"user\", role) VALUES ('website:a1', 'bob@x.org', "
             "'External')",
             "SW005", NULL);
}

/* Moving a website into a scope gives it to the holders of that scope. */
static void test_moving_into_a_scope(void **state)
{
    (void)state;
    db_run(conn, fleet);
    db_run(conn, "INSERT INTO users.access_right (project, \"user\", role) VALUES ('website:a1', "
                 "'bob@x.org', 'Owner')");
    enter("sitewire_referential", "bob@x.org");
    db_run(conn, "UPDATE website SET organization = 'Bolt' WHERE code = 'a1'");
    grant("ops", "Runner", "organization, \"group\"", "'Acme', 'team'");
    enter("sitewire_referential", "bob@x.org");
    db_fails(conn, "UPDATE website SET organization = 'Acme' WHERE code = 'a1'", "SW005", NULL);
    db_run(conn, "RESET ROLE; UPDATE users.\"grant\" SET role = 'External'");
    enter("sitewire_referential", "bob@x.org");
    db_run(conn, "UPDATE website SET organization = 'Acme' WHERE code = 'a1'");
    db_run(conn, "UPDATE website SET organization = '' WHERE code = 'a1'");
    /* The holder could approve what bob requests: not by bob's move. */
    db_run(conn, "RESET ROLE; UPDATE users.\"grant\" SET role = 'Owner'");
    enter("sitewire_referential", "bob@x.org");
    db_fails(conn, "UPDATE website SET organization = 'Acme' WHERE code = 'a1'", "SW005", NULL);
    enter("sitewire_referential", "chief@x.org");
    db_run(conn, "UPDATE website SET organization = 'Acme' WHERE code = 'a1'");
}

static const char *chain_at(const char *user, const char *project, const char *environment)
{
    char text[256];
    db_run(conn, "RESET ROLE");
    snprintf(text, sizeof(text), "SELECT users.approval_chain('%s', '%s', '%s')", user, project, environment);
    return db_rows(conn, text);
}

static void test_chains(void **state)
{
    (void)state;
    db_run(conn, fleet);
    grant("team", "Owner", "environment, \"group\"", "'prod', 'team'");
    assert_string_equal(chain_at("eve@x.org", "website:a1", "prod"), "t");
    assert_string_equal(chain_at("eve@x.org", "website:a1", "dev"), "f");
    assert_string_equal(chain_at("eve@x.org", "website:mine", "prod"), "f");
    /* A membership that somebody else gave breaks the chain, and a second one by an admin mends
     * it. */
    db_run(conn, "INSERT INTO users.\"group\" (code) VALUES ('other')");
    grant("other", "Owner", "organization, \"group\"", "'Acme', 'other'");
    grant("ann", "Owner", "organization, \"user\"", "'Acme', 'ann@x.org'");
    enter("sitewire_user", "ann@x.org");
    db_run(conn, "INSERT INTO users.group_member (\"group\", \"user\") VALUES ('other', 'bob@x.org')");
    assert_string_equal(chain_at("bob@x.org", "website:a1", "prod"), "f");
    assert_string_equal(
        db_rows(conn, "SELECT 'approve' = ANY (users.permissions_of('bob@x.org', 'website:a1', 'prod'))"),
        "t");
    enter("sitewire_user", "chief@x.org");
    db_run(conn, "INSERT INTO users.group_member (\"group\", \"user\") VALUES ('team', 'bob@x.org')");
    assert_string_equal(chain_at("bob@x.org", "website:a1", "prod"), "t");
    /* An admin who prolongs what somebody else has made does not make it an admin's. */
    enter("sitewire_user", "ann@x.org");
    db_run(conn, "INSERT INTO users.\"grant\" (code, role, \"user\", organization, expires_at) VALUES "
                 "('gone', 'Owner', "
                 "'gone@x.org', 'Acme', now() + interval '1 hour')");
    enter("sitewire_user", "chief@x.org");
    db_run(conn, "UPDATE users.\"user\" SET is_admin = false, active = true WHERE email = 'gone@x.org';"
                 "UPDATE users.\"grant\" SET expires_at = NULL WHERE code = 'gone'");
    assert_string_equal(chain_at("gone@x.org", "website:a1", "prod"), "f");
    enter("sitewire_user", "chief@x.org");
    db_run(conn, "UPDATE users.\"grant\" SET role = 'Admin' WHERE code = 'gone'");
    assert_string_equal(chain_at("gone@x.org", "website:a1", "prod"), "t");
}

static void test_versions(void **state)
{
    (void)state;
    db_run(conn, fleet);
    db_run(conn, "INSERT INTO users.access_right (project, \"user\", role) VALUES ('website:a1', "
                 "'bob@x.org', 'Owner')");
    enter("sitewire_referential", "bob@x.org");
    db_run(conn,
           "UPDATE website_deployed SET website_version = '2' WHERE website = 'a1' AND environment = 'dev'");
    db_run(conn, "UPDATE website_deployed SET website_version = website_version WHERE website = 'a1'");
    static const char change[] =
        "UPDATE website_deployed SET website_version = '99.99' WHERE website = 'a1' AND "
        "environment = 'prod'";
    db_fails(conn, change, "SW005", NULL);
    enter("sitewire_referential", "chief@x.org");
    db_fails(conn, change, "SW002", NULL);
    db_fails(conn, "UPDATE docroot_environment SET cms_version = '9' WHERE environment = 'prod'", "SW002",
             NULL);
    db_run(conn, "UPDATE docroot_environment SET cms_version = '9' WHERE environment = 'dev'");
    db_run(conn, "SELECT sitewire.enter('', 'chief@x.org', 'profile', '', '', 'it was installed by hand')");
    db_run(conn, change);
    db_run(conn,
           "UPDATE docroot_environment SET drupal_docroot_core_version = '9' WHERE environment = 'prod'");
}

static void test_answers(void **state)
{
    (void)state;
    db_run(conn, fleet);
    grant("team", "External", "organization, \"group\"", "'Acme', 'team'");
    grant("ann", "Owner", "organization, \"user\", expires_at",
          "'Acme', 'ann@x.org', now() + interval '1 day'");
    enter("sitewire_user", "eve@x.org");
    assert_string_equal(
        db_rows(conn, "SELECT * FROM users.explain('deploy', 'Website', 'a1', 'eve@x.org')"),
        "|eve@x.org has the profile USER\n"
        "|Website a1 belongs to website:a1, where eve@x.org has command, deploy, read\n"
        "t|to deploy a Website takes: deploy; eve@x.org has command, deploy, read on website:a1\n"
        "|deploy on website:a1 comes from Grant team through GroupMember team/eve@x.org\nt|yes");
    db_fails(conn, "SELECT users.who_can('deploy', 'Website', 'a1')", "SW005", NULL);
    db_fails(conn, "SELECT users.who_can('deploy', 'Website', 'b1')", "SW003", NULL);
    db_fails(conn, "SELECT users.who_can('deploy', 'Website', 'none')", "SW003", NULL);
    db_fails(conn, "SELECT users.who_can('eat', 'Website', 'a1')", "SW002", NULL);
    enter("sitewire_user", "ann@x.org");
    assert_string_equal(
        db_rows(conn,
                "SELECT \"user\", permission, source, by_admins FROM users.who_can('deploy', 'Website', "
                "'a1')"),
        "admin@localhost|admin|User admin@localhost|t\nann@x.org|deploy|Grant ann|t\n"
        "chief@x.org|admin|User chief@x.org|t\n"
        "eve@x.org|deploy|Grant team through GroupMember team/eve@x.org|t");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM users.who_can('run', 'Website', 'a1')"), "0");
    assert_string_equal(
        db_rows(conn, "SELECT users.count_projects('eve@x.org'), users.count_projects('ann@x.org')"), "2|3");
    /* A membership alone is a profile; a grant that has ended is none. */
    db_run(conn, "RESET ROLE; DELETE FROM users.\"grant\"");
    assert_string_equal(db_rows(conn, "SELECT profile FROM users.identify('', 'eve@x.org')"), "USER");
    db_run(conn, "DELETE FROM users.group_member");
    assert_string_equal(db_rows(conn, "SELECT profile FROM users.identify('', 'eve@x.org')"), "NONE");
    grant("late", "Owner", "everything, \"user\", expires_at", "true, 'eve@x.org', now()");
    assert_string_equal(db_rows(conn, "SELECT profile FROM users.identify('', 'eve@x.org')"), "NONE");
    db_run(conn, "UPDATE users.\"grant\" SET expires_at = now() + interval '1 second'");
    assert_string_equal(db_rows(conn, "SELECT profile FROM users.identify('', 'eve@x.org')"), "USER");
}

/* Many readable projects are stored in the session once their user has looked up some of them. */
static void test_many_rights(void **state)
{
    (void)state;
    db_run(conn, "INSERT INTO website (code) SELECT 'w' || g FROM generate_series(1, 2000) g;"
                 "INSERT INTO users.access_right (project, \"user\", role) SELECT 'website:w' || g, "
                 "'eve@x.org', 'External' FROM generate_series(1, 2000) g");
    static const char reads[] = "SELECT current_setting('sitewire.reads')",
                      count[] = "SELECT count(*) FROM website";
    enter("sitewire_referential", "eve@x.org");
    assert_string_equal(db_rows(conn, "SELECT count(*) FROM website WHERE code = 'w1'"), "1");
    assert_string_equal(db_rows(conn, reads), "");
    assert_string_equal(db_rows(conn, count), "2000");
    assert_string_equal(db_rows(conn, reads), "#");
    assert_string_equal(db_rows(conn, count), "2000");
    enter("sitewire_referential", "eve@x.org"); /* what is stored stays */
    assert_string_equal(db_rows(conn, reads), "#");
    db_run(conn, "RESET ROLE; DELETE FROM users.access_right WHERE project = 'website:w7'; SET ROLE "
                 "sitewire_referential");
    assert_string_equal(db_rows(conn, count), "1999");
    enter("sitewire_referential", "ann@x.org");
    assert_string_equal(db_rows(conn, "SELECT code FROM website"), "mine");
    assert_string_equal(db_rows(conn, reads), "\nwebsite:mine\n");
    enter("sitewire_referential", "eve@x.org"); /* somebody else in between costs nothing */
    assert_string_equal(db_rows(conn, reads), "#");
    assert_string_equal(db_rows(conn, count), "1999");
}

int main(void)
{
    conn = db_open_registry("grants");
    db_run(conn, rows);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_permissions, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_makers, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_scopes, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_environments, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_giving, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_moving_into_a_scope, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_chains, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_versions, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_answers, db_begin, db_rollback),
        cmocka_unit_test_setup_teardown(test_many_rights, db_begin, db_rollback),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

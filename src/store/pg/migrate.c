/* Applies the schema to a database: see migrate.h. Used by `sitewire migrate`, `sitewire up` and
 * tests. */
#include "base/error.h"
#include "store/pg/migration.h"
#include "store/pg/patient.h"
#include "store/pg/places.h"
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OLDEST_SERVER 130000

typedef struct migrator {
    const sw_migration_set *set;
    const char *conninfo;
    PGconn *conn;
    PGresult *applied; /* version, name, checksum, compatible, applied_at; by version */
    PGresult *files;   /* name, checksum, applied_at; by name */
    PGresult *damage;  /* object, complaint, remedy; NULL: the schema cannot tell */
    sw_migrate_fn *fn;
    void *context;
    sw_error *error;
} migrator;

enum { VERSION, NAME, CHECKSUM, COMPATIBLE, APPLIED_AT };
enum { FILE_NAME, FILE_CHECKSUM, FILE_APPLIED_AT };

/* What is being applied, for messages. */
typedef struct source {
    const char *kind, *name, *sql;
} source;

/* A migrator waits this long for another one, and for locks that transactions of the services
 * hold. Function bodies are not checked when they are made, because they refer to what later
 * files make. */
static const char settings[] =
    "SET lock_timeout = '60s'; SET statement_timeout = 0; SET client_min_messages = warning;"
    "SET search_path = public; SET check_function_bodies = off";
#define LOCK "(x'7369746577697265'::bigint)" /* `sitewire` in ASCII */
static const char try_lock[] = "SELECT pg_try_advisory_lock" LOCK;
static const char lock[] = "SELECT pg_advisory_lock" LOCK;
static const char lock_holder[] =
    "SELECT format('another migration%s, for 60 s at most', (SELECT format(' (server process %s, since %s)', "
    "l.pid, to_char(a.backend_start AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')) "
    "FROM pg_locks l JOIN pg_stat_activity a ON a.pid = l.pid "
    "WHERE l.locktype = 'advisory' AND l.granted AND l.classid = x'73697465'::bigint::oid AND "
    "l.objid = x'77697265'::bigint::oid AND a.datname = current_database() LIMIT 1))";
static const char other_owner[] = "SELECT nspowner::regrole, current_user FROM pg_namespace "
                                  "WHERE nspname = 'sitewire' AND nspowner <> current_user::regrole";
static const char exists[] = "SELECT to_regclass('sitewire.migration') IS NOT NULL";
static const char create[] = "CREATE SCHEMA IF NOT EXISTS sitewire;"
                             "CREATE TABLE IF NOT EXISTS sitewire.migration ("
                             "    version integer CONSTRAINT migration__version__key PRIMARY KEY,"
                             "    name text NOT NULL,"
                             "    checksum text NOT NULL," /* SHA-256 of the file */
                             "    compatible boolean NOT NULL,"
                             "    applied_at timestamptz NOT NULL DEFAULT now());"
                             "CREATE TABLE IF NOT EXISTS sitewire.schema_file ("
                             "    name text COLLATE \"C\" CONSTRAINT schema_file__name__key PRIMARY KEY,"
                             "    checksum text NOT NULL,"
                             "    applied_at timestamptz NOT NULL DEFAULT now())";
static const char has_files[] = "SELECT to_regclass('sitewire.schema_file') IS NOT NULL";
#define ISO_TIME "to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
static const char list[] =
    "SELECT version, name, checksum, compatible, " ISO_TIME " FROM sitewire.migration ORDER BY version";
static const char record[] = "INSERT INTO sitewire.migration (version, name, checksum, compatible)"
                             " VALUES ($1::integer, $2, $3, $4::boolean) RETURNING " ISO_TIME;

static const char list_files[] =
    "SELECT name, checksum, " ISO_TIME " FROM sitewire.schema_file ORDER BY name";
static const char has_damage[] = "SELECT to_regprocedure('sitewire.damage()') IS NOT NULL";
static const char list_damage[] = "SELECT object, complaint, remedy FROM sitewire.damage() LIMIT 1";
static const char forget_files[] = "DELETE FROM sitewire.schema_file";
static const char record_file[] =
    "INSERT INTO sitewire.schema_file (name, checksum) VALUES ($1, $2) RETURNING " ISO_TIME;

static sw_code unreachable(const migrator *m)
{
    sw_code code = sw_fail(m->error, SW_UNAVAILABLE, "PostgreSQL: %s", PQerrorMessage(m->conn));
    if (m->error) {
        m->error->message[strcspn(m->error->message, "\n")] = '\0';
        m->error->retry_safe = true;
    }
    return code;
}

/* The line of a text at a character position that PostgreSQL reports; both count from 1. */
static int line_of(const char *sql, const char *position)
{
    long left = position ? strtol(position, NULL, 10) : 0;
    int line = 1;
    for (; *sql && left > 1; sql++) {
        left -= (*sql & 0xc0) != 0x80; /* UTF-8 continuation bytes belong to the character before */
        line += *sql == '\n';
    }
    return line;
}

/* Says why a statement failed. `text` is the migration or file that it was part of, or NULL. */
static sw_code failed(const migrator *m, const PGresult *result, const source *text)
{
    static const struct {
        const char *sqlstate; /* its beginning */
        sw_code code;
        const char *remedy;
    } rows[] = {
        {"42501", SW_PERMISSION_DENIED,
         "; migrate as the owner of the database, who may create roles (ALTER ROLE ... CREATEROLE)"},
        {"25006", SW_FAILED_PRECONDITION,
         "; connect to the primary, as with target_session_attrs=read-write"},
        {"55P03", SW_UNAVAILABLE, "; another migration or a long transaction is in the way, try again"},
        {"57P0", SW_UNAVAILABLE, ""},
        {"08", SW_UNAVAILABLE, ""},
        {"53", SW_RESOURCE_EXHAUSTED, ""},
    };
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    const char *message = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    if (!state || !message) {
        return unreachable(m);
    }
    sw_code code = SW_INTERNAL;
    const char *remedy = "";
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        if (strncmp(state, rows[i].sqlstate, strlen(rows[i].sqlstate)) == 0) {
            code = rows[i].code;
            remedy = rows[i].remedy;
        }
    }
    if (!text) {
        return sw_fail(m->error, code, "PostgreSQL: %s%s", message, remedy);
    }
    int line = line_of(text->sql, PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION));
    return sw_fail(m->error, code, "%s %s, line %d: %s%s; the database is as it was", text->kind, text->name,
                   line, message, remedy);
}

static void say_what_it_waits_for(void *context, const char *what)
{
    const migrator *m = context;
    if (m->fn)
        m->fn(&(sw_migration_state){.waits_for = what}, m->context);
}

/* Runs one or more statements. *result, if asked for, is that of the last one; the caller clears
 * it. */
static sw_code run(const migrator *m, const char *sql, const source *text, PGresult **result)
{
    const sw_patient patient = {m->conn, m->conninfo, say_what_it_waits_for, (void *)m};
    PGresult *r = sw_patient_exec(&patient, sql);
    ExecStatusType status = PQresultStatus(r);
    sw_code code = SW_OK;
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK &&
        status != PGRES_EMPTY_QUERY) { /* a file may hold comments alone */
        code = failed(m, r, text);
    }
    if (result && code == SW_OK) {
        *result = r;
    } else {
        PQclear(r);
    }
    return code;
}

/* Passes on what a migration has to say, with the state SW100, and nothing else. */
static void on_notice(void *context, const PGresult *result)
{
    const migrator *m = context;
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    if (m->fn && state && strcmp(state, "SW100") == 0)
        m->fn(&(sw_migration_state){.notice = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY)},
              m->context);
}

/* Checks that libpq understands it. A word without = and :// is the name of a database. */
static sw_code check_conninfo(const migrator *m, const char *conninfo)
{
    char *why = NULL;
    if (!strchr(conninfo, '=') && !strstr(conninfo, "://")) {
        return SW_OK;
    }
    PQconninfoOption *options = PQconninfoParse(conninfo, &why);
    sw_code code = options
                       ? SW_OK
                       : sw_fail(m->error, SW_INVALID_ARGUMENT, "the connection string of the database: %.*s",
                                 why ? (int)strcspn(why, "\n") : 13, why ? why : "out of memory");
    PQconninfoFree(options);
    PQfreemem(why);
    return code;
}

/* Of several servers, finds the primary. One that is silent does not hold it up for long. */
static PGconn *connect_primary(const char *conninfo)
{
    sw_places places;
    bool several = sw_places_init(&places, conninfo) && places.count > 1;
    sw_places_clear(&places);
    const char *const keys[] = {"connect_timeout",           "target_session_attrs", "dbname",
                                "fallback_application_name", "client_encoding",      NULL};
    const char *const values[] = {
        several ? "5" : "30", several ? "read-write" : "any", conninfo, "sitewire-migrate", "UTF8", NULL};
    return PQconnectdbParams(keys, values, 1);
}

static sw_code open_database(migrator *m, const char *conninfo)
{
    bool given = conninfo && *conninfo;
    sw_code readable = given ? check_conninfo(m, conninfo) : SW_OK;
    if (readable != SW_OK) {
        return readable;
    }
    m->conninfo = given ? conninfo : "";
    m->conn = connect_primary(m->conninfo);
    if (!m->conn || PQstatus(m->conn) != CONNECTION_OK) {
        return unreachable(m);
    }
    PQsetNoticeReceiver(m->conn, on_notice, m);
    int version = PQserverVersion(m->conn);
    if (version < OLDEST_SERVER) {
        return sw_fail(m->error, SW_FAILED_PRECONDITION, "PostgreSQL 13 or later is needed; this one is %d",
                       version / 10000);
    }
    const char *encoding = PQparameterStatus(m->conn, "server_encoding");
    if (!encoding || strcmp(encoding, "UTF8") != 0) {
        return sw_fail(m->error, SW_FAILED_PRECONDITION,
                       "database %s has the encoding %s; create one with ENCODING 'UTF8' TEMPLATE template0",
                       PQdb(m->conn), encoding ? encoding : "?");
    }
    return run(m, settings, NULL, NULL);
}

static void close_database(migrator *m)
{
    PQclear(m->applied);
    PQclear(m->files);
    PQclear(m->damage);
    PQfinish(m->conn); /* which also releases the advisory lock */
}

static const char *field(const migrator *m, int row, int column)
{
    return PQgetvalue(m->applied, row, column);
}

static int latest(const sw_migration_set *set)
{
    return set->items[set->count - 1].version;
}

/* The migration of a version, or NULL if the build does not hold it. */
static const sw_migration *find(const sw_migration_set *set, int version)
{
    int i = version - set->items[0].version;
    return i >= 0 && i < set->count ? &set->items[i] : NULL;
}

static int version_of(const migrator *m, int row)
{
    return (int)strtol(field(m, row, VERSION), NULL, 10);
}

static int newest(const migrator *m)
{
    int count = PQntuples(m->applied); /* 0 of NULL */
    return count ? version_of(m, count - 1) : 0;
}

static bool is_same(const sw_migration *migration, const char *checksum)
{
    return strcmp(checksum, migration->checksum) == 0 ||
           (migration->replaces && strcmp(checksum, migration->replaces) == 0);
}

static sw_code check_row(const migrator *m, int row)
{
    int version = version_of(m, row);
    const sw_migration *known = find(m->set, version);
    if (version > latest(m->set) && *field(m, row, COMPATIBLE) != 't')
        return sw_fail(m->error, SW_FAILED_PRECONDITION,
                       "the schema is of version %d (%s) and this program knows %d; install a newer sitewire",
                       version, field(m, row, NAME), latest(m->set));
    if (known && !is_same(known, field(m, row, CHECKSUM)))
        return sw_fail(m->error, SW_FAILED_PRECONDITION,
                       "migration %s differs from the one that was applied (SHA-256 %.12s..., applied "
                       "%.12s...); use the sitewire that applied it, or a later release",
                       known->name, known->checksum, field(m, row, CHECKSUM));
    return SW_OK;
}

/* Can this build work with what has been applied? */
static sw_code check(const migrator *m)
{
    int count = PQntuples(m->applied), baseline = m->set->items[0].version;
    for (int i = 0; i < count; i++) {
        int expected = i ? version_of(m, i - 1) + 1 : version_of(m, 0) == baseline ? baseline : 1;
        if (version_of(m, i) != expected)
            return sw_fail(
                m->error, SW_FAILED_PRECONDITION,
                "migration %d is missing in the table sitewire.migration; restore the database from a backup",
                expected);
        sw_code code = check_row(m, i);
        if (code)
            return code;
    }
    if (count && newest(m) < baseline)
        return sw_fail(m->error, SW_FAILED_PRECONDITION,
                       "the schema is of version %d, and this program upgrades from version %d on; "
                       "first migrate with an older sitewire, which knows version %d",
                       newest(m), baseline, baseline);
    return SW_OK;
}

static void show(const migrator *m, int version, const char *name, const char *applied_at)
{
    sw_migration_state state = {.version = version, .name = name, .applied = applied_at != NULL};
    snprintf(state.applied_at, sizeof(state.applied_at), "%s", applied_at ? applied_at : "");
    if (m->fn) {
        m->fn(&state, m->context);
    }
}

static void show_file(const migrator *m, const char *file, const char *applied_at)
{
    char name[128];
    snprintf(name, sizeof(name), "schema/%s", file);
    show(m, 0, name, applied_at);
}

/* Runs a text in the transaction that is open. */
static sw_code run_source(const migrator *m, const source *text)
{
    sw_code code = run(m, text->sql, text, NULL);
    if (code == SW_OK && PQtransactionStatus(m->conn) != PQTRANS_INTRANS)
        return sw_fail(m->error, SW_INTERNAL, "%s %s ends its transaction, which it must not do", text->kind,
                       text->name);
    return code;
}

/* Records what was applied. `at` takes the time. */
static sw_code record_as(const migrator *m, const char *statement, int count, const char *const *values,
                         char at[40])
{
    PGresult *row = PQexecParams(m->conn, statement, count, NULL, values, NULL, NULL, 0);
    sw_code code = PQresultStatus(row) == PGRES_TUPLES_OK ? SW_OK : failed(m, row, NULL);
    if (code == SW_OK)
        snprintf(at, 40, "%s", PQgetvalue(row, 0, 0));
    PQclear(row);
    return code;
}

static sw_code apply_migration(const migrator *m, const sw_migration *migration)
{
    const source text = {"migration", migration->name, migration->sql};
    char version[16], at[40];
    snprintf(version, sizeof(version), "%d", migration->version);
    const char *values[] = {version, migration->name, migration->checksum, migration->compatible ? "t" : "f"};
    sw_code code = run_source(m, &text);
    if (code == SW_OK)
        code = record_as(m, record, 4, values, at);
    if (code == SW_OK)
        show(m, migration->version, migration->name, at);
    return code;
}

/* When a file was applied as it is in this build; NULL if it was not. */
static const char *applied_at(const migrator *m, const sw_schema_file *file)
{
    for (int i = 0; i < PQntuples(m->files); i++)
        if (strcmp(PQgetvalue(m->files, i, FILE_NAME), file->name) == 0 &&
            strcmp(PQgetvalue(m->files, i, FILE_CHECKSUM), file->checksum) == 0)
            return PQgetvalue(m->files, i, FILE_APPLIED_AT);
    return NULL;
}

static bool is_current(const migrator *m)
{
    bool current = PQntuples(m->files) == m->set->file_count;
    for (int i = 0; i < m->set->file_count; i++)
        current &= applied_at(m, &m->set->files[i]) != NULL;
    return current;
}

/* Reads a table into *result, or leaves it NULL if the table does not exist. */
static sw_code read_if(const migrator *m, const char *test, const char *statement, PGresult **result)
{
    PGresult *there;
    sw_code code = run(m, test, NULL, &there);
    if (code)
        return code;
    bool any = *PQgetvalue(there, 0, 0) == 't';
    PQclear(there);
    return any ? run(m, statement, NULL, result) : SW_OK;
}

/* Looks for what somebody has changed or removed by hand. */
static sw_code find_damage(migrator *m)
{
    PQclear(m->damage);
    m->damage = NULL;
    return read_if(m, has_damage, list_damage, &m->damage);
}

static bool is_damaged(const migrator *m)
{
    return PQntuples(m->damage) > 0; /* 0 of NULL */
}

/* What the schema files cannot repair. */
static sw_code report_damage(const migrator *m)
{
    return is_damaged(m) ? sw_fail(m->error, SW_FAILED_PRECONDITION, "%s %s; %s", PQgetvalue(m->damage, 0, 0),
                                   PQgetvalue(m->damage, 0, 1), PQgetvalue(m->damage, 0, 2))
                         : SW_OK;
}

/* Shows those that have changed, or all of them. */
static sw_code apply_files(const migrator *m, bool show_all)
{
    sw_code code = run(m, forget_files, NULL, NULL);
    for (int i = 0; !code && i < m->set->file_count; i++) {
        const sw_schema_file *file = &m->set->files[i];
        const source text = {"schema file", file->name, file->sql};
        const char *values[] = {file->name, file->checksum};
        char at[40];
        code = run_source(m, &text);
        if (!code)
            code = record_as(m, record_file, 2, values, at);
        if (!code && (show_all || !applied_at(m, file)))
            show_file(m, file->name, at);
    }
    return code;
}

static sw_code report_wait(const migrator *m)
{
    PGresult *holder;
    sw_code code = run(m, lock_holder, NULL, &holder);
    if (code)
        return code;
    if (m->fn)
        m->fn(&(sw_migration_state){.waits_for = PQgetvalue(holder, 0, 0)}, m->context);
    PQclear(holder);
    return SW_OK;
}

/* Lets one migrator work at a time. */
static sw_code take_lock(const migrator *m)
{
    PGresult *got;
    sw_code code = run(m, try_lock, NULL, &got);
    if (code)
        return code;
    bool free = *PQgetvalue(got, 0, 0) == 't';
    PQclear(got);
    if (!free)
        code = report_wait(m);
    return free || code ? code : run(m, lock, NULL, NULL);
}

/* What another role made would belong to that role, and the owner could not change it later. */
static sw_code check_owner(const migrator *m)
{
    PGresult *other;
    sw_code code = run(m, other_owner, NULL, &other);
    if (code)
        return code;
    if (PQntuples(other) > 0)
        code = sw_fail(m->error, SW_PERMISSION_DENIED,
                       "the schema belongs to %s, and this login is %s; migrate as its owner",
                       PQgetvalue(other, 0, 0), PQgetvalue(other, 0, 1));
    PQclear(other);
    return code;
}

static sw_code apply(migrator *m, bool dry_run)
{
    static const char *const preparation[] = {"BEGIN", create};
    sw_code code = take_lock(m);
    if (!code)
        code = check_owner(m);
    for (size_t i = 0; !code && i < sizeof(preparation) / sizeof(preparation[0]); i++)
        code = run(m, preparation[i], NULL, NULL);
    if (!code)
        code = run(m, list, NULL, &m->applied);
    if (!code)
        code = run(m, list_files, NULL, &m->files);
    if (!code)
        code = check(m);
    int from = code ? 0 : newest(m);
    for (int i = 0; !code && i < m->set->count; i++)
        if (m->set->items[i].version > from)
            code = apply_migration(m, &m->set->items[i]);
    bool pending = from < latest(m->set) || !is_current(m);
    if (!code && from == latest(m->set))
        code = find_damage(m);
    if (!code && from <= latest(m->set) && (pending || is_damaged(m))) {
        code = apply_files(m, !pending);
        if (!code)
            code = find_damage(m);
    }
    if (!code)
        code = run(m, dry_run ? "ROLLBACK" : "COMMIT", NULL, NULL);
    return code ? code : report_damage(m);
}

static sw_code status(migrator *m)
{
    sw_code code = read_if(m, exists, list, &m->applied);
    if (!code)
        code = read_if(m, has_files, list_files, &m->files);
    if (code)
        return code;
    for (int i = 0; i < PQntuples(m->applied); i++)
        show(m, version_of(m, i), field(m, i, NAME), field(m, i, APPLIED_AT));
    for (int i = 0; i < m->set->count; i++)
        if (m->set->items[i].version > newest(m))
            show(m, m->set->items[i].version, m->set->items[i].name, NULL);
    for (int i = 0; i < m->set->file_count && newest(m) <= latest(m->set); i++)
        show_file(m, m->set->files[i].name, applied_at(m, &m->set->files[i]));
    return check(m);
}

sw_code sw_migration_set_apply(const sw_migration_set *set, const char *conninfo, bool dry_run,
                               sw_migrate_fn *fn, void *context, sw_error *error)
{
    migrator m = {.set = set, .fn = fn, .context = context, .error = error};
    sw_code code = open_database(&m, conninfo);
    if (!code) {
        code = apply(&m, dry_run);
    }
    close_database(&m);
    return code;
}

sw_code sw_migration_set_status(const sw_migration_set *set, const char *conninfo, sw_migrate_fn *fn,
                                void *context, sw_error *error)
{
    migrator m = {.set = set, .fn = fn, .context = context, .error = error};
    sw_code code = open_database(&m, conninfo);
    if (!code) {
        code = status(&m);
    }
    close_database(&m);
    return code;
}

int sw_migrate_latest(void)
{
    return latest(&sw_migrations);
}

sw_code sw_migrate_apply(const char *conninfo, bool dry_run, sw_migrate_fn *fn, void *context,
                         sw_error *error)
{
    return sw_migration_set_apply(&sw_migrations, conninfo, dry_run, fn, context, error);
}

sw_code sw_migrate_status(const char *conninfo, sw_migrate_fn *fn, void *context, sw_error *error)
{
    return sw_migration_set_status(&sw_migrations, conninfo, fn, context, error);
}

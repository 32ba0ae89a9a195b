/* Applies the numbered migrations to a database: see migrate.h. Used by `sitewire migrate`, `sitewire up` and
 * tests. */
#include "base/error.h"
#include "store/pg/migration.h"
#include <libpq-fe.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define OLDEST_SERVER 130000

typedef struct migrator {
    const sw_migration_set *set;
    PGconn *conn;
    PGresult *applied; /* version, name, checksum, compatible, applied_at; by version */
    sw_migrate_fn *fn;
    void *context;
    sw_error *error;
} migrator;

enum { VERSION, NAME, CHECKSUM, COMPATIBLE, APPLIED_AT };

/* A migrator waits this long for another one, and for locks that transactions of the services hold. */
static const char settings[] =
    "SET lock_timeout = '60s'; SET statement_timeout = 0; SET client_min_messages = warning;"
    "SET search_path = public";
static const char lock[] = "SELECT pg_advisory_lock(x'7369746577697265'::bigint)"; /* `sitewire` in ASCII */
static const char exists[] = "SELECT to_regclass('sitewire.migration') IS NOT NULL";
static const char create[] = "CREATE SCHEMA IF NOT EXISTS sitewire;"
                             "CREATE TABLE IF NOT EXISTS sitewire.migration ("
                             "    version integer CONSTRAINT migration__version__key PRIMARY KEY,"
                             "    name text NOT NULL,"
                             "    checksum text NOT NULL," /* SHA-256 of the file */
                             "    compatible boolean NOT NULL,"
                             "    applied_at timestamptz NOT NULL DEFAULT now())";
#define ISO_TIME "to_char(applied_at AT TIME ZONE 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')"
static const char list[] =
    "SELECT version, name, checksum, compatible, " ISO_TIME " FROM sitewire.migration ORDER BY version";
static const char record[] = "INSERT INTO sitewire.migration (version, name, checksum, compatible)"
                             " VALUES ($1::integer, $2, $3, $4::boolean) RETURNING " ISO_TIME;

static sw_code unreachable(const migrator *m)
{
    sw_code code = sw_fail(m->error, SW_UNAVAILABLE, "PostgreSQL: %s", PQerrorMessage(m->conn));
    if (m->error) {
        m->error->message[strcspn(m->error->message, "\n")] = '\0';
        m->error->retry_safe = true;
    }
    return code;
}

/* Line of a text at a character position that PostgreSQL tells, counting both from 1. */
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

/* Says why a statement failed. `migration` is the one whose text it was, or NULL. */
static sw_code failed(const migrator *m, const PGresult *result, const sw_migration *migration)
{
    static const struct {
        const char *sqlstate; /* its beginning */
        sw_code code;
        const char *remedy;
    } rows[] = {
        {"42501", SW_PERMISSION_DENIED,
         "; who migrates owns the database and may create roles (ALTER ROLE ... CREATEROLE)"},
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
    if (!migration) {
        return sw_fail(m->error, code, "PostgreSQL: %s%s", message, remedy);
    }
    int line = line_of(migration->sql, PQresultErrorField(result, PG_DIAG_STATEMENT_POSITION));
    return sw_fail(m->error, code, "migration %s, line %d: %s%s; nothing of it was kept", migration->name,
                   line, message, remedy);
}

/* Runs constant text of one or more statements. *result, if asked for, is the last one's, for the caller to
 * clear. */
static sw_code run(const migrator *m, const char *sql, const sw_migration *migration, PGresult **result)
{
    PGresult *r = PQexec(m->conn, sql);
    ExecStatusType status = PQresultStatus(r);
    sw_code code = SW_OK;
    if (status != PGRES_COMMAND_OK && status != PGRES_TUPLES_OK) {
        code = failed(m, r, migration);
    }
    if (result && code == SW_OK) {
        *result = r;
    } else {
        PQclear(r);
    }
    return code;
}

static void ignore_notice(void *context, const PGresult *result)
{
    (void)context;
    (void)result;
}

/* Does libpq understand it? A word without = and :// is the name of a database. */
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

static sw_code open_database(migrator *m, const char *conninfo)
{
    bool given = conninfo && *conninfo;
    sw_code readable = given ? check_conninfo(m, conninfo) : SW_OK;
    if (readable != SW_OK) {
        return readable;
    }
    const char *const keys[] = {"fallback_application_name", "client_encoding", given ? "dbname" : NULL,
                                NULL};
    const char *const values[] = {"sitewire-migrate", "UTF8", given ? conninfo : NULL, NULL};
    m->conn = PQconnectdbParams(keys, values, 1);
    if (!m->conn || PQstatus(m->conn) != CONNECTION_OK) {
        return unreachable(m);
    }
    PQsetNoticeReceiver(m->conn, ignore_notice, NULL);
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
    PQfinish(m->conn); /* and with it the advisory lock ends */
}

static const char *field(const migrator *m, int row, int column)
{
    return PQgetvalue(m->applied, row, column);
}

/* Can this build work with what has been applied? */
static sw_code check(const migrator *m)
{
    for (int i = 0; i < PQntuples(m->applied); i++) {
        int version = (int)strtol(field(m, i, VERSION), NULL, 10);
        if (version != i + 1) {
            return sw_fail(
                m->error, SW_FAILED_PRECONDITION,
                "migration %d is missing in the table sitewire.migration; restore the database from a backup",
                i + 1);
        }
        if (i >= m->set->count) {
            if (*field(m, i, COMPATIBLE) != 't') {
                return sw_fail(
                    m->error, SW_FAILED_PRECONDITION,
                    "the schema is of version %d (%s) and this program knows %d; install a newer sitewire",
                    version, field(m, i, NAME), m->set->count);
            }
        } else if (strcmp(field(m, i, CHECKSUM), m->set->items[i].checksum) != 0) {
            return sw_fail(
                m->error, SW_FAILED_PRECONDITION,
                "migration %s differs from the one that was applied (SHA-256 %.12s..., applied %.12s...); "
                "use the sitewire that applied it, or a later release",
                m->set->items[i].name, m->set->items[i].checksum, field(m, i, CHECKSUM));
        }
    }
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

/* Runs one migration and records it, in the transaction that is open. *row is the record, for the caller to
 * clear. */
static sw_code apply_one(const migrator *m, const sw_migration *migration, PGresult **row)
{
    sw_code code = run(m, migration->sql, migration, NULL);
    if (code) {
        return code;
    }
    if (PQtransactionStatus(m->conn) != PQTRANS_INTRANS) {
        return sw_fail(m->error, SW_INTERNAL, "migration %s ends its transaction, which it must not do",
                       migration->name);
    }
    char version[16];
    snprintf(version, sizeof(version), "%d", migration->version);
    const char *values[] = {version, migration->name, migration->checksum, migration->compatible ? "t" : "f"};
    *row = PQexecParams(m->conn, record, 4, NULL, values, NULL, NULL, 0);
    return PQresultStatus(*row) == PGRES_TUPLES_OK ? SW_OK : failed(m, *row, NULL);
}

static sw_code apply(migrator *m, bool dry_run)
{
    static const char *const preparation[] = {lock, "BEGIN", create};
    sw_code code = SW_OK;
    for (size_t i = 0; !code && i < sizeof(preparation) / sizeof(preparation[0]); i++) {
        code = run(m, preparation[i], NULL, NULL);
    }
    if (!code) {
        code = run(m, list, NULL, &m->applied);
    }
    if (!code) {
        code = check(m);
    }
    for (int i = PQntuples(m->applied); !code && i < m->set->count; i++) {
        const sw_migration *migration = &m->set->items[i];
        PGresult *row = NULL;
        code = apply_one(m, migration, &row);
        if (!code && !dry_run) {
            code = run(m, "COMMIT; BEGIN", migration, NULL);
        }
        if (!code) {
            show(m, migration->version, migration->name, PQgetvalue(row, 0, 0));
        }
        PQclear(row);
    }
    return code ? code : run(m, dry_run ? "ROLLBACK" : "COMMIT", NULL, NULL);
}

static sw_code status(migrator *m)
{
    PGresult *result;
    sw_code code = run(m, exists, NULL, &result);
    if (code) {
        return code;
    }
    bool any = *PQgetvalue(result, 0, 0) == 't';
    PQclear(result);
    if (any) {
        code = run(m, list, NULL, &m->applied);
    }
    if (code) {
        return code;
    }
    int applied = PQntuples(m->applied); /* 0 of NULL */
    for (int i = 0; i < applied; i++) {
        show(m, (int)strtol(field(m, i, VERSION), NULL, 10), field(m, i, NAME), field(m, i, APPLIED_AT));
    }
    for (int i = applied; i < m->set->count; i++) {
        show(m, m->set->items[i].version, m->set->items[i].name, NULL);
    }
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
    return sw_migrations.count;
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

/* Waits for results, and looks at the waiting session through a second connection (patient.h). */
#include "store/pg/patient.h"
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LOOK_MS   1000
#define WHAT_SIZE 512

static const char look[] =
    "SELECT CASE WHEN a.wait_event = 'SyncRep' THEN format('a synchronous standby to confirm the commit "
    "(synchronous_standby_names = ''%s'')', current_setting('synchronous_standby_names')) "
    "WHEN a.wait_event_type = 'Lock' THEN 'locks of ' || (SELECT string_agg(format("
    "'server process %s (%s%s%s)', b.pid, b.usename, ', ' || nullif(b.application_name, ''), "
    "', in a transaction since ' || to_char(b.xact_start AT TIME ZONE 'UTC', "
    "'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')), "
    "', ' ORDER BY b.pid) FROM pg_stat_activity b WHERE b.pid = ANY (pg_blocking_pids(a.pid))) END "
    "FROM pg_stat_activity a WHERE a.pid = $1::integer";

/* The second connection, opened when it is needed. */
typedef struct watcher {
    PGconn *conn;
    char what[WHAT_SIZE]; /* that was reported last */
} watcher;

static PGconn *open_second(const sw_patient *patient)
{
    const char *const keys[] = {"connect_timeout", "fallback_application_name", "dbname", "application_name",
                                NULL};
    const char *const values[] = {"2", "sitewire-watch", patient->conninfo, "sitewire-watch", NULL};
    return PQconnectdbParams(keys, values, 1);
}

static void report(const sw_patient *patient, watcher *w, const char *what)
{
    if (*what == '\0' || strncmp(what, w->what, WHAT_SIZE - 1) == 0)
        return;
    snprintf(w->what, WHAT_SIZE, "%s", what);
    patient->fn(patient->context, w->what);
}

static void look_at(const sw_patient *patient, watcher *w)
{
    char pid[16];
    const char *values[] = {pid};
    if (!patient->fn)
        return;
    if (!w->conn)
        w->conn = open_second(patient);
    snprintf(pid, sizeof(pid), "%d", PQbackendPID(patient->conn));
    PGresult *result = PQexecParams(w->conn, look, 1, NULL, values, NULL, NULL, 0);
    if (PQresultStatus(result) == PGRES_TUPLES_OK && PQntuples(result) == 1)
        report(patient, w, PQgetvalue(result, 0, 0));
    PQclear(result);
}

/* Until a result is there, or the connection is lost. */
static void wait_result(const sw_patient *patient, watcher *w)
{
    struct pollfd ready = {.fd = PQsocket(patient->conn), .events = POLLIN};
    while (PQisBusy(patient->conn)) {
        if (poll(&ready, 1, LOOK_MS) == 0)
            look_at(patient, w);
        else if (!PQconsumeInput(patient->conn))
            return;
    }
}

PGresult *sw_patient_exec(const sw_patient *patient, const char *sql)
{
    watcher w = {.conn = NULL};
    PGresult *last = NULL;
    if (!PQsendQuery(patient->conn, sql))
        return NULL;
    for (PGresult *next;;) {
        wait_result(patient, &w);
        next = PQgetResult(patient->conn);
        if (!next)
            break;
        if (last && PQresultStatus(last) == PGRES_FATAL_ERROR) { /* nothing follows it but the end */
            PQclear(next);
            continue;
        }
        PQclear(last);
        last = next;
    }
    PQfinish(w.conn);
    return last;
}

/* The private PostgreSQL cluster of `sitewire up` (cluster.h). */
#include "cli/system/cluster.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <libpq-fe.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OWNER    "sitewire" /* superuser of the cluster, and name of the database */
#define START_MS 120000     /* recovery after a crash may take long */
#define STOP_MS  30000

/* Joins a path into a buffer of PATH_MAX bytes. */
static sw_code path(char *to, sw_error *error, const char *folder, const char *name)
{
    int length = snprintf(to, PATH_MAX, "%s/%s", folder, name);
    return length > 0 && length < PATH_MAX
               ? SW_OK
               : sw_fail(error, SW_INVALID_ARGUMENT, "the path %s is too long", folder);
}

/* Finds the newest PostgreSQL where Debian installs it, else the one on PATH. */
static bool find_programs(char *folder)
{
    glob_t found;
    double newest = 0;
    folder[0] = '\0';
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            double version = strtod(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL);
            if (version > newest) {
                newest = version;
                snprintf(folder, PATH_MAX, "%.*s", (int)(strlen(found.gl_pathv[i]) - strlen("/initdb")),
                         found.gl_pathv[i]);
            }
        }
        globfree(&found);
    }
    const char *search = getenv("PATH");
    char *copy = strdup(search == NULL ? "" : search), *rest = copy;
    for (char *part; folder[0] == '\0' && (part = strsep(&rest, ":")) != NULL;) {
        char name[PATH_MAX];
        snprintf(name, sizeof(name), "%s/initdb", part);
        if (access(name, X_OK) == 0)
            snprintf(folder, PATH_MAX, "%s", part);
    }
    free(copy);
    return folder[0] != '\0';
}

sw_code sw_cluster_open(sw_cluster *cluster, const char *folder, const char *run, sw_child_identity identity,
                        sw_error *error)
{
    sw_code code;
    *cluster = (sw_cluster){.identity = identity,
                            .server = {.name = "postgresql", .output = -1, .is_database = true}};
    if (!find_programs(cluster->programs))
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "PostgreSQL was not found on this machine: install it (Debian: apt-get install "
                       "postgresql), or run the programs individually with --database");
    if ((code = path(cluster->data, error, folder, "postgresql")) != SW_OK ||
        (code = path(cluster->log, error, folder, "postgresql.log")) != SW_OK ||
        (code = path(cluster->sockets, error, run, "pg")) != SW_OK)
        return code;
    snprintf(cluster->conninfo, sizeof(cluster->conninfo), "host=%s user=" OWNER " dbname=" OWNER,
             cluster->sockets);
    return SW_OK;
}

/* Makes a folder that only the cluster's user can read. As root, only in a folder of root's. */
static sw_code make_folder(const sw_cluster *cluster, const char *name, sw_error *error)
{
    bool owned = mkdir(name, 0700) == 0 || errno == EEXIST;
    if (owned && geteuid() == 0)
        owned = lchown(name, cluster->identity.uid, cluster->identity.gid) == 0;
    return owned ? SW_OK
                 : sw_fail(error, SW_FAILED_PRECONDITION, "cannot make %s: %s", name, strerror(errno));
}

/* Makes the cluster in a temporary folder and renames it, so that it is never incomplete. */
static sw_code make_cluster(const sw_cluster *cluster, int log, sw_error *error)
{
    char fresh[PATH_MAX + 8], program[PATH_MAX + 8];
    sw_code code;
    snprintf(fresh, sizeof(fresh), "%s.new", cluster->data);
    snprintf(program, sizeof(program), "%s/initdb", cluster->programs);
    const char *remove[] = {"/bin/rm", "-rf", fresh, NULL};
    if ((code = sw_child_run(remove, (sw_child_identity){0}, log, error)) != SW_OK ||
        (code = make_folder(cluster, fresh, error)) != SW_OK)
        return code;
    sw_log(SW_LOG_INFO, "creating a PostgreSQL cluster", "data", cluster->data, NULL);
    const char *arguments[] = {
        program, "-D", fresh, "-U", OWNER, "-E", "UTF8", "-A", "trust", "--locale=C.UTF-8", NULL};
    const sw_child_identity user = geteuid() == 0 ? cluster->identity : (sw_child_identity){0};
    if (sw_child_run(arguments, user, log, error) != SW_OK)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "initdb failed: see %s. If it says that permission is denied, the user that runs "
                       "PostgreSQL cannot enter every folder above it: choose another --data",
                       cluster->log);
    if (rename(fresh, cluster->data) != 0)
        return sw_fail(error, SW_FAILED_PRECONDITION, "cannot rename %s: %s", fresh, strerror(errno));
    return SW_OK;
}

/* The server that postmaster.pid names, or 0. It must be running and ours: the file's second
 * line is the data folder, and the process was started with it. */
static pid_t running_server(const sw_cluster *cluster)
{
    char name[PATH_MAX + 32], folder[PATH_MAX] = "", line[PATH_MAX * 2] = "";
    long pid = 0;
    snprintf(name, sizeof(name), "%s/postmaster.pid", cluster->data);
    FILE *file = fopen(name, "re");
    if (file == NULL)
        return 0;
    if (fscanf(file, "%ld\n%4095[^\n]", &pid, folder) != 2)
        pid = 0;
    fclose(file);
    if (pid <= 1 || strcmp(folder, cluster->data) != 0)
        return 0;
    snprintf(name, sizeof(name), "/proc/%ld/cmdline", pid);
    file = fopen(name, "re");
    if (file == NULL)
        return 0;
    size_t size = fread(line, 1, sizeof(line) - 1, file);
    fclose(file);
    return memmem(line, size, cluster->data, strlen(cluster->data)) != NULL ? (pid_t)pid : 0;
}

static bool wait_gone(pid_t pid, int64_t for_ms)
{
    int64_t deadline = sw_now_ms() + for_ms;
    while (kill(pid, 0) == 0) {
        if (sw_now_ms() >= deadline)
            return false;
        poll(NULL, 0, 20);
    }
    return true;
}

/* Ends a server that a killed supervisor left, with stronger and stronger signals. PostgreSQL
 * recovers from each. */
static sw_code end_orphan(const sw_cluster *cluster, sw_error *error)
{
    static const int tones[] = {SIGINT, SIGQUIT, SIGKILL};
    pid_t pid = running_server(cluster);
    for (size_t i = 0; pid != 0 && i < sizeof(tones) / sizeof(*tones); i++) {
        char text[16];
        snprintf(text, sizeof(text), "%d", (int)pid);
        sw_log(SW_LOG_WARNING, "ending a PostgreSQL server that was left running", "pid", text, "signal",
               strsignal(tones[i]), NULL);
        if (kill(pid, tones[i]) != 0 || wait_gone(pid, STOP_MS))
            pid = 0;
    }
    return pid == 0
               ? SW_OK
               : sw_fail(error, SW_FAILED_PRECONDITION,
                         "the PostgreSQL server left in %s (pid %d) does not end", cluster->data, (int)pid);
}

bool sw_cluster_ready(const sw_cluster *cluster)
{
    return PQping(cluster->conninfo) == PQPING_OK;
}

/* Waits until the server answers; creates the database if it does not exist. */
static sw_code await_server(sw_cluster *cluster, sw_error *error)
{
    char maintenance[PATH_MAX + 64];
    int64_t deadline = sw_now_ms() + START_MS;
    snprintf(maintenance, sizeof(maintenance), "host=%s user=" OWNER " dbname=postgres", cluster->sockets);
    while (PQping(maintenance) != PQPING_OK) {
        if (sw_child_stop(&cluster->server, 0, sw_now_ms()))
            return sw_fail(error, SW_UNAVAILABLE, "PostgreSQL ended while starting: see %s", cluster->log);
        if (sw_now_ms() >= deadline)
            return sw_fail(error, SW_UNAVAILABLE, "PostgreSQL did not answer within %d s: see %s",
                           START_MS / 1000, cluster->log);
        poll(NULL, 0, 20);
    }
    PGconn *connection = PQconnectdb(maintenance);
    PGresult *result = PQexec(connection, "SELECT 1 FROM pg_database WHERE datname = '" OWNER "'");
    bool good = PQresultStatus(result) == PGRES_TUPLES_OK;
    if (good && PQntuples(result) == 0) {
        PQclear(result);
        result = PQexec(connection, "CREATE DATABASE " OWNER);
        good = PQresultStatus(result) == PGRES_COMMAND_OK;
    }
    sw_code code =
        good ? SW_OK : sw_fail(error, SW_UNAVAILABLE, "PostgreSQL: %s", PQerrorMessage(connection));
    PQclear(result);
    PQfinish(connection);
    return code;
}

sw_code sw_cluster_make(sw_cluster *cluster, sw_error *error)
{
    char version[PATH_MAX + 16];
    int log = open(cluster->log, O_WRONLY | O_CREAT | O_APPEND | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (log < 0)
        return sw_fail(error, SW_FAILED_PRECONDITION, "cannot write %s: %s", cluster->log, strerror(errno));
    cluster->server.output = log;
    snprintf(version, sizeof(version), "%s/PG_VERSION", cluster->data);
    return access(version, F_OK) == 0 ? SW_OK : make_cluster(cluster, log, error);
}

sw_code sw_cluster_start(sw_cluster *cluster, sw_error *error)
{
    static char program[PATH_MAX + 16]; /* the server's arguments point to it */
    sw_code code;
    if ((code = make_folder(cluster, cluster->sockets, error)) != SW_OK ||
        (code = end_orphan(cluster, error)) != SW_OK)
        return code;
    snprintf(program, sizeof(program), "%s/postgres", cluster->programs);
    sw_child *server = &cluster->server;
    const char *arguments[] = {program,
                               "-D",
                               cluster->data,
                               "-k",
                               cluster->sockets,
                               "-c",
                               "listen_addresses=",
                               "-c",
                               "max_connections=200",
                               NULL};
    memcpy(server->arguments, arguments, sizeof(arguments));
    server->stop_signal = server->death_signal = SIGINT; /* fast shutdown */
    if ((code = sw_child_start(server, error)) != SW_OK)
        return code;
    return await_server(cluster, error);
}

sw_code sw_cluster_ask(const sw_cluster *cluster, const char *sql, const char *parameter, bool *answer,
                       sw_error *error)
{
    PGconn *connection = PQconnectdb(cluster->conninfo);
    PGresult *result = PQexecParams(connection, sql, 1, NULL, &parameter, NULL, NULL, 0);
    const char *why = PQresultErrorField(result, PG_DIAG_MESSAGE_PRIMARY);
    sw_code code = SW_OK;
    if (PQresultStatus(result) != PGRES_TUPLES_OK)
        code = sw_fail(error, SW_FAILED_PRECONDITION, "PostgreSQL: %s",
                       why != NULL ? why : PQerrorMessage(connection));
    else
        *answer = strcmp(PQgetvalue(result, 0, 0), "t") == 0;
    PQclear(result);
    PQfinish(connection);
    return code;
}

/* A private PostgreSQL for tests: a cluster in a temporary folder, on a unix socket only. */
#include "pg.h"
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <grp.h>
#include <pwd.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

static struct {
    char folder[64], bin[256], conninfo[160];
    pid_t owner; /* the process that started it: a forked child must not end it */
    pid_t postmaster, standby, pooler;
    const char *clock; /* of servers to come, for libfaketime; or NULL */
    bool copied;       /* for the standby */
    char pooler_conninfo[32];
} fixture;

static const char faketime[] = "/usr/lib/x86_64-linux-gnu/faketime/libfaketime.so.1";

/* The folder of the newest installed PostgreSQL, as Debian lays it out; else whatever PATH has. */
static void find_programs(void)
{
    glob_t found;
    long newest = 0;
    fixture.bin[0] = '\0';
    if (glob("/usr/lib/postgresql/*/bin/initdb", 0, NULL, &found) == 0) {
        for (size_t i = 0; i < found.gl_pathc; i++) {
            long version = strtol(found.gl_pathv[i] + strlen("/usr/lib/postgresql/"), NULL, 10);
            if (version > newest) {
                newest = version;
                snprintf(fixture.bin, sizeof(fixture.bin), "/usr/lib/postgresql/%ld/bin/", version);
            }
        }
        globfree(&found);
    }
}

/* In a child that is root: becomes somebody whom PostgreSQL accepts. */
static bool drop_privileges(void)
{
    if (geteuid() != 0)
        return true;
    const struct passwd *user = getpwnam("postgres");
    if (user == NULL)
        user = getpwnam("nobody");
    return user != NULL && setgroups(0, NULL) == 0 && setgid(user->pw_gid) == 0 && setuid(user->pw_uid) == 0;
}

/* Starts a program of PostgreSQL, its output going to the file `log` in the folder. */
static pid_t start(const char *program, char **arguments)
{
    char path[512], log[128];
    snprintf(path, sizeof(path), "%s%s", *program == '/' ? "" : fixture.bin, program);
    snprintf(log, sizeof(log), "%s/log", fixture.folder);
    pid_t parent = getpid(), child = fork();
    if (child != 0)
        return child;
    /* SIGINT is PostgreSQL's fast shutdown: it ends when the test does, even by a signal. The
     * setting is lost when the user changes, so it comes after. */
    if (!drop_privileges() || prctl(PR_SET_PDEATHSIG, SIGINT) != 0 || getppid() != parent)
        _exit(127);
    int out = open(log, O_WRONLY | O_CREAT | O_APPEND, 0600), in = open("/dev/null", O_RDONLY);
    if (out < 0 || in < 0 || chdir(fixture.folder) != 0)
        _exit(127);
    dup2(in, 0);
    dup2(out, 1);
    dup2(out, 2);
    if (fixture.clock != NULL && strcmp(program, "postgres") == 0) {
        setenv("LD_PRELOAD", faketime, 1);
        setenv("FAKETIME", fixture.clock, 1);
        setenv("FAKETIME_DONT_FAKE_MONOTONIC", "1", 1);
    }
    arguments[0] = path; /* PostgreSQL's programs find each other by it */
    execvp(path, arguments);
    _exit(127);
}

static bool await(pid_t child)
{
    int status = -1;
    while (child > 0 && waitpid(child, &status, 0) < 0 && errno == EINTR)
        ;
    return child > 0 && WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void show_log(const char *what)
{
    char log[128], part[4096];
    snprintf(log, sizeof(log), "%s/log", fixture.folder);
    fprintf(stderr, "pg fixture: %s; its log:\n", what);
    FILE *file = fopen(log, "re");
    for (size_t size; file != NULL && (size = fread(part, 1, sizeof(part), file)) > 0;)
        fwrite(part, 1, size, stderr);
    if (file != NULL)
        fclose(file);
}

#define RUN(program, ...) await(start(program, (char *[]){program, __VA_ARGS__, NULL}))

static char main_port[] = "5432", standby_port[] = "5433", pooler_port[] = "6432"; /* in socket names */

/* Waits a minute at most, in steps that a person does not notice. */
static bool is_ready(pid_t *server, char *port)
{
    for (int tries = 0; tries < 600; tries++) {
        if (RUN("pg_isready", "-q", "-h", fixture.folder, "-p", port, "-d", "postgres"))
            return true;
        if (*server <= 0 || waitpid(*server, NULL, WNOHANG) == *server)
            break;
        usleep(100 * 1000);
    }
    *server = 0;
    show_log("a server does not start");
    return false;
}

static bool start_server(pid_t *server, char *data, char *port)
{
    *server =
        start("postgres", (char *[]){"postgres", "-D", data, "-k", fixture.folder, "-p", port, "-c",
                                     "listen_addresses=", "-c", "fsync=off", "-c", "full_page_writes=off",
                                     "-c", "shared_buffers=16MB", "-c", "max_connections=100", NULL});
    return is_ready(server, port);
}

static bool start_postmaster(void)
{
    return start_server(&fixture.postmaster, "data", main_port);
}

static void remove_folder(void)
{
    pid_t child = fork();
    if (child == 0) {
        execlp("rm", "rm", "-rf", "--", fixture.folder, (char *)NULL);
        _exit(127);
    }
    await(child);
}

char *pg_fixture_start(void)
{
    if (fixture.postmaster > 0)
        return fixture.conninfo;
    find_programs();
    strcpy(fixture.folder, "/tmp/swpg-XXXXXX"); /* short: a socket's path has 107 bytes */
    if (mkdtemp(fixture.folder) == NULL || chmod(fixture.folder, 0700) != 0) {
        perror("pg fixture: temporary folder");
        return NULL;
    }
    const struct passwd *user = getpwnam("postgres");
    if (user == NULL)
        user = getpwnam("nobody");
    if (geteuid() == 0 && (user == NULL || chown(fixture.folder, user->pw_uid, user->pw_gid) != 0)) {
        fputs("pg fixture: no user postgres or nobody to run PostgreSQL as\n", stderr);
        return NULL;
    }
    fixture.owner = getpid();
    atexit(pg_fixture_stop);
    if (!RUN("initdb", "-D", "data", "-N", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")) {
        show_log("initdb fails");
        return NULL;
    }
    if (!start_postmaster() || !RUN("createdb", "-h", fixture.folder, "-U", "postgres", "test")) {
        show_log("no database");
        return NULL;
    }
    snprintf(fixture.conninfo, sizeof(fixture.conninfo), "host=%s user=postgres dbname=test", fixture.folder);
    return fixture.conninfo;
}

static void end_server(pid_t *server, int signal)
{
    if (*server <= 0)
        return;
    kill(*server, signal);
    await(*server);
    *server = 0;
}

static void end_postmaster(int signal)
{
    end_server(&fixture.postmaster, signal);
}

void pg_fixture_stop(void)
{
    if (fixture.owner != getpid() || fixture.folder[0] == '\0')
        return;
    end_server(&fixture.pooler, SIGTERM);
    end_postmaster(SIGINT);
    end_server(&fixture.standby, SIGINT);
    remove_folder();
    fixture.folder[0] = '\0';
}

bool pg_fixture_crash(void)
{
    end_postmaster(SIGQUIT);
    return fixture.folder[0] != '\0';
}

bool pg_fixture_restart(void)
{
    return fixture.folder[0] != '\0' && (fixture.postmaster > 0 || start_postmaster());
}

bool pg_fixture_sql(const char *sql)
{
    if (RUN("psql", "-X", "-q", "-v", "ON_ERROR_STOP=1", "-h", fixture.folder, "-U", "postgres", "-d", "test",
            "-c", (char *)(uintptr_t)sql))
        return true;
    show_log("SQL fails");
    return false;
}

/* --- A standby --- */

static bool copy_cluster(void)
{
    return RUN("pg_basebackup", "-D", "standby", "-R", "-X", "stream", "-c", "fast", "-h", fixture.folder,
               "-U", "postgres") &&
           pg_fixture_sql("ALTER SYSTEM SET synchronous_standby_names = '*'") &&
           pg_fixture_sql("SELECT pg_reload_conf()");
}

bool pg_fixture_start_standby(void)
{
    if (!fixture.copied && !copy_cluster()) {
        show_log("no standby");
        return false;
    }
    fixture.copied = true;
    return start_server(&fixture.standby, "standby", standby_port);
}

bool pg_fixture_stop_standby(void)
{
    end_server(&fixture.standby, SIGINT);
    return true;
}

bool pg_fixture_promote(void)
{
    return RUN("pg_ctl", "promote", "-w", "-s", "-D", "standby");
}

bool pg_fixture_set_clock(const char *offset)
{
    fixture.clock = offset;
    return access(faketime, R_OK) == 0;
}

char *pg_fixture_on_both(const char *conninfo)
{
    char *text = NULL;
    int size = asprintf(&text, "%s host=%s,%s port=%s,%s", conninfo, fixture.folder, fixture.folder,
                        main_port, standby_port);
    return size < 0 ? NULL : text;
}

char *pg_fixture_on_standby(const char *conninfo)
{
    char *text = NULL;
    return asprintf(&text, "%s port=%s", conninfo, standby_port) < 0 ? NULL : text;
}

/* --- A pooler --- */

static bool write_pooler_files(const char *mode, int sessions)
{
    char path[128];
    snprintf(path, sizeof(path), "%s/users", fixture.folder);
    FILE *file = fopen(path, "we");
    if (file == NULL)
        return false;
    fputs("\"postgres\" \"\"\n\"sitewire_referential\" \"\"\n", file);
    fclose(file);
    snprintf(path, sizeof(path), "%s/pooler.ini", fixture.folder);
    file = fopen(path, "we");
    if (file == NULL)
        return false;
    fprintf(file,
            "[databases]\n* = host=%s port=%s\n[pgbouncer]\nunix_socket_dir = %s\nlisten_port = %s\n"
            "auth_type = trust\nauth_file = %s/users\npool_mode = %s\ndefault_pool_size = %d\n"
            "max_client_conn = 200\n",
            fixture.folder, main_port, fixture.folder, pooler_port, fixture.folder, mode, sessions);
    return fclose(file) == 0;
}

const char *pg_fixture_start_pooler(const char *mode, int sessions)
{
    static char program[] = "/usr/sbin/pgbouncer";
    char ini[] = "pooler.ini";
    if (access(program, X_OK) != 0)
        return NULL;
    if (!write_pooler_files(mode, sessions)) {
        perror("pg fixture: files of the pooler");
        return NULL;
    }
    fixture.pooler = start(program, (char *[]){program, ini, NULL});
    snprintf(fixture.pooler_conninfo, sizeof(fixture.pooler_conninfo), "port=%s", pooler_port);
    return is_ready(&fixture.pooler, pooler_port) ? fixture.pooler_conninfo : NULL;
}

void pg_fixture_stop_pooler(void)
{
    end_server(&fixture.pooler, SIGINT);
}

/* `sitewire up`: a whole system in one folder: a private PostgreSQL, migrations, broker and
 * services, supervised until a signal ends them in order. Root prepares the folder, and becomes
 * another user before anything runs (up_place.h). */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "cli/system/cluster.h"
#include "cli/system/commands.h"
#include "cli/system/up_config.h"
#include "cli/system/up_endpoints.h"
#include "cli/system/up_keys.h"
#include "cli/system/up_place.h"
#include "sitewire/rpc/v1/rpc.pb-c.h"
#include "store/pg/migrate.h"
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <sys/wait.h>
#include <unistd.h>

#define ADMIN           "admin@localhost" /* created by the migrations */
#define DRAIN_MS        35000             /* services drain for at most 30 s */
#define STOP_MS         60000
#define READY_MS        60000
#define RUNNER_DRAIN_MS "20000"
#define CHILDREN        (3 + SERVICES)

typedef struct service {
    const char *program; /* in the folder of our own */
    const char *name;    /* full name of the service */
    const char *role;    /* database role */
    const char *key;     /* its key is DATA/keys/<key>.key */
    bool secrets;        /* it gets the master keys */
} service;

static const service services[] = {
    {"sitewire-referential", "sitewire.referential.v1.Referential", "sitewire_referential", "referential",
     true},
    {"sitewire-user", "sitewire.user.v1.Users", "sitewire_user", "user", false},
    {"sitewire-deployment", "sitewire.deployment.v1.Deployments", "sitewire_deployment", "deployment", false},
};
#define SERVICES (sizeof(services) / sizeof(*services))

typedef struct up {
    sw_up_place place;
    sw_up_endpoints endpoints;
    char programs[PATH_MAX], local_users[128], local_services[64];
    sw_keys keys;
    char service_keys[SERVICES][PATH_MAX], runner_key[PATH_MAX];
    const char *curve, *caller, *config_file;
    char paths[2 + SERVICES][PATH_MAX + 64];
    int files[2 + SERVICES]; /* the programs at these paths, opened; 0: not needed */
    sw_cluster cluster;
    char databases[SERVICES][sizeof(((sw_cluster *)NULL)->conninfo) + 64];
    sw_child broker, services[SERVICES], runner; /* the runner only with --runner */
    char docroots[PATH_MAX + 64];
    const char *runner_user;
    bool keeps_change_user; /* the runner needs it */
    int signals;
    sw_up_config config;
} up;

/* --- The processes --- */

static sw_code find_programs(up *u, sw_error *error)
{
    ssize_t size = readlink("/proc/self/exe", u->programs, sizeof(u->programs) - 1);
    u->programs[size > 0 ? size : 0] = '\0';
    char *slash = strrchr(u->programs, '/');
    if (slash == NULL)
        return sw_fail(error, SW_FAILED_PRECONDITION, "cannot tell where sitewire's programs are: %s",
                       strerror(errno));
    *slash = '\0';
    snprintf(u->paths[0], sizeof(u->paths[0]), "%s/sitewire-broker", u->programs);
    for (size_t i = 0; i < SERVICES; i++)
        snprintf(u->paths[1 + i], sizeof(u->paths[1 + i]), "%s/%s", u->programs, services[i].program);
    if (*u->docroots != '\0')
        snprintf(u->paths[1 + SERVICES], sizeof(u->paths[0]), "%s/sitewire-runner", u->programs);
    for (size_t i = 0; i < 2 + SERVICES && *u->paths[i] != '\0'; i++)
        if (access(u->paths[i], X_OK) != 0 ||
            (u->files[i] = open(u->paths[i], O_PATH | O_NOFOLLOW | O_CLOEXEC)) < 0)
            return sw_fail(error, SW_FAILED_PRECONDITION,
                           "%s: %s; it must be in the same folder as the program sitewire", u->paths[i],
                           strerror(errno));
    return SW_OK;
}

/* Reads --runner FOLDER and --runner-user NAME. A folder that is there may belong to anyone: only
 * the user that runs the commands enters it. */
static sw_code take_runner(up *u, const char *folder, const char *user, sw_error *error)
{
    char path[PATH_MAX];
    sw_folder made = {.fd = -1};
    u->runner_user = user == NULL && geteuid() == 0 ? "nobody" : user == NULL ? "" : user;
    if (folder == NULL)
        return SW_OK;
    if (realpath(folder, path) == NULL && errno == ENOENT) {
        sw_code code = sw_folder_open(folder, SW_FOLDER_MAKE | SW_FOLDER_TRUSTED, &made, error);
        sw_folder_close(&made);
        if (code != SW_OK)
            return code;
    }
    if (realpath(folder, path) == NULL)
        return sw_fail(error, SW_FAILED_PRECONDITION, "%s: %s", folder, strerror(errno));
    snprintf(u->docroots, sizeof(u->docroots), "%s/{docroot}/{environment}", path);
    return SW_OK;
}

/* Whether the runner has to change its user, for which it needs capabilities. */
static bool runner_changes_user(const up *u)
{
    sw_account account;
    sw_error error;
    return *u->docroots != '\0' && *u->runner_user != '\0' &&
           sw_account_find(u->runner_user, &account, &error) == SW_OK && account.uid != u->place.account.uid;
}

/* Our own user and root are the first admin: whoever can read our files could be us anyway. */
static void prepare_broker(up *u)
{
    snprintf(u->local_users, sizeof(u->local_users), "%u=" ADMIN ",0=" ADMIN, (unsigned)u->place.account.uid);
    /* Our services have keys. A program without one must not pose as one of them. */
    snprintf(u->local_services, sizeof(u->local_services), "%u=*", (unsigned)u->place.account.uid);
    const char *arguments[SW_CHILD_ARGUMENTS] = {u->paths[0],
                                                 "--frontend",
                                                 u->endpoints.frontend.all,
                                                 "--backend",
                                                 u->endpoints.backend.all,
                                                 "--events",
                                                 u->endpoints.events.all,
                                                 "--local-users",
                                                 u->local_users,
                                                 "--key",
                                                 u->keys.broker,
                                                 "--service-keys",
                                                 u->keys.service_keys,
                                                 "--curve",
                                                 u->curve,
                                                 "--publish",
                                                 u->endpoints.publish.all,
                                                 "--local-services",
                                                 u->local_services};
    if (u->caller != NULL) {
        size_t count = 0;
        while (arguments[count] != NULL)
            count++;
        arguments[count++] = "--caller";
        arguments[count] = u->caller;
    }
    u->broker = (sw_child){.name = "sitewire-broker",
                           .program = u->files[0],
                           .stop_signal = SIGTERM,
                           .death_signal = SIGTERM,
                           .output = -1};
    memcpy(u->broker.arguments, arguments, sizeof(arguments));
    sw_up_config_pass(&u->config, u->broker.arguments, SW_CHILD_ARGUMENTS);
}

/* Its key makes it a user of its own. It is started once the services can be asked for work. */
static void prepare_runner(up *u)
{
    const char *arguments[] = {u->paths[1 + SERVICES],
                               "--endpoint",
                               u->endpoints.frontend.local,
                               "--events",
                               u->endpoints.events.local,
                               "--directory",
                               u->docroots,
                               "--drain-ms",
                               RUNNER_DRAIN_MS,
                               "--user",
                               u->runner_user,
                               "--key",
                               u->runner_key,
                               NULL};
    u->runner = (sw_child){.name = "sitewire-runner",
                           .program = u->files[1 + SERVICES],
                           .changes_user = u->keeps_change_user,
                           .stop_signal = SIGTERM,
                           .death_signal = SIGTERM,
                           .output = -1,
                           .restart_ms = SW_NEVER};
    memcpy(u->runner.arguments, arguments, sizeof(arguments));
    sw_up_config_pass(&u->config, u->runner.arguments, SW_CHILD_ARGUMENTS);
}

static void prepare_children(up *u)
{
    prepare_broker(u);
    if (*u->docroots != '\0')
        prepare_runner(u);
    for (size_t i = 0; i < SERVICES; i++) {
        /* Each service logs in with its own role: the last `user=` counts. */
        snprintf(u->databases[i], sizeof(u->databases[i]), "%s user=%s", u->cluster.conninfo,
                 services[i].role);
        const bool secrets = services[i].secrets;
        const char *arguments[] = {u->paths[1 + i],
                                   "--backend",
                                   u->endpoints.backend.local,
                                   "--database",
                                   u->databases[i],
                                   "--publish",
                                   u->endpoints.publish.local,
                                   "--key",
                                   u->service_keys[i],
                                   secrets ? "--secret-key" : NULL,
                                   u->keys.secrets,
                                   NULL};
        u->services[i] = (sw_child){.name = services[i].program,
                                    .program = u->files[1 + i],
                                    .stop_signal = SIGTERM,
                                    .death_signal = SIGTERM,
                                    .output = -1};
        memcpy(u->services[i].arguments, arguments, sizeof(arguments));
        sw_up_config_pass(&u->config, u->services[i].arguments, SW_CHILD_ARGUMENTS);
    }
}

/* Lists all children, PostgreSQL first. */
static size_t all_children(up *u, sw_child **children)
{
    size_t count = 0;
    children[count++] = &u->cluster.server;
    children[count++] = &u->broker;
    for (size_t i = 0; i < SERVICES; i++)
        children[count++] = &u->services[i];
    if (u->runner.name != NULL)
        children[count++] = &u->runner;
    return count;
}

static void stop_child(sw_child *child, int64_t for_ms)
{
    if (!sw_child_stop(child, child->stop_signal, sw_now_ms() + for_ms)) {
        sw_log(SW_LOG_WARNING, "killed because it did not end in time", "program", child->name, NULL);
        sw_child_stop(child, SIGKILL, sw_now_ms() + STOP_MS);
    }
}

/* Ends everything in order: the runner while it can still report, services while broker and
 * database still serve their calls, then the broker, then the database. */
static void stop_all(up *u)
{
    stop_child(&u->runner, DRAIN_MS);
    for (size_t i = 0; i < SERVICES; i++)
        if (u->services[i].pid != 0)
            kill(u->services[i].pid, u->services[i].stop_signal);
    for (size_t i = 0; i < SERVICES; i++)
        stop_child(&u->services[i], DRAIN_MS);
    stop_child(&u->broker, STOP_MS);
    stop_child(&u->cluster.server, STOP_MS);
}

static void reap(up *u)
{
    sw_child *children[CHILDREN];
    size_t count = all_children(u, children);
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, WNOHANG)) > 0;)
        for (size_t i = 0; i < count; i++)
            if (children[i]->pid == pid)
                sw_child_ended(children[i], status);
}

/* Starts the children that are due. Returns the time until the next is due, in ms. */
static int64_t restart_due(up *u)
{
    sw_child *children[CHILDREN];
    size_t count = all_children(u, children);
    int64_t now = sw_now_ms(), next = now + 60000;
    for (size_t i = 0; i < count; i++) {
        sw_error error;
        if (children[i]->pid != 0 || children[i]->restart_ms == SW_NEVER)
            continue;
        if (children[i]->restart_ms <= now && sw_child_start(children[i], &error) != SW_OK) {
            sw_log(SW_LOG_ERROR, "cannot start", "program", children[i]->name, "reason", error.message, NULL);
            children[i]->restart_ms = now + 1000;
        }
        if (children[i]->pid == 0 && children[i]->restart_ms < next)
            next = children[i]->restart_ms;
    }
    return next - now;
}

/* SIGHUP: all programs read their configuration again, PostgreSQL included. */
static void pass_on_hangup(up *u)
{
    sw_child *children[CHILDREN];
    size_t count = all_children(u, children);
    sw_up_config_reload(&u->config);
    for (size_t i = 0; i < count; i++)
        if (children[i]->pid != 0)
            kill(children[i]->pid, SIGHUP);
}

/* Supervises for `wait_ms`. False when a signal asks to end. */
static bool supervise(up *u, int64_t wait_ms)
{
    struct pollfd fd = {.fd = u->signals, .events = POLLIN};
    struct signalfd_siginfo info;
    int64_t due_ms = restart_due(u);
    poll(&fd, 1, (int)(due_ms < wait_ms ? due_ms : wait_ms));
    bool go_on = true;
    while (read(u->signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP)
            pass_on_hangup(u);
        else
            go_on = go_on && info.ssi_signo == SIGCHLD;
    }
    reap(u);
    return go_on;
}

/* Waits until each service reports through the broker that it serves. Fails if a child cannot
 * start. */
static sw_code await_ready(up *u, bool *stopped, sw_error *error)
{
    sw_client *client = NULL;
    sw_code code = sw_client_open(u->endpoints.frontend.local, NULL, &client, error);
    int64_t deadline = sw_now_ms() + READY_MS;
    for (size_t i = 0; code == SW_OK && i < SERVICES;) {
        Sw__HealthCheckRequest request = SW__HEALTH_CHECK_REQUEST__INIT;
        ProtobufCMessage *reply = NULL;
        sw_call_options options = {
            .size = sizeof(options), .timeout_ms = 500, .destination = services[i].name, .no_retry = true};
        bool serving =
            sw_client_call(client, "/sitewire.rpc.v1.Health/Check", &request.base,
                           &sw__health_check_response__descriptor, &reply, &options, NULL) == SW_OK &&
            ((Sw__HealthCheckResponse *)reply)->status == SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
        if (reply != NULL)
            protobuf_c_message_free_unpacked(reply, NULL);
        i += serving;
        *stopped = !supervise(u, serving ? 0 : 50);
        if (*stopped)
            break;
        if (u->broker.failures >= SW_CRASH_LOOP ||
            u->services[i < SERVICES ? i : 0].failures >= SW_CRASH_LOOP)
            code = sw_fail(error, SW_UNAVAILABLE,
                           "a program ends again and again while starting: the lines above say why");
        else if (sw_now_ms() > deadline && !serving)
            code =
                sw_fail(error, SW_UNAVAILABLE, "%s does not serve calls after %d s: the lines above say why",
                        services[i].program, READY_MS / 1000);
    }
    sw_client_close(&client);
    return code;
}

static void log_migration(const sw_migration_state *state, void *context)
{
    (void)context;
    if (state->waits_for)
        sw_log(SW_LOG_INFO, "waiting", "for", state->waits_for, NULL);
    else if (state->notice)
        sw_log(SW_LOG_WARNING, "notice of a migration", "notice", state->notice, NULL);
    else
        sw_log(SW_LOG_INFO, "migrated", "migration", state->name, NULL);
}

/* The programs read --config as the user, too. */
static sw_code check_access(const up *u, sw_error *error)
{
    const char *path = u->config_file;
    return path == NULL || faccessat(AT_FDCWD, path, R_OK, AT_EACCESS) == 0
               ? SW_OK
               : sw_fail(error, SW_FAILED_PRECONDITION,
                         "the programs run as user %s, who cannot read --config %s: %s",
                         u->place.account.name, path, strerror(errno));
}

static sw_code make_keys(up *u, sw_error *error)
{
    char keys[PATH_MAX + 8];
    snprintf(keys, sizeof(keys), "%s/keys", u->place.data.path);
    sw_code code = sw_keys_open(&u->keys, keys, error);
    for (size_t i = 0; i < SERVICES && code == SW_OK; i++)
        code = sw_keys_program(&u->keys, services[i].key, services[i].name, u->service_keys[i], error);
    return code == SW_OK ? sw_keys_program(&u->keys, "runner", NULL, u->runner_key, error) : code;
}

/* What the user that runs the system has to be able to do. */
static sw_code prepare_as_user(up *u, sw_error *error)
{
    sw_code code = check_access(u, error);
    if (code == SW_OK)
        code = sw_up_endpoints_make_folder(&u->endpoints, error);
    return code == SW_OK ? make_keys(u, error) : code;
}

/* In a folder of its own, root makes what stays root's, and nothing in the user's folders. */
static sw_code prepare_as_root(up *u, sw_error *error)
{
    sw_code code = sw_up_place_share(&u->place, error);
    if (code == SW_OK)
        code = sw_account_enter(&u->place.account, error);
    if (code == SW_OK)
        code = prepare_as_user(u, error);
    return code == SW_OK ? sw_account_leave(error) : code;
}

/* Makes everything that the programs need in DATA. Afterwards we are the user that runs them. */
static sw_code prepare(up *u, sw_error *error)
{
    const bool is_roots = sw_up_place_is_roots(&u->place);
    sw_code code = SW_OK;
    u->keeps_change_user = geteuid() == 0 && runner_changes_user(u);
    if (!is_roots)
        code = sw_up_place_become(&u->place, u->keeps_change_user, error);
    if (code == SW_OK)
        code = sw_up_place_lock(&u->place, error);
    if (code == SW_OK)
        code = is_roots ? prepare_as_root(u, error) : prepare_as_user(u, error);
    if (code == SW_OK)
        code = sw_cluster_make(&u->cluster, error);
    if (code == SW_OK)
        code = sw_up_endpoints_write(&u->endpoints, &u->place.data, u->cluster.conninfo, u->keys.server_key,
                                     error);
    return code == SW_OK && is_roots ? sw_up_place_become(&u->place, u->keeps_change_user, error) : code;
}

/* The runner is a user by its key: runner@localhost, whom the database gets to know here. */
static sw_code admit_runner(const up *u, sw_error *error)
{
    sw_key_file key;
    bool is_new = false;
    sw_code code = sw_key_file_read(u->runner_key, &key, error);
    if (code == SW_OK)
        code = sw_cluster_ask(&u->cluster, "SELECT users.admit_runner($1)", key.public_key, &is_new, error);
    if (is_new)
        sw_log(SW_LOG_INFO, "runner admitted", "user", "runner@localhost", "role", "Runner", "grant",
               "up-runner", NULL);
    sw_key_file_wipe(&key);
    return code;
}

static sw_code run(up *u, sw_error *error)
{
    sw_code code;
    bool stopped = false;
    if ((code = sw_cluster_start(&u->cluster, error)) != SW_OK ||
        (code = sw_migrate_apply(u->cluster.conninfo, false, log_migration, NULL, error)) != SW_OK)
        return code;
    if (*u->docroots != '\0' && (code = admit_runner(u, error)) != SW_OK)
        return code;
    prepare_children(u);
    if ((code = sw_child_start(&u->broker, error)) != SW_OK)
        return code;
    for (size_t i = 0; i < SERVICES; i++)
        if ((code = sw_child_start(&u->services[i], error)) != SW_OK)
            return code;
    if ((code = await_ready(u, &stopped, error)) != SW_OK || stopped)
        return code;
    if (u->runner.name != NULL && (code = sw_child_start(&u->runner, error)) != SW_OK)
        return code;
    printf("ready endpoint=%s backend=%s events=%s env=%s/env\n", u->endpoints.frontend.all,
           u->endpoints.backend.all, u->endpoints.events.all, u->place.data.path);
    fflush(stdout);
    while (supervise(u, 60000))
        ;
    return SW_OK;
}

/* From here on signals are read from a signalfd; children unblock them. */
static sw_code take_signals(up *u, sw_error *error)
{
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGHUP);
    sigprocmask(SIG_BLOCK, &set, NULL);
    u->signals = signalfd(-1, &set, SFD_NONBLOCK | SFD_CLOEXEC);
    return u->signals >= 0 ? SW_OK : sw_fail(error, SW_INTERNAL, "signalfd: %s", strerror(errno));
}

/* Reads all flags, and looks for what must be there. Only DATA and the runner's folder are made. */
static sw_code open_up(up *u, const sw_cli *cli, const char *data, sw_error *error)
{
    const sw_args *args = &cli->args;
    sw_code code;
    u->curve = sw_args_has(args, "curve") ? sw_args_value(args, "curve") : "on";
    u->caller = sw_args_value(args, "caller");
    u->config_file = sw_args_value(args, "config");
    if ((code = sw_up_config_open(&u->config, args, error)) != SW_OK ||
        (code = sw_up_place_open(&u->place, data, sw_args_value(args, "user"), error)) != SW_OK ||
        (code = take_runner(u, sw_args_value(args, "runner"), sw_args_value(args, "runner-user"), error)) !=
            SW_OK ||
        (code = find_programs(u, error)) != SW_OK || (code = take_signals(u, error)) != SW_OK)
        return code;
    sw_up_endpoints_take(&u->endpoints, args, &u->place.data, &u->place.account, *u->docroots != '\0');
    const sw_child_identity identity = {u->place.account.uid, u->place.account.gid};
    return sw_cluster_open(&u->cluster, u->place.data.path, u->endpoints.run, identity, error);
}

static void close_up(up *u)
{
    sw_up_place_close(&u->place);
    if (u->signals >= 0)
        close(u->signals);
    for (size_t i = 0; i < sizeof(u->files) / sizeof(*u->files); i++)
        if (u->files[i] > 0)
            close(u->files[i]);
    sw_up_config_close(&u->config);
    free(u);
}

sw_code sw_cmd_up(sw_cli *cli, sw_error *error)
{
    signal(SIGPIPE, SIG_IGN); /* the system goes on when nobody reads what it prints */
    const char *data = sw_args_value(&cli->args, "data");
    if (data == NULL)
        data = getenv("SITEWIRE_DATA");
    if (data == NULL || *data == '\0')
        return sw_cli_usage(cli, error, "where should the data be? Give --data DIR (or set SITEWIRE_DATA)");
    up *u = calloc(1, sizeof(*u));
    if (u == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    u->place.lock = u->place.data.fd = u->signals = -1;
    sw_code code = open_up(u, cli, data, error);
    if (code == SW_OK && (code = prepare(u, error)) == SW_OK) {
        code = run(u, error);
        sw_log(SW_LOG_INFO, "stopping", NULL);
        stop_all(u);
        sw_log(SW_LOG_INFO, "stopped", NULL);
    }
    close_up(u);
    return code;
}

/* sitewire-runner: executes the commands of deployments (docs/deployment.md). Its options, and
 * what signals mean to it. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "enroll/enroll.h"
#include "net/keyfile.h"
#include "program/account.h"
#include "program/process.h"
#include "program/program.h"
#include "runner/environment.h"
#include "runner/runner.h"
#include <limits.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <zmq.h>

static sw_settings settings;
static struct {
    const char *endpoint, *events, *key, *enroll, *environments, *docroots, *projects, *name;
    int64_t drain_ms;
    bool spread;
} given;

static const sw_option options[] = {
    {"endpoint", 'e', SW_OPTION_STRING, &given.endpoint, "ipc:///run/sitewire/frontend", 0, 0, "ENDPOINTS",
     "the brokers, comma-separated: the first that serves is used", SW_RESTART},
    {"events", 0, SW_OPTION_STRING, &given.events, "", 0, 0, "ENDPOINTS",
     "where they publish events, to hear of work at once; without it, ask each --poll-ms", SW_RESTART},
    {"spread", 0, SW_OPTION_SWITCH, &given.spread, NULL, 0, 0, NULL,
     "use the endpoints in an order at random, to balance runners", SW_RESTART},
    {"key", 'k', SW_OPTION_STRING, &given.key, "", 0, 0, "FILE",
     "the runner's key, for all endpoints; `sitewire key enroll` makes one; without it, the uid on ipc says "
     "who claims",
     SW_RESTART},
    {"enroll", 0, SW_OPTION_STRING, &given.enroll, "", 0, 0, "CODE",
     "makes the key of --key, unless it is there, and enrolls it with this code of `sitewire key invite`; "
     "SITEWIRE_ENROLL hides it from other users",
     SW_RESTART},
    {"name", 'n', SW_OPTION_STRING, &given.name, "", 0, 0, "NAME",
     "name of this runner in deployments; without it, the host's", SW_RESTART},
    {"environments", 0, SW_OPTION_STRING, &given.environments, "", 0, 0, "CODES",
     "serve these environments only, comma-separated", SW_RESTART},
    {"docroots", 0, SW_OPTION_STRING, &given.docroots, "", 0, 0, "CODES", "serve these docroots only",
     SW_RESTART},
    {"projects", 0, SW_OPTION_STRING, &given.projects, "", 0, 0, "CODES",
     "serve these projects only, such as website:isover.fr", SW_RESTART},
    {"directory", 'C', SW_OPTION_STRING, &settings.directory, "/srv/{docroot}/{environment}", 0, 0, "PATH",
     "where the commands of a deployment run", SW_RESTART},
    {"user", 'u', SW_OPTION_STRING, &settings.user, "", 0, 0, "NAME",
     "the account that commands run as; a runner that is root needs it", SW_RESTART},
    {"path", 0, SW_OPTION_STRING, &settings.path, "/usr/local/bin:/usr/bin:/bin", 0, 0, "PATH",
     "where commands look for programs", SW_LIVE},
    {"secrets", 's', SW_OPTION_STRING, &settings.secrets, "", 0, 0, "FILE",
     "lines NAME=value (mode 0600): into the environment of commands, masked in output", SW_LIVE},
    {"jobs", 'j', SW_OPTION_NUMBER, &settings.jobs, "4", 1, 256, NULL, "deployments at once", SW_RESTART},
    {"lease-ms", 0, SW_OPTION_NUMBER, &settings.lease_ms, "30000", 1000, 600000, "ms",
     "a deployment is lost when its runner is silent for so long", SW_LIVE},
    {"poll-ms", 0, SW_OPTION_NUMBER, &settings.poll_ms, "1000", 10, 60000, "ms",
     "between two questions for work when nothing is heard", SW_LIVE},
    {"grace-ms", 0, SW_OPTION_NUMBER, &settings.limits.grace_ms, "10000", 0, 3600000, "ms",
     "from SIGTERM to SIGKILL, for a command that is to end", SW_LIVE},
    {"output-max", 0, SW_OPTION_NUMBER, &settings.limits.attempt, "64M", 0, INT64_MAX, "bytes",
     "kept of the output of a command; the rest is counted and left out", SW_LIVE},
    {"deployment-output-max", 0, SW_OPTION_NUMBER, &settings.limits.deployment, "64M", 0, INT64_MAX, "bytes",
     "kept of the output of a deployment", SW_LIVE},
    {"drain-ms", 0, SW_OPTION_NUMBER, &given.drain_ms, "600000", 0, 86400000, "ms",
     "time for what runs when the program is stopped; then it is ended", SW_LIVE},
    {0}};

typedef struct state {
    sw_loop *loop;
    sw_client *client;
    sw_runner *runner;
    sw_timer *patience;
    sw_key_file key; /* as it was read last */
    bool ready;
    char refusal[SW_ERROR_MESSAGE_SIZE]; /* why claims are refused, as logged last */
} state;

/* --- what happens while it runs --- */

static void on_claim(const sw_error *error, void *context)
{
    state *p = context;
    if (error != NULL && strcmp(error->message, p->refusal) != 0) {
        snprintf(p->refusal, sizeof(p->refusal), "%s", error->message);
        sw_log_limited(SW_LOG_WARNING, "no work is given", "code", sw_code_name(error->code), "reason",
                       error->message, NULL);
    } else if (error == NULL && (*p->refusal != '\0' || !p->ready)) {
        *p->refusal = '\0';
        sw_log_limited(SW_LOG_INFO, "serving", NULL);
        sw_program_ready();
        p->ready = true;
    }
}

static void on_idle(void *context)
{
    sw_loop_stop(((state *)context)->loop);
}

static void end_jobs(void *context)
{
    state *p = context;
    sw_log(SW_LOG_WARNING, "ending what runs", NULL);
    sw_runner_stop(p->runner);
}

/* The first one: nothing more is claimed. The second: what runs is ended. The third: at once. */
static void on_stop(void *context, const char *name, int count)
{
    state *p = context;
    char jobs[24];
    if (count == 1) {
        snprintf(jobs, sizeof(jobs), "%zu", sw_runner_jobs(p->runner));
        sw_log(SW_LOG_INFO, "draining", "signal", name, "deployments", jobs, NULL);
        sw_runner_drain(p->runner);
        sw_timer_start(p->patience, sw_now_ms() + given.drain_ms);
    } else if (count == 2) {
        end_jobs(p);
    } else {
        sw_loop_stop(p->loop);
    }
}

/* --- settings --- */

static sw_code split(const char *option, const char *list, sw_codes *codes, sw_error *error)
{
    free(codes->text);
    *codes = (sw_codes){.text = strdup(list)};
    char *rest = codes->text;
    if (codes->text == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    for (char *code; (code = strsep(&rest, ", ")) != NULL;) {
        if (*code == '\0')
            continue;
        if (codes->count == SW_RUNNER_FILTER_MAX)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, option, "--%s has more than %d codes", option,
                                 SW_RUNNER_FILTER_MAX);
        codes->codes[codes->count++] = code;
    }
    return SW_OK;
}

/* Without --name the host's name, in the letters that a code may have. */
static void take_name(void)
{
    static char name[129];
    settings.name = *given.name != '\0' ? given.name : name;
    if (*name != '\0')
        return;
    if (gethostname(name, sizeof(name) - 1) != 0 || *name == '\0')
        strcpy(name, "runner");
    for (char *at = name; *at != '\0'; at++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-", *at) == NULL)
            *at = '-';
}

static sw_code check_user(sw_error *error)
{
    if (*settings.user == '\0')
        return geteuid() == 0
                   ? sw_fail_field(error, SW_FAILED_PRECONDITION, "user",
                                   "a runner that is root needs --user NAME, the account that commands run "
                                   "as (--user root, if that is what you want)")
                   : SW_OK;
    const struct passwd *account = getpwnam(settings.user);
    if (account == NULL)
        return sw_fail_field(error, SW_FAILED_PRECONDITION, "user", "--user '%s': there is no such account",
                             settings.user);
    if (geteuid() != account->pw_uid && !sw_account_may_change_user())
        return sw_fail_field(error, SW_FAILED_PRECONDITION, "user",
                             "--user '%s': only a runner that is root, or has CAP_SETUID and CAP_SETGID, can "
                             "run commands as another user",
                             settings.user);
    return SW_OK;
}

/* The lists are split once, at the start: a running runner's events and claims refer to them. */
static sw_code split_lists(sw_error *error)
{
    sw_code code = split("environments", given.environments, &settings.environments, error);
    if (code == SW_OK)
        code = split("docroots", given.docroots, &settings.docroots, error);
    return code == SW_OK ? split("projects", given.projects, &settings.projects, error) : code;
}

static sw_code check_secrets(sw_error *error)
{
    sw_secrets *secrets;
    sw_code code = sw_secrets_load(settings.secrets, &secrets, error);
    if (code == SW_OK)
        sw_secrets_destroy(&secrets); /* they are read anew for each deployment */
    return code;
}

static sw_code check_directory(sw_error *error)
{
    char path[PATH_MAX];
    if (*settings.directory != '/')
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "directory",
                             "--directory '%s' must be an absolute path", settings.directory);
    return sw_environment_directory(settings.directory, "d", "e", path, sizeof(path), error);
}

static sw_code validate(void *context, sw_error *error)
{
    const state *p = context;
    sw_code code = p->loop == NULL ? split_lists(error) : SW_OK;
    take_name();
    if (code == SW_OK && *given.enroll != '\0' && *given.key == '\0')
        code = sw_fail_field(error, SW_INVALID_ARGUMENT, "enroll",
                             "--enroll needs --key FILE, where the key is made");
    if (code == SW_OK)
        code = check_directory(error);
    if (code == SW_OK)
        code = check_secrets(error);
    return code == SW_OK ? check_user(error) : code;
}

static bool has_key(void)
{
    return *given.key != '\0' && strcmp(given.key, "off") != 0;
}

static sw_code read_key(sw_key_file *key, sw_error *error)
{
    memset(key, 0, sizeof(*key));
    return has_key() ? sw_key_file_read(given.key, key, error) : SW_OK;
}

static void check(void *context, sw_check *check)
{
    state *p = context;
    sw_error error;
    sw_check_endpoints(check, "endpoint", given.endpoint, false);
    sw_check_endpoints(check, "events", given.events, false);
    if (read_key(&p->key, &error) != SW_OK)
        sw_check_report(check, "key", &error);
    sw_key_file_wipe(&p->key);
}

static sw_code reload(void *context, sw_error *error)
{
    state *p = context;
    sw_key_file key;
    sw_code code = read_key(&key, error);
    if (code == SW_OK && strcmp(key.secret_key, p->key.secret_key) != 0)
        sw_log(SW_LOG_INFO, "key changed", "file", given.key, NULL);
    if (code == SW_OK)
        p->key = key;
    sw_key_file_wipe(&key);
    return code;
}

/* --- start and stop --- */

/* --enroll. With a key file the code is usually used up, and whether it is or not, the runner works
 * as soon as the key is enrolled. */
static sw_code enroll(sw_error *error)
{
    char public_key[SW_KEY_SIZE], *user = NULL;
    if (*given.enroll == '\0')
        return SW_OK;
    bool has_file = access(given.key, F_OK) == 0;
    sw_code code = sw_enroll_accept(given.enroll, given.key, settings.name, public_key, &user, error);
    if (code == SW_OK)
        sw_log(SW_LOG_INFO, "key enrolled", "key", public_key, "user", user, "file", given.key, NULL);
    else if (has_file)
        sw_log(SW_LOG_WARNING, "the code of --enroll was not used", "code", sw_code_name(code), "reason",
               error->message, NULL);
    free(user);
    return has_file ? SW_OK : code;
}

static sw_code start(void *context, sw_error *error)
{
    state *p = context;
    p->loop = sw_loop_new();
    if (p->loop == NULL ||
        sw_loop_fd(p->loop, sw_program_fd(), ZMQ_POLLIN, sw_program_process, NULL) != SW_OK ||
        (p->patience = sw_loop_timer(p->loop, end_jobs, p)) == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    const sw_client_options client = {.size = sizeof(client),
                                      .key_file = *given.key == '\0' ? NULL : given.key,
                                      .key_on_ipc = has_key(),
                                      .spread = given.spread};
    sw_code code = enroll(error);
    if (code == SW_OK)
        code = read_key(&p->key, error);
    if (code == SW_OK)
        code = sw_client_open(given.endpoint, &client, &p->client, error);
    if (code != SW_OK)
        return code;
    const sw_runner_options runner = {.settings = &settings,
                                      .events = given.events,
                                      .on_idle = on_idle,
                                      .on_claim = on_claim,
                                      .context = p};
    return sw_runner_new(p->loop, p->client, &runner, &p->runner, error);
}

static sw_code run(void *context, sw_error *error)
{
    sw_log(SW_LOG_INFO, "asking for work", "name", settings.name, "endpoint", given.endpoint, NULL);
    return sw_loop_run(((state *)context)->loop, error);
}

static void stop(void *context)
{
    state *p = context;
    sw_runner_destroy(&p->runner);
    sw_client_close(&p->client);
    sw_loop_destroy(&p->loop);
    sw_key_file_wipe(&p->key);
}

static const sw_program program = {
    .name = "sitewire-runner",
    .about = "Claims deployments, runs their commands and reports the results.",
    .notes = "SIGTERM or SIGINT: claim nothing more, and end when what runs is over; a second one ends what "
             "runs.\n"
             "Its user needs `deploy` on the projects that it serves. docs/deployment.md says what commands "
             "find.",
    .options = options,
    .validate = validate,
    .check = check,
    .start = start,
    .run = run,
    .stop = stop,
    .on_stop = on_stop,
    .reload = reload,
};

int main(int argc, char **argv)
{
    static state p;
    sw_process_keep_private(); /* a keeper's environment holds secrets */
    if (argc > 1 && strcmp(argv[1], SW_KEEPER_FLAG) == 0)
        return sw_keeper_main(argc, argv);
    return sw_program_main(&program, &p, argc, argv);
}

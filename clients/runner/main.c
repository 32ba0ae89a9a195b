/* sitewire-runner: executes the commands of deployments (docs/deployment.md). Options, signals, log lines, and the loop. */
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "base/notify.h"
#include "base/option.h"
#include "base/process.h"
#include "runner/environment.h"
#include "runner/runner.h"
#include <inttypes.h>
#include <limits.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/signalfd.h>
#include <unistd.h>
#include <zmq.h>

static sw_settings settings;
static struct {
    const char *endpoint, *events, *key, *environments, *docroots, *projects, *log_level, *log_format;
    int64_t drain_ms;
    bool check_config, help, version;
} given;

static const sw_option options[] = {
    {"endpoint", 'e', SW_OPTION_STRING, &given.endpoint, "SITEWIRE_ENDPOINT", "ipc:///run/sitewire/frontend",
     0, 0, "ENDPOINTS", "where the brokers are, comma-separated"},
    {"events", 0, SW_OPTION_STRING, &given.events, "SITEWIRE_EVENTS", "", 0, 0, "ENDPOINTS",
     "where they publish events, to hear of work at once; empty: ask each --poll-ms"},
    {"key", 'k', SW_OPTION_STRING, &given.key, "SITEWIRE_KEY", "", 0, 0, "FILE",
     "the runner's key, for tcp; `sitewire key enroll` makes one"},
    {"name", 'n', SW_OPTION_STRING, &settings.name, NULL, "", 0, 0, "NAME",
     "name of this runner in deployments; empty: the host's"},
    {"environments", 0, SW_OPTION_STRING, &given.environments, NULL, "", 0, 0, "CODES",
     "serve these environments only, comma-separated"},
    {"docroots", 0, SW_OPTION_STRING, &given.docroots, NULL, "", 0, 0, "CODES", "serve these docroots only"},
    {"projects", 0, SW_OPTION_STRING, &given.projects, NULL, "", 0, 0, "CODES",
     "serve these projects only, such as website:isover.fr"},
    {"directory", 'C', SW_OPTION_STRING, &settings.directory, NULL, "/srv/{docroot}/{environment}", 0, 0,
     "PATH", "where the commands of a deployment run"},
    {"user", 'u', SW_OPTION_STRING, &settings.user, NULL, "", 0, 0, "NAME",
     "whom commands run as; required of a runner that is root"},
    {"path", 0, SW_OPTION_STRING, &settings.path, NULL, "/usr/local/bin:/usr/bin:/bin", 0, 0, "PATH",
     "where commands look for programs"},
    {"secrets", 's', SW_OPTION_STRING, &settings.secrets, "SITEWIRE_RUNNER_SECRETS", "", 0, 0, "FILE",
     "lines NAME = \"value\" (mode 0600): into the environment of commands, masked in output"},
    {"jobs", 'j', SW_OPTION_NUMBER, &settings.jobs, NULL, "4", 1, 256, NULL, "deployments at once"},
    {"lease-ms", 0, SW_OPTION_NUMBER, &settings.lease_ms, NULL, "30000", 1000, 600000, "ms",
     "a deployment is lost when its runner is silent for so long"},
    {"poll-ms", 0, SW_OPTION_NUMBER, &settings.poll_ms, NULL, "1000", 10, 60000, "ms",
     "between two questions for work when nothing is heard"},
    {"grace-ms", 0, SW_OPTION_NUMBER, &settings.limits.grace_ms, NULL, "10000", 0, 3600000, "ms",
     "from SIGTERM to SIGKILL, for a command that shall end"},
    {"output-max", 0, SW_OPTION_NUMBER, &settings.limits.attempt, NULL, "64M", 0, INT64_MAX, "bytes",
     "kept of the output of a command; the rest is counted and left out"},
    {"deployment-output-max", 0, SW_OPTION_NUMBER, &settings.limits.deployment, NULL, "256M", 0, INT64_MAX,
     "bytes", "kept of the output of a deployment"},
    {"drain-ms", 0, SW_OPTION_NUMBER, &given.drain_ms, NULL, "600000", 0, 86400000, "ms",
     "time for what runs when the program is stopped; then it is ended"},
    {"log-level", 0, SW_OPTION_STRING, &given.log_level, "SITEWIRE_LOG_LEVEL", "info", 0, 0, "LEVEL",
     "error, warning, info or debug"},
    {"log-format", 0, SW_OPTION_STRING, &given.log_format, "SITEWIRE_LOG_FORMAT", "text", 0, 0, "FORMAT",
     "text (key=value) or json"},
    {"check-config", 0, SW_OPTION_BOOL, &given.check_config, NULL, NULL, 0, 0, NULL,
     "print the settings in effect and exit"},
    {"help", 'h', SW_OPTION_BOOL, &given.help, NULL, NULL, 0, 0, NULL, "print this and exit"},
    {"version", 'V', SW_OPTION_BOOL, &given.version, NULL, NULL, 0, 0, NULL, "print the version and exit"},
    {0}};

typedef struct program {
    sw_loop *loop;
    sw_client *client;
    sw_runner *runner;
    sw_timer *watchdog, *patience;
    int signals, asked; /* how often it was asked to end */
    bool ready;
    char refusal[SW_ERROR_MESSAGE_SIZE]; /* why claims are refused, as logged last */
} program;

/* --- what happens while it runs --- */

static void on_claim(const sw_error *error, void *context)
{
    program *p = context;
    if (error != NULL && strcmp(error->message, p->refusal) != 0) {
        snprintf(p->refusal, sizeof(p->refusal), "%s", error->message);
        sw_log(SW_LOG_WARNING, "no work is given", "code", sw_code_name(error->code), "reason",
               error->message, NULL);
    } else if (error == NULL && (*p->refusal != '\0' || !p->ready)) {
        *p->refusal = '\0';
        sw_log(SW_LOG_INFO, "serving", NULL);
        sw_notify("READY=1");
        p->ready = true;
    }
}

static void on_idle(void *context)
{
    sw_loop_stop(((program *)context)->loop);
}

static void end_jobs(void *context)
{
    program *p = context;
    sw_log(SW_LOG_WARNING, "ending what runs", NULL);
    sw_runner_stop(p->runner);
}

/* The first one: nothing more is claimed. The second: what runs is ended. The third: at once. */
static void on_signal(void *context, short events)
{
    (void)events;
    program *p = context;
    struct signalfd_siginfo info;
    char jobs[24];
    if (read(p->signals, &info, sizeof(info)) != sizeof(info))
        return;
    if (++p->asked == 1) {
        snprintf(jobs, sizeof(jobs), "%zu", sw_runner_jobs(p->runner));
        sw_log(SW_LOG_INFO, "draining", "signal", strsignal((int)info.ssi_signo), "deployments", jobs, NULL);
        sw_notify("STOPPING=1");
        sw_runner_drain(p->runner);
        sw_timer_start(p->patience, sw_now_ms() + given.drain_ms);
    } else if (p->asked == 2) {
        end_jobs(p);
    } else {
        sw_loop_stop(p->loop);
    }
}

static void on_watchdog(void *context)
{
    program *p = context;
    sw_notify("WATCHDOG=1");
    sw_timer_start(p->watchdog, sw_now_ms() + sw_notify_watchdog_ms());
}

/* --- settings --- */

static sw_code split(const char *option, const char *list, sw_codes *codes, sw_error *error)
{
    char *rest = codes->text = strdup(list);
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

/* Without --name the host's, in the letters that a code may have. */
static void take_name(void)
{
    static char name[129];
    if (*settings.name != '\0')
        return;
    if (gethostname(name, sizeof(name) - 1) != 0 || *name == '\0')
        strcpy(name, "runner");
    for (char *at = name; *at != '\0'; at++)
        if (strchr("ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._:-", *at) == NULL)
            *at = '-';
    settings.name = name;
}

static sw_code check_user(sw_error *error)
{
    if (*settings.user == '\0')
        return geteuid() == 0
                   ? sw_fail_field(error, SW_FAILED_PRECONDITION, "user",
                                   "a runner that is root needs --user NAME: whom commands run as (root "
                                   "itself, if that is what you want)")
                   : SW_OK;
    const struct passwd *account = getpwnam(settings.user);
    if (account == NULL)
        return sw_fail_field(error, SW_FAILED_PRECONDITION, "user", "--user '%s': there is no such account",
                             settings.user);
    if (geteuid() != 0 && geteuid() != account->pw_uid)
        return sw_fail_field(error, SW_FAILED_PRECONDITION, "user",
                             "--user '%s': only a runner that is root can run commands as somebody else",
                             settings.user);
    return SW_OK;
}

static sw_code read_settings(int argc, char **argv, sw_log_level *level, sw_error *error)
{
    int first;
    char path[PATH_MAX];
    sw_secrets *secrets;
    sw_code code = sw_options_parse(options, argc, argv, &first, error);
    if (code != SW_OK || given.help || given.version)
        return code;
    if (first < argc)
        return sw_fail(error, SW_INVALID_ARGUMENT,
                       "sitewire-runner takes no argument, but got '%s'; see --help", argv[first]);
    if (!sw_log_level_parse(given.log_level, level))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "log-level",
                             "--log-level '%s': one of error, warning, info, debug", given.log_level);
    if (strcmp(given.log_format, "text") != 0 && strcmp(given.log_format, "json") != 0)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "log-format", "--log-format '%s': text or json",
                             given.log_format);
    take_name();
    if ((code = split("environments", given.environments, &settings.environments, error)) != SW_OK ||
        (code = split("docroots", given.docroots, &settings.docroots, error)) != SW_OK ||
        (code = split("projects", given.projects, &settings.projects, error)) != SW_OK)
        return code;
    if (*settings.directory != '/')
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "directory", "--directory '%s': an absolute path",
                             settings.directory);
    code = sw_environment_directory(settings.directory, "d", "e", path, sizeof(path), error);
    if (code == SW_OK && (code = sw_secrets_load(settings.secrets, &secrets, error)) == SW_OK)
        sw_secrets_destroy(&secrets); /* they are read anew for each deployment */
    return code == SW_OK ? check_user(error) : code;
}

static void print_help(void)
{
    puts("Usage: sitewire-runner [OPTION]...\n"
         "Claims deployments, runs their commands and tells what came of them.\n");
    sw_options_print(options);
    puts("\nSIGTERM or SIGINT: claim nothing more, and end when what runs is over; a second one ends what "
         "runs.\n"
         "Its user needs `deploy` on the projects that it serves. docs/deployment.md says what commands "
         "find.");
}

static int report(const sw_error *error)
{
    fprintf(stderr, "error: %s: %s\n", sw_code_name(error->code), error->message);
    if (*error->field != '\0')
        fprintf(stderr, "field: %s\n", error->field);
    return (int)error->code;
}

/* --- start and stop --- */

static sw_code start(program *p, sw_error *error)
{
    sigset_t mask;
    sigemptyset(&mask);
    sigaddset(&mask, SIGTERM);
    sigaddset(&mask, SIGINT);
    signal(SIGPIPE, SIG_IGN);
    sigprocmask(SIG_BLOCK, &mask, NULL);
    p->signals = signalfd(-1, &mask, SFD_CLOEXEC | SFD_NONBLOCK);
    p->loop = sw_loop_new();
    if (p->signals < 0 || p->loop == NULL ||
        sw_loop_fd(p->loop, p->signals, ZMQ_POLLIN, on_signal, p) != SW_OK ||
        (p->patience = sw_loop_timer(p->loop, end_jobs, p)) == NULL ||
        (p->watchdog = sw_loop_timer(p->loop, on_watchdog, p)) == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory or descriptors for the program");
    const sw_client_options client = {.size = sizeof(client),
                                      .key_file = *given.key == '\0' ? NULL : given.key};
    sw_code code = sw_client_open(given.endpoint, &client, &p->client, error);
    if (code != SW_OK)
        return code;
    const sw_runner_options runner = {.settings = &settings,
                                      .events = given.events,
                                      .on_idle = on_idle,
                                      .on_claim = on_claim,
                                      .context = p};
    if (sw_notify_watchdog_ms() > 0)
        on_watchdog(p);
    return sw_runner_new(p->loop, p->client, &runner, &p->runner, error);
}

static void stop(program *p)
{
    sw_runner_destroy(&p->runner);
    sw_client_close(&p->client);
    sw_loop_destroy(&p->loop);
    if (p->signals >= 0)
        close(p->signals);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], SW_KEEPER_FLAG) == 0)
        return sw_keeper_main(argc, argv);
    sw_process_hold_standard();
    program p = {.signals = -1};
    sw_error error;
    sw_log_level level = SW_LOG_INFO;
    if (read_settings(argc, argv, &level, &error) != SW_OK)
        return report(&error);
    if (given.help || given.version || given.check_config) {
        if (given.help)
            print_help();
        else if (given.version)
            printf("sitewire-runner %s\n", SW_VERSION);
        else
            sw_options_dump(options);
        return 0;
    }
    sw_log_open("sitewire-runner", level, strcmp(given.log_format, "json") == 0);
    sw_code code = start(&p, &error);
    if (code == SW_OK) {
        sw_log(SW_LOG_INFO, "started", "version", SW_VERSION, "name", settings.name, "endpoint",
               given.endpoint, NULL);
        code = sw_loop_run(p.loop, &error);
    }
    stop(&p);
    if (code != SW_OK)
        sw_log(SW_LOG_ERROR, "failed", "code", sw_code_name(error.code), "message", error.message, NULL);
    else
        sw_log(SW_LOG_INFO, "stopped", NULL);
    return (int)code;
}

/* The frame of every server program (program.h). One epoll descriptor stands for signals and
 * watchdog, so that any loop can watch it. */
#include "program/program.h"

#include "base/clock.h"
#include "base/endpoint.h"
#include "base/error.h"
#include "base/log.h"
#include "program/configuration.h"
#include "program/notify.h"
#include "program/process.h"
#include "program/redact.h"
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define SHOWN_SIZE  256 /* of a value in a log line */
#define SOURCE_SIZE 512

static struct {
    const char *config, *log_level, *log_format, *core_dumps;
    bool check, help, version;
} common;

static const sw_option common_options[] = {
    {"log-level", 0, SW_OPTION_CHOICE, &common.log_level, "info", 0, 0, "error|warning|info|debug",
     "log lines of this level and the more serious ones", SW_LIVE},
    {"log-format", 0, SW_OPTION_CHOICE, &common.log_format, "text", 0, 0, "text|json",
     "key=value pairs or JSON", SW_LIVE},
    {"core-dumps", 0, SW_OPTION_CHOICE, &common.core_dumps, "off", 0, 0, "on|off",
     "whether core dumps and debuggers may show this process's memory, keys and secrets included",
     SW_RESTART},
    {"config", 0, SW_OPTION_STRING, &common.config, NULL, 0, 0, "FILE",
     "read lines VARIABLE=value from FILE, as systemd's EnvironmentFile= does", SW_RESTART},
    {"check-config", 0, SW_OPTION_SWITCH, &common.check, NULL, 0, 0, NULL,
     "check everything, print the settings and exit", SW_RESTART},
    {"help", 'h', SW_OPTION_SWITCH, &common.help, NULL, 0, 0, NULL, "print this and exit", SW_RESTART},
    {"version", 'V', SW_OPTION_SWITCH, &common.version, NULL, 0, 0, NULL, "print the version and exit",
     SW_RESTART},
};
#define COMMON_COUNT (sizeof(common_options) / sizeof(*common_options))

/* The program of this process. */
static struct {
    const sw_program *program;
    void *context;
    sw_option *options; /* the program's own and the common ones */
    sw_configuration *configuration;
    int fd, signals, watchdog, log_timer;
    int stops; /* SIGTERM and SIGINT so far */
    bool ready;
} self = {.fd = -1, .signals = -1, .watchdog = -1, .log_timer = -1};

struct sw_check {
    sw_code code; /* of the first problem */
};

/* --- settings --- */

static bool join_options(void)
{
    size_t count = 0;
    while (self.program->options[count].name != NULL)
        count++;
    self.options = calloc(count + COMMON_COUNT + 1, sizeof(*self.options));
    if (self.options == NULL)
        return false;
    memcpy(self.options, self.program->options, count * sizeof(*self.options));
    memcpy(self.options + count, common_options, sizeof(common_options));
    return true;
}

static void open_log(void)
{
    sw_log_level level = SW_LOG_INFO;
    sw_log_level_parse(common.log_level, &level);
    sw_log_open(self.program->name, level, strcmp(common.log_format, "json") == 0);
}

static sw_code validate(sw_error *error)
{
    return self.program->validate == NULL ? SW_OK : self.program->validate(self.context, error);
}

static void print_help(void)
{
    printf("Usage: %s [OPTION]...\n%s\n\n", self.program->name, self.program->about);
    sw_options_print(self.options);
    puts(
        "\nA flag wins over the variable in brackets, that over the line with the variable's name in the "
        "--config file,\nand that over the default. SIGHUP reads variables' lines in the file and keys again "
        "and logs what changed.");
    if (self.program->notes != NULL)
        puts(self.program->notes);
}

/* --- --check-config --- */

void sw_check_report(sw_check *check, const char *option, const sw_error *error)
{
    char source[SOURCE_SIZE], message[2 * SW_ERROR_MESSAGE_SIZE];
    int i = sw_option_find(self.options, option);
    sw_redact(error->message, message, sizeof(message));
    if (i >= 0) {
        sw_configuration_source(self.configuration, i, source, sizeof(source));
        fprintf(stderr, "error: %s: --%s (from %s): %s\n", sw_code_name(error->code), option, source,
                message);
    } else {
        fprintf(stderr, "error: %s: %s\n", sw_code_name(error->code), message);
    }
    if (check->code == SW_OK)
        check->code = error->code;
}

void sw_check_endpoints(sw_check *check, const char *option, const char *endpoints, bool bind)
{
    sw_error error;
    if (sw_endpoints_check(endpoints, bind, &error) != SW_OK)
        sw_check_report(check, option, &error);
}

void sw_check_warn(sw_check *check, const char *option, const char *message)
{
    (void)check;
    fprintf(stderr, "warning: --%s: %s\n", option, message);
}

/* Flags of a running program are in the list of processes, for everybody to read. */
static void warn_of_flags(sw_check *check)
{
    char source[SOURCE_SIZE], hidden[8];
    for (int i = 0; self.options[i].name != NULL; i++) {
        const char *text = sw_configuration_text(self.configuration, i);
        sw_configuration_source(self.configuration, i, source, sizeof(source));
        if (text != NULL && strcmp(source, "the command line") == 0 &&
            sw_redact(text, hidden, sizeof(hidden)))
            sw_check_warn(check, self.options[i].name,
                          "a password on the command line can be read by every user of this host: put it "
                          "into a --config file of mode 0600");
    }
}

static void print_overridden(void *context, const char *variable, const char *line)
{
    (void)context;
    fprintf(stderr, "warning: the variable %s overrides %s\n", variable, line);
}

static int check_configuration(void)
{
    sw_check check = {0};
    sw_error error = {0};
    sw_configuration_overridden(self.configuration, print_overridden, NULL);
    warn_of_flags(&check);
    sw_code code = validate(&error);
    if (code != SW_OK)
        sw_check_report(&check, error.field, &error);
    else if (self.program->check != NULL)
        self.program->check(self.context, &check);
    sw_configuration_print(self.configuration);
    return (int)check.code;
}

/* --- signals and watchdog --- */

static void block_signals(sigset_t *set)
{
    sigemptyset(set);
    sigaddset(set, SIGTERM);
    sigaddset(set, SIGINT);
    sigaddset(set, SIGHUP);
    sigprocmask(SIG_BLOCK, set, NULL);
    signal(SIGPIPE, SIG_IGN);
    signal(SIGHUP, SIG_DFL); /* nohup ignores it, and what is ignored is never queued */
}

static bool watch(int fd)
{
    struct epoll_event event = {.events = EPOLLIN};
    return fd >= 0 && epoll_ctl(self.fd, EPOLL_CTL_ADD, fd, &event) == 0;
}

static sw_code open_descriptors(const sigset_t *set, sw_error *error)
{
    int64_t ms = sw_notify_watchdog_ms();
    const struct timespec each = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000};
    const struct itimerspec times = {.it_interval = each, .it_value = each};
    self.fd = epoll_create1(EPOLL_CLOEXEC);
    self.signals = signalfd(-1, set, SFD_CLOEXEC | SFD_NONBLOCK);
    self.watchdog = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    self.log_timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (self.fd < 0 || !watch(self.signals) || !watch(self.watchdog) || !watch(self.log_timer) ||
        timerfd_settime(self.watchdog, 0, &times, NULL) != 0)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no descriptors for signals and timers: %s",
                       strerror(errno));
    sw_log_limited_open(self.log_timer);
    return SW_OK;
}

static void close_descriptors(void)
{
    const int all[] = {self.signals, self.watchdog, self.log_timer, self.fd};
    sw_log_limited_open(-1);
    for (size_t i = 0; i < sizeof(all) / sizeof(*all); i++)
        if (all[i] >= 0)
            close(all[i]);
}

int sw_program_fd(void)
{
    return self.fd;
}

void sw_program_ready(void)
{
    if (self.ready)
        return;
    self.ready = true;
    sw_notify("READY=1");
}

/* --- SIGHUP --- */

static bool is_live(int i)
{
    return self.options[i].change == SW_LIVE;
}

static bool is_changed(const sw_configuration *fresh, int i)
{
    const char *before = sw_configuration_text(self.configuration, i),
               *after = sw_configuration_text(fresh, i);
    return before == NULL || after == NULL ? before != after : strcmp(before, after) != 0;
}

/* Puts the values of a configuration into those live options that changed. */
static void store_live(const sw_configuration *from, const sw_configuration *fresh)
{
    for (int i = 0; self.options[i].name != NULL; i++) {
        const char *text = sw_configuration_text(from, i);
        if (is_live(i) && is_changed(fresh, i) && text != NULL)
            sw_option_store(&self.options[i], text);
    }
}

static sw_code try_reload(sw_configuration **fresh, sw_error *error)
{
    sw_code code = sw_configuration_reread(self.configuration, fresh, error);
    if (code != SW_OK)
        return code;
    store_live(*fresh, *fresh);
    if ((code = validate(error)) == SW_OK && self.program->reload != NULL)
        code = self.program->reload(self.context, error);
    if (code == SW_OK)
        return SW_OK;
    sw_error ignored;
    store_live(self.configuration, *fresh);
    validate(&ignored); /* derives from the old values again */
    return code;
}

static void show(const char *text, char shown[SHOWN_SIZE])
{
    sw_redact(text == NULL ? "" : text, shown, SHOWN_SIZE);
}

/* One line about an option that changed. It keeps what it is set to until a restart, unless it is
 * live. */
static void report_change(const sw_configuration *fresh, int i)
{
    char before[SHOWN_SIZE], after[SHOWN_SIZE], source[SOURCE_SIZE];
    const sw_option *option = &self.options[i];
    show(sw_configuration_text(self.configuration, i), before);
    show(sw_configuration_text(fresh, i), after);
    sw_configuration_source(fresh, i, source, sizeof(source));
    sw_log(is_live(i) ? SW_LOG_INFO : SW_LOG_WARNING,
           is_live(i) ? "option changed" : "option changed, restart to use it", "option", option->name,
           "before", before, "after", after, "source", source, NULL);
}

static void finish_reload(sw_configuration *fresh)
{
    int changed = 0, waiting = 0;
    open_log(); /* at the new level already */
    for (int i = 0; self.options[i].name != NULL; i++) {
        if (!is_changed(fresh, i))
            continue;
        report_change(fresh, i);
        changed += is_live(i);
        waiting += !is_live(i);
        if (is_live(i))
            sw_configuration_adopt(self.configuration, fresh, i);
    }
    if (sw_configuration_exports_differ(self.configuration, fresh)) {
        waiting++;
        sw_log(SW_LOG_WARNING, "variables of libraries changed, restart to use them", "file", common.config,
               NULL);
    }
    char counts[2][16];
    snprintf(counts[0], sizeof(counts[0]), "%d", changed);
    snprintf(counts[1], sizeof(counts[1]), "%d", waiting);
    sw_log(SW_LOG_INFO, "configuration reloaded", "changed", counts[0], "waiting_for_restart", counts[1],
           NULL);
}

static void reload(void)
{
    sw_configuration *fresh = NULL;
    sw_error error = {0};
    char state[80], message[2 * SW_ERROR_MESSAGE_SIZE];
    snprintf(state, sizeof(state), "RELOADING=1\nMONOTONIC_USEC=%lld", (long long)sw_now_us());
    if (self.ready)
        sw_notify(state);
    if (try_reload(&fresh, &error) == SW_OK) {
        finish_reload(fresh);
    } else {
        sw_redact(error.message, message, sizeof(message));
        sw_log(SW_LOG_ERROR, "configuration rejected, the old one stays in force", "option", error.field,
               "reason", message, NULL);
    }
    sw_configuration_destroy(&fresh);
    if (self.ready)
        sw_notify("READY=1");
}

/* --- what happens while it runs --- */

static void on_stop_signal(int number)
{
    const char *name = number == SIGINT ? "SIGINT" : "SIGTERM";
    if (++self.stops == 1)
        sw_notify("STOPPING=1");
    self.program->on_stop(self.context, name, self.stops);
}

void sw_program_process(void *context, short events)
{
    (void)context;
    (void)events;
    struct signalfd_siginfo info;
    uint64_t expirations;
    while (read(self.signals, &info, sizeof(info)) == (ssize_t)sizeof(info)) {
        if (info.ssi_signo == SIGHUP)
            reload();
        else
            on_stop_signal((int)info.ssi_signo);
    }
    if (read(self.watchdog, &expirations, sizeof(expirations)) > 0)
        sw_notify("WATCHDOG=1");
    if (read(self.log_timer, &expirations, sizeof(expirations)) > 0)
        sw_log_limited_idle();
}

static void log_overridden(void *context, const char *variable, const char *line)
{
    (void)context;
    sw_log(SW_LOG_WARNING, "a variable overrides a line of the configuration file", "variable", variable,
           "line", line, NULL);
}

static sw_code run(const sigset_t *signals, sw_error *error)
{
    sw_code code = open_descriptors(signals, error);
    if (code == SW_OK && sw_notify_watchdog_ms() > 0)
        sw_notify("WATCHDOG=1");
    if (code == SW_OK)
        code = self.program->start(self.context, error);
    if (code == SW_OK) {
        sw_log(SW_LOG_INFO, "started", "version", SW_VERSION, NULL);
        code = self.program->run(self.context, error);
    }
    self.program->stop(self.context);
    close_descriptors();
    return code;
}

/* An error on stderr, for people at a terminal. */
static int fail(const sw_error *error)
{
    char message[2 * SW_ERROR_MESSAGE_SIZE];
    sw_redact(error->message, message, sizeof(message));
    fprintf(stderr, "error: %s: %s\n", sw_code_name(error->code), message);
    return (int)error->code;
}

/* With the option's source, if the error names one. */
static int fail_validation(const sw_error *error)
{
    sw_check check = {0};
    sw_check_report(&check, error->field, error);
    return (int)error->code;
}

static int serve(const sigset_t *signals)
{
    sw_error error = {0};
    open_log();
    sw_configuration_overridden(self.configuration, log_overridden, NULL);
    if (validate(&error) != SW_OK)
        return fail_validation(&error);
    if (sw_configuration_export(self.configuration, &error) != SW_OK)
        return fail(&error);
    if (strcmp(common.core_dumps, "on") == 0)
        sw_process_allow_core_dumps();
    if (self.program->serves)
        sw_process_serve();
    sw_code code = run(signals, &error);
    if (code == SW_OK) {
        sw_log(SW_LOG_INFO, "stopped", NULL);
        return 0;
    }
    char message[2 * SW_ERROR_MESSAGE_SIZE];
    sw_redact(error.message, message, sizeof(message));
    sw_log(SW_LOG_ERROR, "failed", "code", sw_code_name(code), "message", message, NULL);
    return (int)code;
}

static int act(const sigset_t *signals)
{
    if (common.help)
        print_help();
    else if (common.version)
        printf("%s %s\n", self.program->name, SW_VERSION);
    else if (common.check)
        return sw_configuration_export(self.configuration, NULL) == SW_OK ? check_configuration()
                                                                          : (int)SW_RESOURCE_EXHAUSTED;
    else
        return serve(signals);
    return 0;
}

int sw_program_main(const sw_program *program, void *context, int argc, char **argv)
{
    sigset_t signals;
    sw_error error = {0};
    sw_process_hold_standard();
    sw_process_keep_private();
    prctl(PR_SET_NAME, program->name); /* differs if the program was executed by a descriptor */
    block_signals(&signals);           /* first: SIGHUP must not end a program that starts */
    self.program = program;
    self.context = context;
    if (!join_options()) {
        sw_fail(&error, SW_RESOURCE_EXHAUSTED, "out of memory");
        return fail(&error);
    }
    int status =
        sw_configuration_read(self.options, argc, argv, &self.configuration, &error) == SW_OK ? 0 : -1;
    if (status == 0) {
        sw_configuration_store(self.configuration);
        status = act(&signals);
    } else {
        status = fail(&error);
    }
    sw_configuration_destroy(&self.configuration);
    free(self.options);
    return status;
}

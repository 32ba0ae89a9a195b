/* Child processes of `sitewire up`. The supervisor blocks SIGCHLD, SIGINT and SIGTERM; a child
 * starts with no signal blocked but SIGHUP. */
#include "cli/system/child.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "program/account.h"
#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <unistd.h>

#define BACKOFF_FIRST_MS 100
#define BACKOFF_MOST_MS  10000

static bool change_identity(sw_child_identity identity)
{
    return identity.uid == 0 || (setgroups(0, NULL) == 0 && setgid(identity.gid) == 0 &&
                                 setuid(identity.uid) == 0 && chdir("/") == 0);
}

/* Core dumps of a database hold everything that passes through it. */
static bool confine_database(void)
{
    const struct rlimit none = {0};
    return setrlimit(RLIMIT_CORE, &none) == 0 && chdir("/") == 0;
}

static void execute(const sw_child *child)
{
    char *const *arguments = (char *const *)child->arguments;
    if (arguments[0] == NULL)
        return;
    execv(arguments[0], arguments);
    if (errno == EACCES && child->program > 0)
        execveat(child->program, "", arguments, environ, AT_EMPTY_PATH);
}

/* Runs in the child between fork and exec: only async-signal-safe calls. */
static void become(const sw_child *child, sw_child_identity identity, pid_t parent)
{
    sigset_t blocked;
    sigemptyset(&blocked);
    sigaddset(&blocked, SIGHUP); /* kept until the program can take it: by default it would end it */
    sigprocmask(SIG_SETMASK, &blocked, NULL);
    signal(SIGPIPE, SIG_DFL);
    /* A session of its own, so that Ctrl-C reaches only the supervisor, which ends the children
     * in order. */
    setsid();
    if (!change_identity(identity) || (child->is_database && !confine_database()) ||
        (child->changes_user && !sw_account_pass_change_user()))
        _exit(126);
    /* After the change of user, which clears it. The parent may already be gone. */
    if (prctl(PR_SET_PDEATHSIG, child->death_signal) != 0 || getppid() != parent)
        _exit(126);
    if (child->output >= 0 &&
        (dup2(child->output, STDOUT_FILENO) < 0 || dup2(child->output, STDERR_FILENO) < 0))
        _exit(126);
    execute(child);
    _exit(127);
}

static pid_t start(const sw_child *child, sw_child_identity identity)
{
    pid_t parent = getpid(), pid = fork();
    if (pid == 0)
        become(child, identity, parent);
    return pid;
}

sw_code sw_child_start(sw_child *child, sw_error *error)
{
    child->restart_ms = SW_NEVER;
    child->started_ms = sw_now_ms();
    child->pid = start(child, (sw_child_identity){0});
    if (child->pid < 0) {
        child->pid = 0;
        return sw_fail(error, SW_UNAVAILABLE, "cannot start %s: %s", child->name, strerror(errno));
    }
    char pid[16];
    snprintf(pid, sizeof(pid), "%d", (int)child->pid);
    sw_log(SW_LOG_INFO, "started", "program", child->name, "pid", pid, NULL);
    return SW_OK;
}

static void describe(int status, char *text, size_t size)
{
    if (WIFSIGNALED(status))
        snprintf(text, size, "signal %d (%s)", WTERMSIG(status), strsignal(WTERMSIG(status)));
    else if (WEXITSTATUS(status) == 127)
        snprintf(text, size, "the program cannot be executed");
    else
        snprintf(text, size, "exit status %d", WEXITSTATUS(status));
}

void sw_child_ended(sw_child *child, int status)
{
    int64_t now = sw_now_ms();
    char why[96], wait[24];
    describe(status, why, sizeof(why));
    child->pid = 0;
    child->failures = now - child->started_ms < SW_STABLE_MS ? child->failures + 1 : 1;
    int64_t backoff = BACKOFF_FIRST_MS;
    for (unsigned i = 1; i < child->failures && backoff < BACKOFF_MOST_MS; i++)
        backoff *= 2;
    child->restart_ms = now + (backoff < BACKOFF_MOST_MS ? backoff : BACKOFF_MOST_MS);
    snprintf(wait, sizeof(wait), "%lld", (long long)(child->restart_ms - now));
    sw_log(SW_LOG_WARNING, "ended", "program", child->name, "by", why, "restart_in_ms", wait, NULL);
    if (child->failures >= SW_CRASH_LOOP) {
        char count[16];
        snprintf(count, sizeof(count), "%u", child->failures);
        sw_log(SW_LOG_ERROR, "crash loop", "program", child->name, "ends_in_a_row", count, "by", why,
               "remedy", "the lines above say why it ends; it is restarted every 10 s", NULL);
    }
}

bool sw_child_stop(sw_child *child, int signal_number, int64_t deadline_ms)
{
    if (child->pid == 0)
        return true;
    kill(child->pid, signal_number);
    for (;;) {
        pid_t gone = waitpid(child->pid, NULL, WNOHANG);
        if (gone == child->pid || (gone < 0 && errno == ECHILD)) {
            child->pid = 0;
            return true;
        }
        if (sw_now_ms() >= deadline_ms)
            return false;
        poll(NULL, 0, 10);
    }
}

sw_code sw_child_run(const char *const *arguments, sw_child_identity identity, int output, sw_error *error)
{
    int status = -1;
    sw_child child = {.death_signal = SIGTERM, .output = output};
    for (size_t i = 0; arguments[i] != NULL && i + 1 < SW_CHILD_ARGUMENTS; i++)
        child.arguments[i] = arguments[i];
    pid_t pid = start(&child, identity);
    while (pid > 0 && waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    if (pid < 0 || status != 0) {
        char why[96] = "cannot fork";
        if (pid > 0)
            describe(status, why, sizeof(why));
        return sw_fail(error, SW_FAILED_PRECONDITION, "%s failed: %s", arguments[0], why);
    }
    return SW_OK;
}

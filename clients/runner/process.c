/* The runner's side of a command, see process.h: makes the pipes, starts the keeper, learns how
 * the command ended. */
#include "runner/process.h"

#include "base/error.h"
#include "runner/keeper.h"
#include <errno.h>
#include <fcntl.h>
#include <inttypes.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#define ARGUMENTS_MAX 4096
#define UNTIL_SIZE    24

static void close_fd(int *fd)
{
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Runs in the forked child, so it makes only async-signal-safe calls. */
static void become_keeper(char *const *argv, const char *const *environment, int control, const int *output)
{
    sigset_t none;
    sigemptyset(&none);
    int null = open("/dev/null", O_RDONLY);
    /* First moves them out of the way: each may have the number of another's target. */
    control = fcntl(control, F_DUPFD, SW_KEEPER_CONTROL + 1);
    int out = fcntl(output[0], F_DUPFD, SW_KEEPER_CONTROL + 1),
        err = fcntl(output[1], F_DUPFD, SW_KEEPER_CONTROL + 1);
    if (null < 0 || control < 0 || out < 0 || err < 0 || dup2(null, STDIN_FILENO) < 0 ||
        dup2(out, STDOUT_FILENO) < 0 || dup2(err, STDERR_FILENO) < 0 ||
        dup2(control, SW_KEEPER_CONTROL) < 0 || close_range(SW_KEEPER_CONTROL + 1, ~0U, 0) != 0 ||
        sigprocmask(SIG_SETMASK, &none, NULL) != 0 || setsid() < 0)
        _exit(127);
    execve("/proc/self/exe", argv, (char *const *)environment);
    _exit(127);
}

/* `--keep USER DIRECTORY UNTIL ARGV...` */
static sw_code keeper_arguments(const sw_process_spec *spec, char *until, const char **argv, sw_error *error)
{
    size_t count = 0;
    argv[count++] = "sitewire-runner";
    argv[count++] = SW_KEEPER_FLAG;
    argv[count++] = spec->user == NULL ? "" : spec->user;
    argv[count++] = spec->directory;
    snprintf(until, UNTIL_SIZE, "%" PRId64, spec->until_ms);
    argv[count++] = until;
    for (size_t i = 0; spec->argv[i] != NULL; i++) {
        if (count == ARGUMENTS_MAX)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, "argv", "a command has at most %d arguments",
                                 ARGUMENTS_MAX - 5);
        argv[count++] = spec->argv[i];
    }
    argv[count] = NULL;
    return SW_OK;
}

sw_code sw_process_start(sw_process *process, const sw_process_spec *spec, sw_error *error)
{
    const char *argv[ARGUMENTS_MAX + 1];
    char until[UNTIL_SIZE];
    int control[2] = {-1, -1}, out[2] = {-1, -1}, err[2] = {-1, -1};
    *process = (sw_process){.control = -1, .output = {-1, -1}};
    sw_code code = keeper_arguments(spec, until, argv, error);
    if (code != SW_OK)
        return code;
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, control) == 0 && pipe2(out, O_CLOEXEC) == 0 &&
        pipe2(err, O_CLOEXEC) == 0)
        process->keeper = fork();
    else
        process->keeper = -1;
    if (process->keeper == 0)
        become_keeper((char *const *)argv, spec->environment, control[1], (const int[]){out[1], err[1]});
    if (process->keeper < 0)
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "cannot start a process: %s", strerror(errno));
    close_fd(&control[1]);
    close_fd(&out[1]);
    close_fd(&err[1]);
    process->control = control[0];
    process->output[0] = out[0];
    process->output[1] = err[0];
    if (code == SW_OK && (fcntl(control[0], F_SETFL, O_NONBLOCK) != 0 ||
                          fcntl(out[0], F_SETFL, O_NONBLOCK) != 0 || fcntl(err[0], F_SETFL, O_NONBLOCK) != 0))
        code = sw_fail(error, SW_INTERNAL, "fcntl: %s", strerror(errno));
    if (code != SW_OK) {
        if (process->keeper < 0)
            process->keeper = 0;
        sw_process_close(process);
    }
    return code;
}

static void order(const sw_process *process, char word, int64_t until_ms)
{
    const sw_keeper_order order = {.word = word, .until_ms = until_ms};
    if (process->control >= 0)
        send(process->control, &order, sizeof(order), MSG_NOSIGNAL);
}

void sw_process_ask(const sw_process *process, sw_process_stop how)
{
    order(process, how == SW_PROCESS_KILL ? SW_KEEPER_KILL : SW_KEEPER_TERM, 0);
}

void sw_process_allow(const sw_process *process, int64_t until_ms)
{
    order(process, SW_KEEPER_ALLOW, until_ms);
}

static void reap(sw_process *process)
{
    while (waitpid(process->keeper, NULL, 0) < 0 && errno == EINTR)
        continue;
    process->keeper = 0;
    close_fd(&process->control);
}

bool sw_process_ended(sw_process *process, sw_process_end *end)
{
    sw_keeper_report report;
    if (process->keeper == 0)
        return true;
    ssize_t size = recv(process->control, &report, sizeof(report), 0);
    if (size < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    *end = (sw_process_end){.exit_code = -1};
    if (size == sizeof(report)) {
        report.failure[sizeof(report.failure) - 1] = '\0';
        *end = (sw_process_end){.exit_code = report.exit_code, .signal = report.signal};
        memcpy(end->failure, report.failure, sizeof(end->failure));
    } else { /* the keeper itself was killed */
        end->signal = SIGKILL;
    }
    reap(process);
    return true;
}

void sw_process_close(sw_process *process)
{
    if (process->keeper > 0) {
        close_fd(&process->control); /* to the keeper this means that the runner is gone */
        reap(process);
    }
    close_fd(&process->control);
    close_fd(&process->output[0]);
    close_fd(&process->output[1]);
}

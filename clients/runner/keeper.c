/* The keeper of one command, see process.h. As a subreaper it adopts every process of the
 * command whose parent ends, so in the end all of them are its children. */
#include "runner/keeper.h"
#include "runner/lease_clock.h"
#include "runner/process.h"

#include "program/account.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <poll.h>
#include <pwd.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/signalfd.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

enum { USER = 2, DIRECTORY, UNTIL, ARGV };

typedef struct keeper {
    pid_t command;             /* also the process group */
    const struct passwd *user; /* the command's; NULL: our own */
    bool over;                 /* the command has ended */
    bool asked;                /* the group was sent SIGTERM */
    int64_t until_ms;          /* lease time: nothing may run from then on */
    sw_keeper_report report;
} keeper;

/* --- the command --- */

static void say(int fd, const char *what, const char *name, const char *why)
{
    char text[200];
    int size = snprintf(text, sizeof(text), "%s %.100s: %s", what, name, why);
    (void)!write(fd, text, (size_t)(size < (int)sizeof(text) ? size : (int)sizeof(text) - 1));
    _exit(127);
}

/* Finds the user of the command. False if there is none; the report says why. */
static bool find_user(keeper *k, const char *name)
{
    if (*name == '\0')
        return true;
    errno = 0;
    k->user = getpwnam(name);
    if (k->user == NULL)
        snprintf(k->report.failure, sizeof(k->report.failure), "cannot become user %.100s: %s", name,
                 errno == 0 ? "there is none" : strerror(errno));
    else if (geteuid() == k->user->pw_uid)
        k->user = NULL; /* keeping one's own identity needs no privilege */
    return *k->report.failure == '\0';
}

static bool become_user(const struct passwd *user)
{
    return user == NULL || (initgroups(user->pw_name, user->pw_gid) == 0 &&
                            setresgid(user->pw_gid, user->pw_gid, user->pw_gid) == 0 &&
                            setresuid(user->pw_uid, user->pw_uid, user->pw_uid) == 0);
}

/* The command may run as another user, whose processes we must be able to end. So we act as that
 * user from now on. Our real and saved user stay ours, so that the command cannot signal us. */
static void act_as_user(const struct passwd *user)
{
    if (user != NULL && setresuid((uid_t)-1, user->pw_uid, (uid_t)-1) == 0)
        sw_account_give_up_capabilities();
}

/* Never returns. Writes what failed to `failed`, which closes when the command runs. */
static void become_command(const keeper *k, char **argv, int failed, pid_t parent)
{
    sigset_t none;
    sigemptyset(&none);
    sigprocmask(SIG_SETMASK, &none, NULL);
    signal(SIGPIPE, SIG_DFL);
    setpgid(0, 0);
    /* A change between two users that are not root keeps the capabilities of a runner. */
    if (!become_user(k->user) || (geteuid() != 0 && !sw_account_give_up_capabilities()))
        say(failed, "cannot become user", argv[USER], strerror(errno));
    if (chdir(argv[DIRECTORY]) != 0)
        say(failed, "cannot enter", argv[DIRECTORY], strerror(errno));
    /* Setuid programs give no privileges back, and the command dies with its keeper. */
    if (prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0 || prctl(PR_SET_PDEATHSIG, SIGKILL) != 0 ||
        getppid() != parent)
        say(failed, "prctl for", argv[ARGV], strerror(errno));
    execvp(argv[ARGV], argv + ARGV);
    say(failed, "cannot run", argv[ARGV], strerror(errno));
}

/* False if the command could not be started; the report says why. */
static bool start(keeper *k, char **argv)
{
    int failed[2];
    pid_t self = getpid();
    if (!find_user(k, argv[USER]))
        return false;
    if (pipe2(failed, O_CLOEXEC) != 0 || (k->command = fork()) < 0) {
        snprintf(k->report.failure, sizeof(k->report.failure), "cannot start a process: %s", strerror(errno));
        return false;
    }
    if (k->command == 0)
        become_command(k, argv, failed[1], self);
    setpgid(k->command, k->command); /* parent and child both do it, as signals go to the group */
    close(failed[1]);
    ssize_t size = read(failed[0], k->report.failure, sizeof(k->report.failure) - 1);
    close(failed[0]);
    act_as_user(k->user);
    /* From now on only the command and its children hold the output open. */
    close(STDOUT_FILENO);
    close(STDERR_FILENO);
    k->report.failure[size > 0 ? size : 0] = '\0';
    return size <= 0;
}

/* --- its end --- */

/* Collects all dead children; with how = 0 it waits for one. False if there is no child. */
static bool reap(keeper *k, int how)
{
    int status;
    for (pid_t pid; (pid = waitpid(-1, &status, how)) > 0; how = WNOHANG) {
        if (pid != k->command)
            continue;
        k->over = true;
        k->report.exit_code = WIFEXITED(status) ? WEXITSTATUS(status) : -1;
        k->report.signal = WIFSIGNALED(status) ? WTERMSIG(status) : 0;
    }
    return how == WNOHANG || errno != ECHILD;
}

/* Kills every child. False if there is none. */
static bool kill_children(void)
{
    char name[64];
    bool any = false;
    snprintf(name, sizeof(name), "/proc/self/task/%d/children", (int)getpid());
    FILE *children = fopen(name, "re");
    if (children == NULL)
        return false;
    for (int pid; fscanf(children, "%d", &pid) == 1; any = true)
        kill((pid_t)pid, SIGKILL);
    fclose(children);
    return any;
}

/* The children of those that die become ours, so it goes on until there are none. */
static void kill_all(keeper *k)
{
    if (!k->over && k->command > 0)
        kill(-k->command, SIGKILL);
    while (kill_children() && reap(k, 0))
        continue;
    reap(k, WNOHANG);
}

/* How long the command may still run. The runner extends this with each renewal of its lease. */
static int64_t left_ms(const keeper *k)
{
    return k->until_ms - sw_lease_now_ms();
}

/* A timer on that clock, since poll's timeout stops while the machine is suspended. */
static void arm(int timer, int64_t until_ms)
{
    const int64_t ms = until_ms > 0 ? until_ms : 1;
    const struct itimerspec spec = {.it_value = {.tv_sec = ms / 1000, .tv_nsec = ms % 1000 * 1000000}};
    timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* Whether the command runs; after SIGTERM, whether any of its group does: a shell often ends
 * before what it started. */
static bool is_running(const keeper *k)
{
    return !k->over || (k->asked && (kill(-k->command, 0) == 0 || errno != ESRCH));
}

/* Returns when the command is over, or must be killed. */
static void watch(keeper *k, int signals, int timer)
{
    while (is_running(k) && left_ms(k) > 0) {
        struct pollfd items[] = {{.fd = signals, .events = POLLIN},
                                 {.fd = SW_KEEPER_CONTROL, .events = POLLIN},
                                 {.fd = timer, .events = POLLIN}};
        struct signalfd_siginfo info;
        sw_keeper_order order;
        arm(timer, k->until_ms);
        if (poll(items, 3, -1) < 0)
            continue;
        if (items[0].revents != 0 && read(signals, &info, sizeof(info)) > 0 && info.ssi_signo != SIGCHLD)
            return; /* somebody stops the keeper */
        reap(k, WNOHANG);
        if (items[1].revents == 0)
            continue;
        if (recv(SW_KEEPER_CONTROL, &order, sizeof(order), MSG_DONTWAIT) != (ssize_t)sizeof(order) ||
            order.word == SW_KEEPER_KILL)
            return; /* the runner wants it, or is gone */
        if (order.word == SW_KEEPER_ALLOW) {
            k->until_ms = order.until_ms;
        } else if (!k->over) {
            k->asked = true;
            kill(-k->command, SIGTERM);
        }
    }
}

int sw_keeper_main(int argc, char **argv)
{
    keeper k = {.report = {.exit_code = -1}};
    sigset_t set;
    sigemptyset(&set);
    sigaddset(&set, SIGCHLD);
    sigaddset(&set, SIGTERM);
    sigaddset(&set, SIGINT);
    sigaddset(&set, SIGHUP);
    signal(SIGPIPE, SIG_IGN);
    if (argc <= ARGV || sigprocmask(SIG_BLOCK, &set, NULL) != 0 ||
        prctl(PR_SET_CHILD_SUBREAPER, 1, 0, 0, 0) != 0 || fcntl(SW_KEEPER_CONTROL, F_SETFD, FD_CLOEXEC) != 0)
        return 127;
    int signals = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
    int timer = timerfd_create(CLOCK_BOOTTIME, TFD_CLOEXEC | TFD_NONBLOCK);
    if (signals < 0 || timer < 0)
        return 127;
    k.until_ms = strtoll(argv[UNTIL], NULL, 10);
    if (left_ms(&k) <= 0)
        snprintf(k.report.failure, sizeof(k.report.failure), "the lease had ended");
    else if (start(&k, argv))
        watch(&k, signals, timer);
    kill_all(&k);
    if (*k.report.failure != '\0') /* as a shell reports it */
        k.report.exit_code = 127, k.report.signal = 0;
    send(SW_KEEPER_CONTROL, &k.report, sizeof(k.report), MSG_NOSIGNAL);
    return 0;
}

/* SIGINT and SIGTERM: see interrupt.h. */
#include "cli/run/interrupt.h"
#include <signal.h>
#include <sitewire/status.h>
#include <unistd.h>

/* A signal handler can only reach globals. */
static volatile sig_atomic_t stopped, blocking;

static void end_now(void)
{
    static const char text[] = "error: CANCELLED: interrupted\n";
    ssize_t written = write(STDERR_FILENO, text, sizeof(text) - 1);
    (void)written;
    _exit(SW_CANCELLED);
}

static void on_signal(int signal_number)
{
    (void)signal_number;
    stopped = 1;
    if (blocking)
        end_now();
}

void sw_cli_set_blocking(bool is_blocking)
{
    blocking = is_blocking;
    if (stopped && blocking)
        end_now();
}

bool sw_cli_stopped(void)
{
    return stopped != 0;
}

/* SA_RESETHAND: the second signal has its default action and ends the program. */
void sw_cli_catch_signals(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = (int)SA_RESETHAND};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    signal(SIGPIPE, SIG_DFL); /* whatever the caller ignores: a reader that has enough ends the command */
}

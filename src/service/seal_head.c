/* The head of the chain, kept outside of the database (seal_head.h). */
#include "service/seal_head.h"
#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#define FIRST_MS 1000 /* until the first head, and after a failure */
#define LOOK_MS  100  /* how often to look whether the program has ended */

static const char sql[] = "SELECT h.head, h.at FROM users.seal_head() h";

static void complain(const char *what, const char *where, const char *why)
{
    sw_log(SW_LOG_ERROR, "head of the history not kept", what, where, "reason", why, NULL);
}

/* Only ever appends, and follows no link. */
static void append(const sw_seal_head *head, const char *at, const char *text)
{
    char line[160];
    int size = snprintf(line, sizeof(line), "%s %s\n", at, text);
    int fd = open(head->file, O_WRONLY | O_APPEND | O_CREAT | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (fd < 0 || write(fd, line, (size_t)size) != size || fdatasync(fd) != 0)
        complain("file", head->file, strerror(errno));
    if (fd >= 0)
        close(fd);
}

static void run_command(sw_seal_head *head, char *text)
{
    char *const argv[] = {(char *)head->command, text, NULL};
    char *const environment[] = {"PATH=/usr/local/bin:/usr/bin:/bin", NULL};
    if (head->running != 0) {
        complain("command", head->command, "the previous run has not ended");
        return;
    }
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0);
    posix_spawn_file_actions_addopen(&actions, 1, "/dev/null", O_WRONLY, 0);
    int failed = posix_spawn(&head->running, head->command, &actions, NULL, argv, environment);
    posix_spawn_file_actions_destroy(&actions);
    if (failed != 0) {
        head->running = 0;
        complain("command", head->command, strerror(failed));
        return;
    }
    head->kill_ms = sw_now_ms() + SW_SEAL_COMMAND_MS;
    sw_timer_start(head->timer, sw_now_ms() + LOOK_MS);
}

/* The timer: has the program ended, or taken too long? */
static void look(void *context)
{
    sw_seal_head *head = context;
    int status;
    if (waitpid(head->running, &status, WNOHANG) == head->running) {
        head->running = 0;
        if (!WIFEXITED(status) || WEXITSTATUS(status) != 0)
            complain("command", head->command,
                     WIFEXITED(status) ? "it ended with another status than 0" : "a signal ended it");
        return;
    }
    if (sw_now_ms() >= head->kill_ms)
        kill(head->running, SIGKILL);
    sw_timer_start(head->timer, sw_now_ms() + LOOK_MS);
}

static void keep(sw_seal_head *head, const char *at)
{
    sw_log(SW_LOG_INFO, "head of the history", "head", head->last, NULL);
    if (head->file[0] != '\0')
        append(head, at, head->last);
    if (head->command[0] != '\0')
        run_command(head, head->last);
}

static void copy(char *to, size_t room, const PGresult *result, int column)
{
    snprintf(to, room, "%.*s", PQgetlength(result, 0, column), PQgetvalue(result, 0, column));
}

/* sw_periodic.on_result. A head that has not changed is kept once. */
static int64_t take(void *context, const PGresult *result)
{
    sw_seal_head *head = context;
    char text[sizeof(head->last)], at[32];
    if (result == NULL || PQntuples(result) == 0)
        return -1;
    copy(text, sizeof(text), result, 0);
    copy(at, sizeof(at), result, 1);
    if (strcmp(text, head->last) != 0) {
        strcpy(head->last, text);
        keep(head, at);
    }
    return head->every_ms;
}

sw_code sw_seal_head_open(sw_seal_head *head, sw_loop *loop, sw_store *store, sw_error *error)
{
    const sw_periodic periodic = {.name = "keeping the head of history",
                                  .sql = sql,
                                  .every_ms = FIRST_MS,
                                  .on_result = take,
                                  .context = head};
    head->timer = sw_loop_timer(loop, look, head);
    if (head->timer == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    return sw_store_add_periodic(store, &periodic, error);
}

void sw_seal_head_close(sw_seal_head *head)
{
    if (head->running > 0) {
        kill(head->running, SIGKILL);
        waitpid(head->running, NULL, 0);
        head->running = 0;
    }
    sw_timer_destroy(&head->timer);
}

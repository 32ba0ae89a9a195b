/* Commands of deployments: how they end, and that they leave no process behind. */
#include "runner/process.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <cmocka.h>

#define PATIENCE_MS 20000

static const char *const environment[] = {"PATH=/usr/bin:/bin", "WHO=me", NULL};

static void start(sw_process *process, const char *line)
{
    const char *const argv[] = {"sh", "-c", line, NULL};
    const sw_process_spec spec = {
        .argv = argv, .directory = "/", .environment = environment, .until_ms = INT64_MAX};
    sw_error error;
    if (sw_process_start(process, &spec, &error) != SW_OK)
        fail_msg("%s", error.message);
}

/* Reads descriptor `fd` to its end. */
static size_t drain(int *fd, char *text, size_t size)
{
    size_t used = 0;
    char spare[65536];
    struct pollfd item = {.fd = *fd, .events = POLLIN};
    while (poll(&item, 1, PATIENCE_MS) > 0) {
        ssize_t got = read(*fd, spare, sizeof(spare));
        if (got <= 0)
            break;
        size_t kept = used + (size_t)got < size ? (size_t)got : size - used;
        memcpy(text + used, spare, kept);
        used += kept;
    }
    close(*fd);
    *fd = -1;
    text[used < size ? used : size - 1] = '\0';
    return used;
}

static sw_process_end end_of(sw_process *process)
{
    sw_process_end end;
    struct pollfd item = {.fd = process->control, .events = POLLIN};
    while (!sw_process_ended(process, &end))
        if (poll(&item, 1, PATIENCE_MS) == 0)
            fail_msg("it does not end");
    assert_int_equal(process->keeper, 0);
    return end;
}

static void test_ends(void **state)
{
    (void)state;
    sw_process process;
    char text[256];
    start(&process, "echo out $WHO $HOME; echo err >&2; exit 7");
    drain(&process.output[0], text, sizeof(text));
    assert_string_equal(text, "out me\n");
    drain(&process.output[1], text, sizeof(text));
    assert_string_equal(text, "err\n");
    sw_process_end end = end_of(&process);
    assert_int_equal(end.exit_code, 7);
    assert_int_equal(end.signal, 0);
    assert_string_equal(end.failure, "");
    start(&process, "kill -USR1 $$");
    end = end_of(&process);
    assert_int_equal(end.exit_code, -1);
    assert_int_equal(end.signal, SIGUSR1);
    sw_process_close(&process);
}

static void test_cannot_start(void **state)
{
    (void)state;
    sw_error error;
    sw_process process;
    const char *const missing[] = {"no-such-program", NULL}, *const fine[] = {"true", NULL};
    const struct {
        sw_process_spec spec;
        const char *failure;
    } cases[] = {
        {{.argv = missing, .directory = "/", .environment = environment, .until_ms = INT64_MAX},
         "cannot run no-such-program: No such file"},
        {{.argv = fine, .directory = "/no/such", .environment = environment, .until_ms = INT64_MAX},
         "cannot enter /no/such: No such file"},
        {{.argv = fine,
          .directory = "/",
          .environment = environment,
          .until_ms = INT64_MAX,
          .user = "no-such-user"},
         "cannot become user no-such-user: there is none"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_int_equal(sw_process_start(&process, &cases[i].spec, &error), SW_OK);
        sw_process_end end = end_of(&process);
        assert_int_equal(strncmp(end.failure, cases[i].failure, strlen(cases[i].failure)), 0);
        assert_int_equal(end.exit_code, 127);
        sw_process_close(&process);
    }
}

static bool is_alive(pid_t pid)
{
    return kill(pid, 0) == 0;
}

/* The pid that the command prints. */
static pid_t read_pid(const sw_process *process)
{
    char text[32] = "";
    struct pollfd item = {.fd = process->output[0], .events = POLLIN};
    assert_int_equal(poll(&item, 1, PATIENCE_MS), 1);
    assert_true(read(process->output[0], text, sizeof(text) - 1) > 0);
    pid_t pid = (pid_t)strtol(text, NULL, 10);
    assert_true(pid > 1 && is_alive(pid));
    return pid;
}

static void await_death(pid_t pid)
{
    int fd = pidfd_open(pid, 0);
    if (fd < 0) /* gone already */
        return;
    struct pollfd item = {.fd = fd, .events = POLLIN};
    if (poll(&item, 1, PATIENCE_MS) != 1)
        fail_msg("%d lives", (int)pid);
    close(fd);
}

static void test_what_forks_away_ends_with_it(void **state)
{
    (void)state;
    sw_process process;
    /* In a session of its own, its parent gone, deaf to requests, holding the output. */
    start(&process,
          "trap 'exit 3' TERM; setsid sh -c 'trap \"\" TERM HUP; echo $$; while :; do sleep 1000; done' & "
          "while :; do wait; done");
    pid_t pid = read_pid(&process);
    sw_process_ask(&process, SW_PROCESS_TERM);
    assert_int_equal(end_of(&process).exit_code, 3);
    assert_false(is_alive(pid));
    char text[8];
    drain(&process.output[0], text, sizeof(text)); /* its end comes: nobody holds it */
    sw_process_close(&process);
}

static void test_stop(void **state)
{
    (void)state;
    sw_process process;
    start(&process, "trap 'exit 5' TERM; echo $$; while :; do sleep 0.01; done");
    read_pid(&process);
    sw_process_ask(&process, SW_PROCESS_TERM);
    assert_int_equal(end_of(&process).exit_code, 5);
    sw_process_close(&process);
    start(&process, "trap '' TERM; echo $$; while :; do sleep 0.01; done");
    pid_t pid = read_pid(&process);
    sw_process_ask(&process, SW_PROCESS_TERM);
    assert_true(is_alive(pid));
    sw_process_ask(&process, SW_PROCESS_KILL);
    assert_int_equal(end_of(&process).signal, SIGKILL);
    assert_false(is_alive(pid));
    sw_process_close(&process);
}

/* The shell ends at once, but what it started gets the grace period, too. */
static void test_stop_of_a_group(void **state)
{
    (void)state;
    sw_process process;
    char text[64];
    start(&process, "sh -c 'trap \"echo cleaning; sleep 0.2; echo clean; exit\" TERM; echo $$; while :; do "
                    "sleep 0.01; done'; true");
    pid_t pid = read_pid(&process);
    sw_process_ask(&process, SW_PROCESS_TERM);
    drain(&process.output[0], text, sizeof(text));
    assert_string_equal(text, "cleaning\nclean\n");
    assert_int_equal(end_of(&process).signal, SIGTERM);
    assert_false(is_alive(pid));
    sw_process_close(&process);
    /* But not for ever. */
    start(&process, "sh -c 'trap \"\" TERM; echo $$; while :; do sleep 0.01; done'; true");
    pid = read_pid(&process);
    sw_process_ask(&process, SW_PROCESS_TERM);
    sw_process_ask(&process, SW_PROCESS_KILL);
    end_of(&process);
    assert_false(is_alive(pid));
    sw_process_close(&process);
}

static int64_t boot_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_BOOTTIME, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

/* The keeper ends a command whose lease is over, even if the runner is stopped. */
static void test_its_lease_is_over(void **state)
{
    (void)state;
    sw_process process;
    const char *const argv[] = {"sh", "-c", "trap '' TERM; echo $$; while :; do sleep 0.01; done", NULL};
    sw_process_spec spec = {.argv = argv, .directory = "/", .environment = environment};
    spec.until_ms = boot_ms() + 60000; /* until it says who it is */
    assert_int_equal(sw_process_start(&process, &spec, NULL), SW_OK);
    pid_t pid = read_pid(&process);
    int64_t until_ms = boot_ms() + 200;
    sw_process_allow(&process, until_ms);
    assert_int_equal(end_of(&process).signal, SIGKILL);
    assert_true(boot_ms() >= until_ms);
    assert_false(is_alive(pid));
    sw_process_close(&process);
    /* One that is over already is not started. */
    spec.until_ms = boot_ms() - 1;
    assert_int_equal(sw_process_start(&process, &spec, NULL), SW_OK);
    sw_process_end end = end_of(&process);
    assert_string_equal(end.failure, "the lease had ended");
    sw_process_close(&process);
    /* A renewal counts, and so does one that takes it back. */
    spec.until_ms = boot_ms() + 60000;
    assert_int_equal(sw_process_start(&process, &spec, NULL), SW_OK);
    pid = read_pid(&process);
    sw_process_allow(&process, boot_ms() + 120000);
    assert_true(is_alive(pid));
    sw_process_allow(&process, boot_ms());
    assert_int_equal(end_of(&process).signal, SIGKILL);
    sw_process_close(&process);
}

/* When a runner is killed, its commands end. */
static void test_the_runner_dies(void **state)
{
    (void)state;
    int told[2];
    assert_int_equal(pipe(told), 0);
    pid_t runner = fork();
    if (runner == 0) {
        sw_process process;
        start(&process, "trap '' TERM HUP INT; echo $$; while :; do sleep 0.01; done");
        pid_t pid = read_pid(&process);
        (void)!write(told[1], &pid, sizeof(pid));
        kill(getpid(), SIGKILL);
    }
    pid_t pid;
    assert_int_equal(read(told[0], &pid, sizeof(pid)), sizeof(pid));
    assert_int_equal(waitpid(runner, NULL, 0), runner);
    await_death(pid);
    close(told[0]);
    close(told[1]);
}

/* A command ends when its keeper is killed. */
static void test_the_keeper_dies(void **state)
{
    (void)state;
    sw_process process;
    start(&process, "trap '' TERM HUP INT; echo $$; while :; do sleep 0.01; done");
    pid_t pid = read_pid(&process);
    kill(process.keeper, SIGKILL);
    assert_int_equal(end_of(&process).signal, SIGKILL);
    await_death(pid);
    sw_process_close(&process);
}

static void test_much_output(void **state)
{
    (void)state;
    sw_process process;
    char text[16];
    start(&process, "head -c 3000000 /dev/zero");
    size_t total = 0;
    char *all = malloc(4000000);
    total = drain(&process.output[0], all, 4000000);
    assert_int_equal(total, 3000000);
    free(all);
    drain(&process.output[1], text, sizeof(text));
    assert_int_equal(end_of(&process).exit_code, 0);
    sw_process_close(&process);
}

int main(int argc, char **argv)
{
    if (argc > 1 && strcmp(argv[1], SW_KEEPER_FLAG) == 0)
        return sw_keeper_main(argc, argv);
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_ends),
        cmocka_unit_test(test_cannot_start),
        cmocka_unit_test(test_what_forks_away_ends_with_it),
        cmocka_unit_test(test_stop),
        cmocka_unit_test(test_stop_of_a_group),
        cmocka_unit_test(test_its_lease_is_over),
        cmocka_unit_test(test_the_runner_dies),
        cmocka_unit_test(test_the_keeper_dies),
        cmocka_unit_test(test_much_output),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* The program layer when memory runs out: each allocation in turn fails. A program that cannot
 * start says so and ends with RESOURCE_EXHAUSTED. One that runs survives every SIGHUP: it takes the
 * new values, or keeps the old ones. */
#include "heap.h"
#include "program/args.h"
#include "program/configuration.h"
#include "program/env_file.h"
#include "program/program.h"
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static char path[] = "/tmp/sw-program-XXXXXX";

static bool write_config(const char *content)
{
    int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC);
    bool good = fd >= 0 && write(fd, content, strlen(content)) == (ssize_t)strlen(content);
    return fd >= 0 && close(fd) == 0 && good;
}

static void expect_short(sw_code code, const sw_error *error)
{
    if (code != SW_RESOURCE_EXHAUSTED)
        fail_msg("code %d: %s", code, error->message);
    assert_int_equal(error->code, SW_RESOURCE_EXHAUSTED);
    assert_true(error->message[0] != '\0');
}

/* --- Words and flags --- */

static const sw_flag flags[] = {{"all", 'a', NULL, "everything"}, {"limit", 'l', "N", "how many"}, {0}};

static void parse_args(void *context)
{
    char *words[] = {"one", "--all", "-l", "7", "--", "--two"};
    sw_args args;
    sw_error error;
    (void)context;
    sw_code code = sw_args_parse(6, words, flags, NULL, &args, &error);
    if (code == SW_OK) {
        assert_int_equal(args.word_count, 2);
        assert_string_equal(args.words[1], "--two");
        assert_true(sw_args_has(&args, "all"));
        assert_string_equal(sw_args_value(&args, "limit"), "7");
    } else {
        expect_short(code, &error);
    }
    sw_args_free(&args);
    words[0] = "--al";
    code = sw_args_parse(6, words, flags, NULL, &args, &error);
    if (code != SW_INVALID_ARGUMENT)
        expect_short(code, &error);
    else
        assert_non_null(strstr(error.message, "--all"));
    sw_args_free(&args);
}

static void test_args(void **state)
{
    (void)state;
    assert_int_equal(sw_heap_each(parse_args, NULL), 5);
}

/* --- Configurations --- */

static const char *name, *label, *config;
static int64_t bytes;
static const sw_option table[] = {
    {"name", 'n', SW_OPTION_STRING, &name, "nobody", 0, 0, "NAME", "a name", SW_LIVE},
    {"label", 0, SW_OPTION_STRING, &label, "none", 0, 0, "TEXT", "a label", SW_LIVE},
    {"queue-bytes", 'q', SW_OPTION_NUMBER, &bytes, "64K", 1, INT64_C(1) << 40, "bytes", "how many",
     SW_RESTART},
    {"config", 0, SW_OPTION_STRING, &config, NULL, 0, 0, "FILE", "a file", SW_RESTART},
    {0}};
static char *words[] = {"program", "--config", path, "-q", "1M", NULL};

static void expect_values(const char *expected_name, const char *expected_label)
{
    assert_string_equal(name, expected_name);
    assert_string_equal(label, expected_label);
    assert_int_equal(bytes, 1024 * 1024);
}

static void adopt_all(sw_configuration *configuration, sw_configuration *fresh)
{
    for (int i = 0; table[i].change == SW_LIVE; i++)
        sw_configuration_adopt(configuration, fresh, i);
}

static void configure(void *context)
{
    sw_configuration *configuration, *fresh;
    sw_error error = {0};
    (void)context;
    assert_true(write_config("SITEWIRE_NAME=ann\n"));
    sw_code code = sw_configuration_read(table, 5, words, &configuration, &error);
    if (code != SW_OK) {
        assert_null(configuration);
        expect_short(code, &error);
        return;
    }
    sw_configuration_store(configuration);
    expect_values("ann", "none");
    assert_true(write_config("SITEWIRE_NAME=bob\nSITEWIRE_LABEL=\"two words\"\n"));
    code = sw_configuration_reread(configuration, &fresh, &error);
    assert_int_equal(code == SW_OK, fresh != NULL);
    if (code != SW_OK)
        expect_short(code, &error);
    else
        adopt_all(configuration, fresh);
    sw_configuration_destroy(&fresh);
    expect_values(code == SW_OK ? "bob" : "ann", code == SW_OK ? "two words" : "none");
    sw_configuration_destroy(&configuration);
}

static void test_configuration(void **state)
{
    (void)state;
    assert_true(sw_heap_each(configure, NULL) > 12);
}

/* Files of variables are decoded in place. */
static void read_variables(void *context)
{
    char text[] = "A=1\n# comment\nB=\"two\nlines\"\n";
    const char *variable, *value;
    int line;
    sw_env_file file;
    (void)context;
    sw_env_file_open(&file, "FILE", text);
    assert_int_equal(sw_env_file_next(&file, &variable, &value, &line, NULL), SW_OK);
    assert_string_equal(value, "1");
    assert_int_equal(sw_env_file_next(&file, &variable, &value, &line, NULL), SW_OK);
    assert_string_equal(value, "two\nlines");
    assert_int_equal(line, 3);
}

static void test_env_file(void **state)
{
    (void)state;
    assert_int_equal(sw_heap_each(read_variables, NULL), 1);
}

/* --- Programs --- */

/* What the program saw; its hooks assert nothing, because its output goes nowhere. */
static struct {
    int starts, stops, reloads, asked_to_stop;
    char first[16], second[16]; /* the name after the first and the second SIGHUP */
} seen;

static sw_code start(void *context, sw_error *error)
{
    (void)context;
    (void)error;
    seen.starts++;
    return SW_OK;
}

static sw_code reload(void *context, sw_error *error)
{
    (void)context;
    (void)error;
    seen.reloads++;
    return SW_OK;
}

/* Writes a name into the file, and tells the program. */
static bool change_name(const char *content, char *after, size_t size)
{
    bool good = write_config(content) && raise(SIGHUP) == 0;
    sw_program_process(NULL, 0);
    snprintf(after, size, "%s", name);
    return good;
}

static sw_code run(void *context, sw_error *error)
{
    (void)context;
    (void)error;
    bool good = change_name("SITEWIRE_NAME=bob\n", seen.first, sizeof(seen.first));
    sw_heap_pause();
    good = change_name("SITEWIRE_NAME=cid\n", seen.second, sizeof(seen.second)) && good;
    sw_heap_resume();
    raise(SIGTERM);
    sw_program_process(NULL, 0);
    return good ? SW_OK : SW_INTERNAL;
}

static void stop(void *context)
{
    (void)context;
    seen.stops++;
}

static void on_stop(void *context, const char *signal_name, int count)
{
    (void)context;
    (void)count;
    seen.asked_to_stop += strcmp(signal_name, "SIGTERM") == 0;
}

static const sw_option own_options[] = {
    {"name", 'n', SW_OPTION_STRING, &name, "nobody", 0, 0, "NAME", "a name", SW_LIVE}, {0}};
static const sw_program program = {.name = "program",
                                   .about = "A program.",
                                   .options = own_options,
                                   .start = start,
                                   .run = run,
                                   .stop = stop,
                                   .on_stop = on_stop,
                                   .reload = reload};

/* Runs the program without its output. */
static int run_program(int argc, char **argv)
{
    int standard[2] = {dup(1), dup(2)}, nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    fflush(stdout);
    dup2(nowhere, 1);
    dup2(nowhere, 2);
    int status = sw_program_main(&program, NULL, argc, argv);
    fflush(stdout);
    dup2(standard[0], 1);
    dup2(standard[1], 2);
    close(standard[0]);
    close(standard[1]);
    close(nowhere);
    return status;
}

static void live(void *context)
{
    char *arguments[] = {"program", "--config", path, NULL};
    (void)context;
    memset(&seen, 0, sizeof(seen));
    assert_true(write_config("SITEWIRE_NAME=ann\n"));
    int status = run_program(3, arguments);
    if (status != 0) {
        assert_int_equal(status, SW_RESOURCE_EXHAUSTED);
        assert_int_equal(seen.starts, 0);
        return;
    }
    assert_int_equal(seen.stops, 1);
    assert_int_equal(seen.asked_to_stop, 1);
    assert_string_equal(seen.first, seen.reloads == 2 ? "bob" : "ann");
    assert_string_equal(seen.second, "cid");
}

static void check(void *context)
{
    char *arguments[] = {"program", "--check-config", "--config", path, NULL};
    (void)context;
    memset(&seen, 0, sizeof(seen));
    int status = run_program(4, arguments);
    assert_true(status == 0 || status == SW_RESOURCE_EXHAUSTED);
    assert_int_equal(seen.starts, 0);
}

static void test_program(void **state)
{
    (void)state;
    assert_true(sw_heap_each(live, NULL) > 14);
    assert_true(sw_heap_each(check, NULL) > 6);
}

static int begin(void **state)
{
    (void)state;
    int fd = mkstemp(path);
    if (fd >= 0)
        close(fd);
    return fd < 0;
}

static int end(void **state)
{
    (void)state;
    return unlink(path);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_args), cmocka_unit_test(test_configuration),
                                       cmocka_unit_test(test_env_file), cmocka_unit_test(test_program)};
    return cmocka_run_group_tests(tests, begin, end);
}

/* Options: sources and their order, words, types, and what is said about mistakes. */
#include "base/option.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

static const char *name;
static int64_t bytes, wait_ms;
static bool loud;
static const sw_option table[] = {
    {"name", 'n', SW_OPTION_STRING, &name, "TEST_OPTION_NAME", "nobody", 0, 0, "NAME", "who"},
    {"queue-bytes", 'q', SW_OPTION_NUMBER, &bytes, "TEST_OPTION_BYTES", "64K", 1, INT64_C(1) << 40, "bytes",
     "how many"},
    {"wait", 0, SW_OPTION_NUMBER, &wait_ms, NULL, "5s", 0, 3600000, "ms", "how long"},
    {"loud", 'l', SW_OPTION_BOOL, &loud, "TEST_OPTION_LOUD", NULL, 0, 0, NULL, "how loud"},
    {0}};

static int first;
static sw_error error;
static char *words[16];

/* Parses the words, after `program`. */
static sw_code parse(const char *line)
{
    static char text[1024];
    int count = 0;
    words[count++] = "program";
    snprintf(text, sizeof(text), "%s", line);
    for (char *rest = text, *word; (word = strsep(&rest, " ")) != NULL;)
        if (*word != '\0')
            words[count++] = word;
    words[count] = NULL;
    name = NULL;
    loud = false;
    memset(&error, 0, sizeof(error));
    return sw_options_parse(table, count, words, &first, &error);
}

static void test_defaults_and_flags(void **state)
{
    (void)state;
    assert_int_equal(parse(""), SW_OK);
    assert_string_equal(name, "nobody");
    assert_int_equal(bytes, 65536);
    assert_int_equal(wait_ms, 5000);
    assert_false(loud);
    assert_int_equal(first, 1);
    assert_int_equal(parse("--name=x --queue-bytes 2M --wait=2min --loud"), SW_OK);
    assert_string_equal(name, "x");
    assert_int_equal(bytes, 2 * 1024 * 1024);
    assert_int_equal(wait_ms, 120000);
    assert_true(loud);
    assert_int_equal(parse("-n y -q7 -l --loud=no"), SW_OK);
    assert_string_equal(name, "y");
    assert_int_equal(bytes, 7);
    assert_false(loud);
    assert_int_equal(parse("--name="), SW_OK);
    assert_string_equal(name, "");
}

static void test_words(void **state)
{
    (void)state;
    assert_int_equal(parse("one --name x - two -- --name three"), SW_OK);
    assert_string_equal(name, "x");
    const char *expected[] = {"one", "-", "two", "--name", "three", NULL};
    for (int i = 0; expected[i] != NULL; i++)
        assert_string_equal(words[first + i], expected[i]);
    assert_null(words[first + 5]);
}

static void assert_fails(const char *line, const char *field, const char *message)
{
    assert_int_equal(parse(line), SW_INVALID_ARGUMENT);
    assert_string_equal(error.field, field);
    if (strstr(error.message, message) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", message, error.message);
}

static void test_mistakes(void **state)
{
    (void)state;
    assert_fails("--nome=x", "nome", "no option --nome; see --help");
    assert_fails("-x", "", "no option -x");
    assert_fails("--name", "name", "--name needs a value");
    assert_fails("--queue-bytes=0", "queue-bytes", "out of range; give 1 to");
    assert_fails("--queue-bytes=1X", "queue-bytes", "is no number");
    assert_fails("--queue-bytes=", "queue-bytes", "is no number");
    assert_fails("--queue-bytes=9223372036854775807K", "queue-bytes", "is no number");
    assert_fails("--queue-bytes=5s", "queue-bytes", "is no number");
    assert_fails("--loud=maybe", "loud", "neither true nor false");
    assert_fails("--name=\xFF", "name", "UTF-8");
    assert_fails("--config=/nonexistent/file", "config", "/nonexistent/file: No such file");
    setenv("TEST_OPTION_BYTES", "many", 1);
    assert_fails("", "queue-bytes", "TEST_OPTION_BYTES");
    unsetenv("TEST_OPTION_BYTES");
}

/* Writes a file and parses `--config FILE` and the words. */
static sw_code parse_file(const char *content, size_t size, const char *more)
{
    char path[] = "/tmp/sw-option-XXXXXX", line[256];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, content, size), size);
    close(fd);
    snprintf(line, sizeof(line), "--config %s %s", path, more);
    sw_code code = parse(line);
    unlink(path);
    return code;
}

static void test_order_of_sources(void **state)
{
    (void)state;
    const char content[] = "# a comment\n\n name = from file \r\nqueue-bytes=1K\nloud = yes\nqueue-bytes = 3";
    assert_int_equal(parse_file(content, strlen(content), ""), SW_OK);
    assert_string_equal(name, "from file");
    assert_int_equal(bytes, 3); /* the last one */
    assert_true(loud);
    free((char *)(uintptr_t)name);
    setenv("TEST_OPTION_NAME", "from environment", 1);
    setenv("TEST_OPTION_LOUD", "", 1); /* counts as unset */
    assert_int_equal(parse_file(content, strlen(content), ""), SW_OK);
    assert_string_equal(name, "from environment");
    assert_true(loud);
    assert_int_equal(parse_file(content, strlen(content), "--name flag --loud=false"), SW_OK);
    assert_string_equal(name, "flag");
    assert_false(loud);
    unsetenv("TEST_OPTION_NAME");
    unsetenv("TEST_OPTION_LOUD");
}

static void test_bad_files(void **state)
{
    (void)state;
    assert_int_equal(parse_file("name\n", 5, ""), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, ":1: expected `name = value`"));
    assert_int_equal(parse_file("name = x\nnome = y\n", 18, ""), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, ":2: no option \"nome\""));
    assert_int_equal(parse_file("wait = -1\n", 10, "--wait 3"),
                     SW_INVALID_ARGUMENT); /* wrong even if not used */
    assert_int_equal(parse_file("name = a\0b\n", 11, ""), SW_INVALID_ARGUMENT);
    assert_int_equal(parse_file("config = x\n", 11, ""), SW_INVALID_ARGUMENT);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_and_flags), cmocka_unit_test(test_words),
        cmocka_unit_test(test_mistakes),           cmocka_unit_test(test_order_of_sources),
        cmocka_unit_test(test_bad_files),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Options and configurations: sources and their order, types, and what is said about mistakes. */
#include "program/configuration.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static const char *name, *level, *config;
static int64_t bytes, wait_ms;
static bool help;
static const sw_option table[] = {
    {"name", 'n', SW_OPTION_STRING, &name, "nobody", 0, 0, "NAME", "a name", SW_LIVE},
    {"queue-bytes", 'q', SW_OPTION_NUMBER, &bytes, "64K", 1, INT64_C(1) << 40, "bytes", "how many",
     SW_RESTART},
    {"wait", 0, SW_OPTION_NUMBER, &wait_ms, "5s", 0, 86400000, "ms", "how long", SW_LIVE},
    {"level", 'l', SW_OPTION_CHOICE, &level, "low", 0, 0, "low|high", "how much", SW_LIVE},
    {"config", 0, SW_OPTION_STRING, &config, NULL, 0, 0, "FILE", "a file", SW_RESTART},
    {"help", 'h', SW_OPTION_SWITCH, &help, NULL, 0, 0, NULL, "help", SW_RESTART},
    {0}};

static sw_error error;
static sw_configuration *configuration;
static char path[] = "/tmp/sw-option-XXXXXX";
static char words_text[1024], *words[16];

static int take_down(void **state)
{
    (void)state;
    sw_configuration_destroy(&configuration);
    unlink(path);
    return 0;
}

/* Parses the words, after the program's name. */
static sw_code parse(const char *line)
{
    int count = 0;
    sw_configuration_destroy(&configuration);
    words[count++] = "program";
    snprintf(words_text, sizeof(words_text), "%s", line);
    for (char *rest = words_text, *word; (word = strsep(&rest, " ")) != NULL;)
        if (*word != '\0')
            words[count++] = word;
    words[count] = NULL;
    memset(&error, 0, sizeof(error));
    help = false;
    sw_code code = sw_configuration_read(table, count, words, &configuration, &error);
    if (code == SW_OK)
        sw_configuration_store(configuration);
    return code;
}

static void write_file(const char *content, mode_t mode)
{
    unlink(path);
    FILE *file = fopen(path, "w");
    assert_non_null(file);
    fputs(content, file);
    fclose(file);
    assert_int_equal(chmod(path, mode), 0);
}

static sw_code parse_file(const char *content, const char *more)
{
    char line[256];
    write_file(content, 0644);
    snprintf(line, sizeof(line), "--config %s %s", path, more);
    return parse(line);
}

static void assert_message(const char *part)
{
    if (strstr(error.message, part) == NULL)
        fail_msg("\"%s\" is not in \"%s\"", part, error.message);
}

static void test_defaults_and_flags(void **state)
{
    (void)state;
    assert_int_equal(parse(""), SW_OK);
    assert_string_equal(name, "nobody");
    assert_int_equal(bytes, 65536);
    assert_int_equal(wait_ms, 5000);
    assert_int_equal(parse("--name=x --queue-bytes 2M --wait=2min --help"), SW_OK);
    assert_string_equal(name, "x");
    assert_int_equal(bytes, 2 * 1024 * 1024);
    assert_int_equal(wait_ms, 120000);
    assert_true(help);
    assert_int_equal(parse("-n y -q7 -l high --wait 1d"), SW_OK);
    assert_string_equal(name, "y");
    assert_string_equal(level, "high");
    assert_int_equal(bytes, 7);
    assert_int_equal(wait_ms, 86400000);
    assert_int_equal(parse("--name="), SW_OK);
    assert_string_equal(name, "");
}

static void assert_fails(const char *line, const char *field, const char *message)
{
    assert_int_equal(parse(line), SW_INVALID_ARGUMENT);
    assert_string_equal(error.field, field);
    assert_message(message);
}

static void test_mistakes(void **state)
{
    (void)state;
    assert_fails("--nome=x", "", "unknown flag --nome; did you mean --name?");
    assert_fails("-x", "", "unknown flag -x");
    assert_fails("--name", "", "--name needs a value");
    assert_fails("word", "", "unexpected word `word`");
    assert_fails("--help=x", "", "--help takes no value");
    assert_fails("--queue-bytes=0", "queue-bytes", "out of range; give 1 to");
    assert_fails("--queue-bytes=1X", "queue-bytes", "is not a number");
    assert_fails("--queue-bytes=", "queue-bytes", "is not a number");
    assert_fails("--queue-bytes=9223372036854775807K", "queue-bytes", "is not a number");
    assert_fails("--queue-bytes=5s", "queue-bytes", "is not a number");
    assert_fails("--level=medium", "level", "\"medium\" is not one of low|high");
    assert_fails("--level=lo", "level", "is not one of");
    assert_fails("--name=\xFF", "name", "UTF-8");
    setenv("SITEWIRE_QUEUE_BYTES", "many", 1);
    assert_fails("", "queue-bytes", "SITEWIRE_QUEUE_BYTES: \"many\" is not a number");
    assert_int_equal(parse("--help"), SW_OK); /* help is given whatever the variables are */
    unsetenv("SITEWIRE_QUEUE_BYTES");
}

static void test_order_of_sources(void **state)
{
    (void)state;
    char source[128];
    const char content[] = "# a comment\n\nSITEWIRE_NAME=\"from file\"\nSITEWIRE_QUEUE_BYTES=1K\n"
                           "SITEWIRE_LEVEL=high\nSITEWIRE_QUEUE_BYTES=3\nSITEWIRE_WAIT=\n";
    assert_int_equal(parse_file(content, ""), SW_OK);
    assert_string_equal(name, "from file");
    assert_int_equal(bytes, 3);      /* the last one */
    assert_int_equal(wait_ms, 5000); /* an empty value is none */
    assert_string_equal(level, "high");
    sw_configuration_source(configuration, 1, source, sizeof(source));
    assert_non_null(strstr(source, ":6"));
    setenv("SITEWIRE_NAME", "from variable", 1);
    setenv("SITEWIRE_LEVEL", "", 1);
    assert_int_equal(parse_file(content, ""), SW_OK);
    assert_string_equal(name, "from variable");
    assert_string_equal(level, "high");
    assert_int_equal(parse_file(content, "--name flag --level=low"), SW_OK);
    assert_string_equal(name, "flag");
    assert_string_equal(level, "low");
    unsetenv("SITEWIRE_NAME");
    unsetenv("SITEWIRE_LEVEL");
}

static void count_overridden(void *context, const char *variable, const char *line)
{
    assert_string_equal(variable, "SITEWIRE_NAME");
    assert_non_null(strstr(line, ":2"));
    ++*(int *)context;
}

static int overridden(const char *content, const char *more)
{
    int count = 0;
    assert_int_equal(parse_file(content, more), SW_OK);
    sw_configuration_overridden(configuration, count_overridden, &count);
    return count;
}

static void test_overridden(void **state)
{
    (void)state;
    setenv("SITEWIRE_NAME", "other", 1);
    assert_int_equal(overridden("#\nSITEWIRE_NAME=mine\n", ""), 1);
    assert_int_equal(overridden("#\nSITEWIRE_NAME=other\n", ""), 0); /* the same file in a unit */
    assert_int_equal(overridden("#\nSITEWIRE_NAME=mine\n", "--name=flag"),
                     0); /* the variable has no effect */
    unsetenv("SITEWIRE_NAME");
    assert_int_equal(overridden("#\nSITEWIRE_NAME=mine\n", ""), 0);
}

static void test_bad_files(void **state)
{
    (void)state;
    assert_int_equal(parse("--config=/nonexistent/file"), SW_FAILED_PRECONDITION);
    assert_message("/nonexistent/file: No such file");
    assert_int_equal(parse("--config=/tmp"), SW_FAILED_PRECONDITION);
    assert_message("not a regular file");
    assert_int_equal(parse_file("SITEWIRE_NAME\n", ""), SW_FAILED_PRECONDITION);
    assert_message(":1: expected NAME=value");
    assert_int_equal(parse_file("SITEWIRE_NAME=x\nSITEWIRE_NOME=y\n", ""), SW_INVALID_ARGUMENT);
    assert_message(":2: this program has no option SITEWIRE_NOME");
    assert_int_equal(parse_file("SITEWIRE_WAIT=-1\n", "--wait 3"),
                     SW_INVALID_ARGUMENT); /* wrong though not used */
    assert_int_equal(parse_file("SITEWIRE_CONFIG=x\n", ""), SW_INVALID_ARGUMENT);
    assert_int_equal(parse_file("SITEWIRE_HELP=true\n", ""), SW_INVALID_ARGUMENT);
}

static void test_passwords(void **state)
{
    (void)state;
    const char *const secret[] = {"SITEWIRE_NAME='password=x'\n", "SITEWIRE_NAME=postgres://u:pw@h/db\n",
                                  "PGPASSWORD=x\n"};
    char line[64];
    snprintf(line, sizeof(line), "--config %s", path);
    for (size_t i = 0; i < sizeof(secret) / sizeof(*secret); i++) {
        write_file(secret[i], 0644);
        assert_int_equal(parse(line), SW_FAILED_PRECONDITION);
        assert_message("has mode 0644");
        assert_message("chmod 600");
        write_file(secret[i], 0600);
        assert_int_equal(parse(line), SW_OK);
    }
    write_file("SITEWIRE_NAME=postgres://h:1/db\nPGPASSFILE=/x\n", 0644);
    assert_int_equal(parse(line), SW_OK);
}

static void test_variables_of_libraries(void **state)
{
    (void)state;
    setenv("SW_TEST_OWN", "mine", 1);
    assert_int_equal(parse_file("SW_TEST_A=1\nSW_TEST_A=2\nSW_TEST_OWN=file\n", ""), SW_OK);
    assert_int_equal(sw_configuration_export(configuration, &error), SW_OK);
    assert_string_equal(getenv("SW_TEST_A"), "2");
    assert_string_equal(getenv("SW_TEST_OWN"), "mine");
    unsetenv("SW_TEST_A");
    unsetenv("SW_TEST_OWN");
}

static void test_again(void **state)
{
    (void)state;
    sw_configuration *fresh;
    assert_int_equal(parse_file("SITEWIRE_NAME=a\nSW_TEST_A=1\n", ""), SW_OK);
    write_file("SITEWIRE_NAME=b\nSW_TEST_A=1\n", 0644);
    assert_int_equal(sw_configuration_reread(configuration, &fresh, &error), SW_OK);
    assert_string_equal(sw_configuration_text(fresh, 0), "b");
    assert_string_equal(name, "a");
    assert_false(sw_configuration_exports_differ(configuration, fresh));
    sw_configuration_adopt(configuration, fresh, 0);
    sw_configuration_destroy(&fresh);
    assert_string_equal(name, "b");
    write_file("SW_TEST_A=2\n", 0644);
    assert_int_equal(sw_configuration_reread(configuration, &fresh, &error), SW_OK);
    assert_string_equal(sw_configuration_text(fresh, 0), "nobody");
    assert_true(sw_configuration_exports_differ(configuration, fresh));
    sw_configuration_destroy(&fresh);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_defaults_and_flags),
        cmocka_unit_test(test_mistakes),
        cmocka_unit_test(test_order_of_sources),
        cmocka_unit_test(test_overridden),
        cmocka_unit_test(test_bad_files),
        cmocka_unit_test(test_passwords),
        cmocka_unit_test(test_variables_of_libraries),
        cmocka_unit_test(test_again),
    };
    close(mkstemp(path));
    return cmocka_run_group_tests(tests, NULL, take_down);
}

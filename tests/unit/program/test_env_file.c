/* Files of variables, as systemd.exec(5) describes EnvironmentFile=; passwords and endpoints in
 * their values. */
#include "base/endpoint.h"
#include "program/env_file.h"
#include "program/redact.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

static char text[4096], read_back[8192];
static sw_error error;

/* All variables as `name=value;`, or NULL. */
static const char *read_all(const char *content)
{
    sw_env_file file;
    const char *name, *value;
    int line;
    snprintf(text, sizeof(text), "%s", content);
    sw_env_file_open(&file, "FILE", text);
    read_back[0] = '\0';
    memset(&error, 0, sizeof(error));
    for (;;) {
        if (sw_env_file_next(&file, &name, &value, &line, &error) != SW_OK)
            return NULL;
        if (name == NULL)
            return read_back;
        size_t used = strlen(read_back);
        snprintf(read_back + used, sizeof(read_back) - used, "%s=%s;", name, value);
    }
}

static void test_grammar(void **state)
{
    (void)state;
    static const struct {
        const char *content, *expected;
    } cases[] = {
        {"", ""},
        {"A=b", "A=b;"},
        {"A=b\n", "A=b;"},
        {"A=b\r\nC=d\r\n", "A=b;C=d;"},
        {"  A  =  b c  \n", "A=b c;"},
        {"A=\nB=x\n", "A=;B=x;"},
        {"# comment\n; comment\n  # comment\nA=b\n", "A=b;"},
        {"A=b # not a comment\n", "A=b # not a comment;"},
        {"A=\"b c\"\n", "A=b c;"},
        {"A='b c'\n", "A=b c;"},
        {"A=\"b\" 'c' d\n", "A=bcd;"},
        {"A=\"b\"c\"d\"\n", "A=bc\"d\";"},
        {"A=b'c'\n", "A=b'c';"},
        {"A=\"  b  \"\n", "A=  b  ;"},
        {"A=\"b\nc\"\n", "A=b\nc;"},
        {"A='b\nc'\nD=e\n", "A=b\nc;D=e;"},
        {"A=\"b\\\nc\"\n", "A=bc;"},
        {"A=b\\\nc\nD=e\n", "A=bc;D=e;"},
        {"A=b\\ \n", "A=b ;"},
        {"A=\\\"b\\\"\n", "A=\"b\";"},
        {"A=\"\\\"\\\\\\`\\$\\n\"\n", "A=\"\\`$\\n;"},
        {"A='\\n\\'\n", "A=\\n\\;"},
        {"A=$HOME ${X} %i\n", "A=$HOME ${X} %i;"},
        {"A=b=c\n", "A=b=c;"},
        {"A=b\\", "A=b;"},
        {"A=1\nA=2\n", "A=1;A=2;"},
        {"_a1=\t\tb\t\n", "_a1=b;"},
        {"A=\"\"\n", "A=;"},
        {"A=\xC3\xA9\n", "A=\xC3\xA9;"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        const char *result = read_all(cases[i].content);
        if (result == NULL || strcmp(result, cases[i].expected) != 0)
            fail_msg("%s: %s, expected %s", cases[i].content, result == NULL ? error.message : result,
                     cases[i].expected);
    }
}

static void test_refused(void **state)
{
    (void)state;
    static const struct {
        const char *content, *words;
    } cases[] = {
        {"A=b\nwords\n", "FILE:2: expected NAME=value"},
        {"export A=b\n", "FILE:1: remove the word `export`"},
        {"1A=b\n", "`1A` is not the name"},
        {"A B=c\n", "`A B` is not the name"},
        {"=b\n", "`` is not the name"},
        {"A=b\nC=\"d\nE=f\n", "FILE:2: a quote is not closed"},
        {"A='b\n", "a quote is not closed"},
        {"# comment \\\nA=b\n", "FILE:1: a comment must not end with a backslash"},
        {"A=b\x01\n", "the value of A is not UTF-8 text"},
        {"A=\xFF\n", "the value of A is not UTF-8 text"},
        {"\xEF\xBB\xBF"
         "A=b\n",
         "is not the name"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        assert_null(read_all(cases[i].content));
        assert_int_equal(error.code, SW_FAILED_PRECONDITION);
        if (strstr(error.message, cases[i].words) == NULL)
            fail_msg("%s: %s", cases[i].content, error.message);
    }
}

static void test_lines_are_counted(void **state)
{
    (void)state;
    sw_env_file file;
    const char *name, *value;
    int line;
    snprintf(text, sizeof(text), "A='1\n2'\n\n# c\nB=x\\\ny\nC=z\n");
    sw_env_file_open(&file, "FILE", text);
    const int expected[] = {1, 5, 7};
    for (size_t i = 0; i < 3; i++) {
        assert_int_equal(sw_env_file_next(&file, &name, &value, &line, &error), SW_OK);
        assert_non_null(name);
        assert_int_equal(line, expected[i]);
    }
}

static void test_passwords_are_hidden(void **state)
{
    (void)state;
    static const struct {
        const char *text, *expected;
    } cases[] = {
        {"host=h user=u", "host=h user=u"},
        {"host=h password=geheim user=u", "host=h password=*** user=u"},
        {"password = 'ge \\' heim' user=u", "password = *** user=u"},
        {"PASSWORD=x", "PASSWORD=***"},
        {"sslpassword=x dbname=d", "sslpassword=*** dbname=d"},
        {"postgres://u:geheim@h:5432/db", "postgres://u:***@h:5432/db"},
        {"postgres://u:ge/h@im@h/db", "postgres://u:***@h/db"},
        {"postgres://h:5432/db", "postgres://h:5432/db"},
        {"postgres://u@h/db?password=x&sslmode=require", "postgres://u@h/db?password=***&sslmode=require"},
        {"connect to postgres://u:x@h failed", "connect to postgres://u:***@h failed"},
        {"passwordless", "passwordless"},
        {"a swc1-Ab_9-z.", "a swc1-***."},
        {"swc1-", "swc1-"},
    };
    char shown[128];
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        bool found = sw_redact(cases[i].text, shown, sizeof(shown));
        assert_string_equal(shown, cases[i].expected);
        assert_int_equal(found, strcmp(cases[i].text, cases[i].expected) != 0);
    }
    assert_true(sw_redact("password=x", shown, 4)); /* cut, and still found */
    assert_string_equal(shown, "pas");
    assert_true(sw_name_is_secret("PGPASSWORD"));
    assert_false(sw_name_is_secret("PGPASSFILE"));
}

static void test_endpoints(void **state)
{
    (void)state;
    static const struct {
        const char *list, *words; /* NULL: good */
        bool bind;
    } cases[] = {
        {"", NULL, true},
        {"tcp://*:7601,ipc:///tmp/x,,tcp://[::1]:*", NULL, true},
        {"tcp://host.example:7601", NULL, false},
        {"ipc://@name", NULL, true},
        {"ipc:///no/such/folder/x", NULL, false},
        {"ipc:///no/such/folder/x", "No such file or directory", true},
        {"tcp://host", "incomplete", false},
        {"tcp://host:", "incomplete", false},
        {"tcp://:7601", "incomplete", true},
        {"tcp://*:7601", "only for listening", false},
        {"tcp://host:*", "number of the port", false},
        {"tcp://host:70000", "from 1 to 65535", false},
        {"tcp://host:7601x", "from 1 to 65535", true},
        {"ipc://", "incomplete", true},
        {"ipc:///tmp/a,udp://host:1", "`udp://host:1` is not an endpoint", true},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        sw_code code = sw_endpoints_check(cases[i].list, cases[i].bind, &error);
        if ((code == SW_OK) != (cases[i].words == NULL))
            fail_msg("%s: %s", cases[i].list, sw_code_name(code));
        if (code != SW_OK && strstr(error.message, cases[i].words) == NULL)
            fail_msg("%s: %s", cases[i].list, error.message);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_grammar),           cmocka_unit_test(test_refused),
        cmocka_unit_test(test_lines_are_counted), cmocka_unit_test(test_passwords_are_hidden),
        cmocka_unit_test(test_endpoints),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

/* Log lines and notifications, as a reader sees them. */
#include "base/log.h"
#include "program/notify.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>
#include <jansson.h>

static int saved_stderr, ends[2];

static void capture(void)
{
    assert_int_equal(pipe(ends), 0);
    saved_stderr = dup(2);
    dup2(ends[1], 2);
    close(ends[1]);
}

/* What was logged since, without the time. */
static char *captured(void)
{
    static char text[65536];
    dup2(saved_stderr, 2); /* the last writer is gone: the pipe ends */
    close(saved_stderr);
    size_t used = 0;
    for (ssize_t got; (got = read(ends[0], text + used, sizeof(text) - 1 - used)) > 0;)
        used += (size_t)got;
    close(ends[0]);
    text[used] = '\0';
    return text;
}

static void test_pairs(void **state)
{
    (void)state;
    sw_log_open("test", SW_LOG_INFO, false);
    capture();
    errno = EPERM;
    sw_log(SW_LOG_DEBUG, "unseen", NULL);
    sw_log(SW_LOG_INFO, "worker lost", "name", "a", "empty", "", "null", NULL, "odd", "a=b \"c\"\n\x01",
           NULL);
    assert_int_equal(errno, EPERM);
    char *line = captured();
    assert_int_equal(strncmp(line, "time=20", 7), 0);
    assert_non_null(strstr(line,
                           "Z level=info program=test event=\"worker lost\" name=a empty=\"\" null=\"\" "
                           "odd=\"a=b \\\"c\\\"\\n\\u0001\"\n"));
    assert_null(strstr(line, "unseen"));
}

static void test_json(void **state)
{
    (void)state;
    sw_log_open("test", SW_LOG_DEBUG, true);
    char huge[30000];
    memset(huge, '"', sizeof(huge));
    huge[sizeof(huge) - 1] = '\0';
    capture();
    sw_log(SW_LOG_ERROR, "odd", "bytes", "\xFF\t\"\\\xC3\xA9", NULL);
    sw_log(SW_LOG_DEBUG, "huge", "a", huge, "b", huge, "c", huge, "d", huge, NULL);
    char *text = captured();
    char *second = strchr(text, '\n') + 1;
    json_t *line = json_loadb(text, (size_t)(second - text), 0, NULL);
    assert_non_null(line);
    assert_string_equal(json_string_value(json_object_get(line, "bytes")), "\xEF\xBF\xBD\t\"\\\xC3\xA9");
    assert_string_equal(json_string_value(json_object_get(line, "level")), "error");
    json_decref(line);
    line = json_loads(second, 0, NULL);
    assert_non_null(line);
    assert_non_null(json_object_get(line, "a"));
    assert_string_equal(json_string_value(json_object_get(line, "cut")), "true");
    assert_true(strlen(second) <= 8192);
    json_decref(line);
}

static void test_levels(void **state)
{
    (void)state;
    sw_log_level level;
    assert_true(sw_log_level_parse("warning", &level));
    assert_int_equal(level, SW_LOG_WARNING);
    assert_false(sw_log_level_parse("WARNING", &level));
}

static void test_notify(void **state)
{
    (void)state;
    char folder[] = "/tmp/sw-notify-XXXXXX", text[64];
    unsetenv("NOTIFY_SOCKET");
    assert_false(sw_notify("READY=1"));
    assert_non_null(mkdtemp(folder));
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    snprintf(address.sun_path, sizeof(address.sun_path), "%s/socket", folder);
    int fd = socket(AF_UNIX, SOCK_DGRAM, 0);
    assert_int_equal(bind(fd, (struct sockaddr *)&address, sizeof(address)), 0);
    setenv("NOTIFY_SOCKET", address.sun_path, 1);
    assert_true(sw_notify("READY=1\nSTATUS=ok"));
    ssize_t got = recv(fd, text, sizeof(text) - 1, 0);
    assert_int_equal(got, 17);
    assert_memory_equal(text, "READY=1\nSTATUS=ok", 17);
    assert_int_equal(sw_notify_watchdog_ms(), 0);
    setenv("WATCHDOG_USEC", "10000000", 1);
    assert_int_equal(sw_notify_watchdog_ms(), 5000);
    setenv("WATCHDOG_PID", "1", 1);
    assert_int_equal(sw_notify_watchdog_ms(), 0);
    setenv("NOTIFY_SOCKET", "relative", 1);
    assert_false(sw_notify("READY=1"));
    close(fd);
    unlink(address.sun_path);
    rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_pairs),
        cmocka_unit_test(test_json),
        cmocka_unit_test(test_levels),
        cmocka_unit_test(test_notify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

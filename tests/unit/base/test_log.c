/* Log lines and notifications, as a reader sees them. */
#include "base/clock.h"
#include "base/log.h"
#include "program/notify.h"
#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/timerfd.h>
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

/* --- limited to a rate --- */

static int64_t now_us;

static int64_t fake_now(void)
{
    return now_us;
}

static int count_of(const char *text, const char *part)
{
    int count = 0;
    for (; (text = strstr(text, part)) != NULL; text++)
        count++;
    return count;
}

static void flood(const char *event, int count)
{
    for (int i = 0; i < count; i++)
        sw_log_limited(SW_LOG_WARNING, event, "from", "a peer", NULL);
}

/* Ten lines a second; the others are counted, by the next line or by one of their own. */
static void test_limited(void **state)
{
    (void)state;
    sw_clock_set(fake_now);
    now_us = 1000000000;
    sw_log_open("test", SW_LOG_INFO, false);
    capture();
    flood("one", 1000);
    flood("other", 3); /* each event has its own bound */
    sw_log_limited_idle();
    now_us += 999999;
    flood("one", 1);
    char *text = captured();
    assert_int_equal(count_of(text, "event=one from=\"a peer\"\n"), 10);
    assert_int_equal(count_of(text, "event=other "), 3);
    assert_int_equal(count_of(text, "suppressed"), 0);
    now_us += 1;
    capture();
    flood("one", 1);
    sw_log_limited_idle(); /* nothing is left to be counted */
    text = captured();
    assert_int_equal(count_of(text, "event=one from=\"a peer\" suppressed=991\n"), 1);
    assert_int_equal(count_of(text, "\n"), 1);
    capture();
    flood("one", 11);
    now_us += 1000000;
    sw_log_limited_idle();
    sw_log_limited_idle();
    text = captured();
    assert_int_equal(count_of(text, "from="), 9);
    assert_int_equal(count_of(text, "level=warning program=test event=one suppressed=2\n"), 1);
    assert_int_equal(count_of(text, "\n"), 10);
    sw_clock_set(NULL);
}

/* Events that are not written because of their level are not counted either. */
static void test_limited_levels(void **state)
{
    (void)state;
    sw_log_open("test", SW_LOG_ERROR, false);
    capture();
    flood("quiet", 100);
    sw_log_open("test", SW_LOG_INFO, false);
    flood("quiet", 1);
    char *text = captured();
    assert_int_equal(count_of(text, "event=quiet"), 1);
    assert_int_equal(count_of(text, "suppressed"), 0);
}

/* Kinds of events beyond those that it tells apart share one bound. */
static void test_limited_kinds(void **state)
{
    (void)state;
    static char events[200][16];
    sw_clock_set(fake_now);
    now_us += 10000000;
    capture();
    for (int i = 0; i < 200; i++) {
        snprintf(events[i], sizeof(events[i]), "kind-%d", i);
        flood(events[i], 1);
    }
    int written = count_of(captured(), "event=kind-");
    assert_true(written >= 50 && written <= 64 + 10);
    now_us += 10000000;
    capture();
    sw_log_limited_idle();
    char *text = captured();
    assert_int_equal(count_of(text, "\n"), 1); /* one line for all of them */
    assert_non_null(strstr(text, "suppressed="));
    assert_int_equal(atoi(strstr(text, "suppressed=") + 11), 200 - written);
    sw_clock_set(NULL);
}

/* The timer runs out when there is something to be counted. */
static void test_limited_timer(void **state)
{
    (void)state;
    int timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC);
    struct pollfd due = {.fd = timer, .events = POLLIN};
    struct itimerspec left;
    assert_true(timer >= 0);
    sw_log_limited_open(timer);
    capture();
    flood("timed", 10);
    assert_int_equal(timerfd_gettime(timer, &left), 0);
    assert_int_equal(left.it_value.tv_sec + left.it_value.tv_nsec, 0); /* it does not run */
    flood("timed", 1000);
    assert_int_equal(poll(&due, 1, 60000), 1);
    sw_log_limited_idle();
    assert_int_equal(count_of(captured(), "event=timed suppressed=1000\n"), 1);
    sw_log_limited_open(-1);
    close(timer);
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
        cmocka_unit_test(test_pairs),          cmocka_unit_test(test_json),
        cmocka_unit_test(test_levels),         cmocka_unit_test(test_limited),
        cmocka_unit_test(test_limited_levels), cmocka_unit_test(test_limited_kinds),
        cmocka_unit_test(test_limited_timer),  cmocka_unit_test(test_notify),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

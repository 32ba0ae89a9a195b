/* Log lines of programs: built in a bounded buffer, written by one write(2), so that lines never
 * mix. */
#include "base/log.h"
#include "base/clock.h"
#include "base/utf8.h"
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/timerfd.h>
#include <time.h>
#include <unistd.h>

#define LINE_MAX_BYTES  8192
#define VALUE_MAX_BYTES 2048 /* of one value, before escaping; the rest is cut and marked with "..." */
#define TAIL            32   /* kept free for the end of the line */

static struct {
    const char *program;
    sw_log_level level;
    bool json;
} settings = {"sitewire", SW_LOG_INFO, false};

static const char *const level_names[] = {"error", "warning", "info", "debug"};

typedef struct {
    size_t used;
    bool full; /* something did not fit */
    char text[LINE_MAX_BYTES];
} line;

static void put(line *to, const char *text, size_t size)
{
    if (to->full || size > sizeof(to->text) - TAIL - to->used) {
        to->full = true;
        return;
    }
    memcpy(to->text + to->used, text, size);
    to->used += size;
}

static void put_text(line *to, const char *text)
{
    put(to, text, strlen(text));
}

static bool is_plain(const char *text, size_t size)
{
    for (size_t i = 0; i < size; i++)
        if ((unsigned char)text[i] <= ' ' || text[i] == '"' || text[i] == '=' || text[i] == '\\' ||
            text[i] == 127)
            return false;
    return size > 0 && sw_utf8_valid(text, size);
}

/* A string in double quotes with JSON's escapes, which people read in key=value lines just as
 * well. */
static void put_quoted(line *to, const char *text, size_t size, bool cut)
{
    put(to, "\"", 1);
    for (size_t at = 0; at < size;) {
        unsigned char c = (unsigned char)text[at];
        size_t length = sw_utf8_next(text + at, size - at);
        char escape[8];
        if (length == 0) {
            put_text(to, "\\ufffd");
            length = 1;
        } else if (c == '"' || c == '\\') {
            put(to, (char[]){'\\', (char)c}, 2);
        } else if (c == '\n') {
            put_text(to, "\\n");
        } else if (c < ' ' || c == 127) {
            snprintf(escape, sizeof(escape), "\\u%04x", c);
            put_text(to, escape);
        } else {
            put(to, text + at, length);
        }
        at += length;
    }
    if (cut)
        put_text(to, "...");
    put(to, "\"", 1);
}

/* One pair, whole or not at all. */
static void put_pair(line *to, const char *key, const char *value)
{
    size_t before = to->used, size = strlen(value);
    size_t shown = sw_utf8_cut(value, size, VALUE_MAX_BYTES);
    if (settings.json) {
        put(to, to->used == 0 ? "{" : ",", 1);
        put_quoted(to, key, strlen(key), false);
        put(to, ":", 1);
        put_quoted(to, value, shown, shown < size);
    } else {
        if (to->used > 0)
            put(to, " ", 1);
        put_text(to, key);
        put(to, "=", 1);
        if (shown == size && is_plain(value, size))
            put(to, value, size);
        else
            put_quoted(to, value, shown, shown < size);
    }
    if (to->full)
        to->used = before;
}

static void format_now(char *text, size_t capacity)
{
    int64_t now = sw_wall_us();
    time_t seconds = (time_t)(now / 1000000);
    struct tm parts;
    gmtime_r(&seconds, &parts);
    size_t used = strftime(text, capacity, "%Y-%m-%dT%H:%M:%S", &parts);
    snprintf(text + used, capacity - used, ".%06dZ", (int)(now % 1000000));
}

void sw_log_open(const char *program, sw_log_level level, bool json)
{
    settings.program = program;
    settings.level = level;
    settings.json = json;
}

static void put_head(line *out, sw_log_level level, const char *event)
{
    char time[40];
    out->used = 0;
    out->full = false;
    format_now(time, sizeof(time));
    put_pair(out, "time", time);
    put_pair(out, "level", level_names[level]);
    put_pair(out, "program", settings.program);
    put_pair(out, "event", event);
}

static void put_pairs(line *out, va_list pairs)
{
    for (const char *key; (key = va_arg(pairs, const char *)) != NULL;) {
        const char *value = va_arg(pairs, const char *);
        put_pair(out, key, value != NULL ? value : "");
    }
}

static void write_line(line *out)
{
    int saved = errno; /* a caller may log first and look at errno after */
    /* The last TAIL bytes are still free. */
    const char *end =
        settings.json ? (out->full ? ",\"cut\":\"true\"}\n" : "}\n") : (out->full ? " cut=true\n" : "\n");
    memcpy(out->text + out->used, end, strlen(end));
    out->used += strlen(end);
    ssize_t written;
    do
        written = write(STDERR_FILENO, out->text, out->used);
    while (written < 0 && errno == EINTR);
    errno = saved;
}

void sw_log(sw_log_level level, const char *event, ...)
{
    if (level > settings.level)
        return;
    line out;
    put_head(&out, level, event);
    va_list pairs;
    va_start(pairs, event);
    put_pairs(&out, pairs);
    va_end(pairs);
    write_line(&out);
}

/* --- limited to a rate --- */

#define EVENTS_MAX 64 /* kinds of events that are told apart; the others share one */
#define LINES_MAX  10 /* of an event in a window */
#define WINDOW_US  1000000

typedef struct {
    const char *event;
    sw_log_level level;
    int64_t window_us; /* when it ends */
    unsigned lines;    /* written in it */
    unsigned long suppressed;
} limit;

static limit limits[EVENTS_MAX];
static int idle_timer = -1;

void sw_log_limited_open(int timer)
{
    idle_timer = timer;
}

static void start_timer(void)
{
    const struct itimerspec once = {.it_value.tv_sec = WINDOW_US / 1000000};
    if (idle_timer >= 0)
        timerfd_settime(idle_timer, 0, &once, NULL);
}

static limit *limit_of(const char *event)
{
    size_t i = 0;
    while (i < EVENTS_MAX - 1 && limits[i].event != NULL && strcmp(limits[i].event, event) != 0)
        i++;
    limits[i].event = event;
    return &limits[i];
}

static bool may_write(limit *of, sw_log_level level)
{
    int64_t now_us = sw_now_us();
    if (now_us >= of->window_us) {
        of->window_us = now_us + WINDOW_US;
        of->lines = 0;
    }
    of->level = level;
    if (of->lines < LINES_MAX) {
        of->lines++;
        return true;
    }
    if (of->suppressed++ == 0)
        start_timer();
    return false;
}

static void put_suppressed(line *out, limit *of)
{
    char count[24];
    if (of->suppressed == 0)
        return;
    snprintf(count, sizeof(count), "%lu", of->suppressed);
    put_pair(out, "suppressed", count);
    of->suppressed = 0;
}

void sw_log_limited(sw_log_level level, const char *event, ...)
{
    limit *of = limit_of(event);
    if (level > settings.level || !may_write(of, level))
        return;
    line out;
    put_head(&out, level, event);
    va_list pairs;
    va_start(pairs, event);
    put_pairs(&out, pairs);
    va_end(pairs);
    put_suppressed(&out, of);
    write_line(&out);
}

void sw_log_limited_idle(void)
{
    for (size_t i = 0; i < EVENTS_MAX && limits[i].event != NULL; i++) {
        limit *of = &limits[i];
        line out;
        if (of->suppressed == 0)
            continue;
        if (sw_now_us() < of->window_us) {
            start_timer();
            continue;
        }
        put_head(&out, of->level, of->event);
        put_suppressed(&out, of);
        write_line(&out);
    }
}

bool sw_log_level_parse(const char *text, sw_log_level *level)
{
    for (size_t i = 0; i < sizeof(level_names) / sizeof(level_names[0]); i++)
        if (strcmp(text, level_names[i]) == 0) {
            *level = (sw_log_level)i;
            return true;
        }
    return false;
}

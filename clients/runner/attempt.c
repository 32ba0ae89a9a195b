/* Reading, waiting and killing, see attempt.h. A command that writes faster than the service
 * accepts blocks in its write. What is in the pipes when the command ends is still read, but
 * nothing after that: another process may hold them open. */
#include "runner/attempt.h"

#include "base/clock.h"
#include "base/error.h"
#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>
#include <zmq.h>

static void watch_stream(sw_attempt_stream *stream, bool on);

/* --- output --- */

static bool is_over(const sw_attempt *attempt)
{
    return attempt->ended && attempt->process.output[0] < 0 && attempt->process.output[1] < 0;
}

static void check_end(sw_attempt *attempt)
{
    if (!attempt->running || !is_over(attempt))
        return;
    attempt->running = false;
    sw_timer_stop(attempt->timer);
    attempt->on_end(attempt->context);
}

/* How many of `size` bytes the limits allow. */
static size_t within_limits(sw_attempt *attempt, size_t size)
{
    int64_t left = attempt->limits->attempt - attempt->kept,
            all = attempt->limits->deployment - attempt->spool->stored;
    if (all < left)
        left = all;
    if (attempt->spool->full)
        left = 0;
    if ((int64_t)size <= left)
        return size;
    attempt->truncated = true;
    return left > 0 ? (size_t)left : 0;
}

/* Moves what is ready into the spool. False if not all of it had room. */
static bool hand_over(sw_attempt_stream *stream)
{
    sw_attempt *attempt = stream->attempt;
    size_t kept = within_limits(attempt, stream->ready), room = sw_spool_room(attempt->spool);
    size_t size = kept < room ? kept : room;
    if (size > 0) {
        sw_spool_add(attempt->spool, attempt->command, attempt->number, stream->number, stream->buffer, size);
        attempt->kept += (int64_t)size;
    }
    /* What is past the limits is dropped with the last of it. */
    size_t gone = size < kept ? size : stream->ready;
    memmove(stream->buffer, stream->buffer + gone, stream->ready - gone + stream->held);
    stream->ready -= gone;
    if (size > 0)
        attempt->on_output(attempt->context);
    return stream->ready == 0;
}

static void close_stream(sw_attempt_stream *stream)
{
    int *fd = &stream->attempt->process.output[stream->number];
    watch_stream(stream, false);
    if (*fd >= 0)
        close(*fd);
    *fd = -1;
}

/* Reads once. False if there is nothing more for now. */
static bool read_some(sw_attempt_stream *stream)
{
    sw_attempt *attempt = stream->attempt;
    uint8_t *to = stream->buffer + stream->held;
    size_t room = sizeof(stream->buffer) - stream->held;
    if (attempt->ended && room > stream->left)
        room = stream->left;
    ssize_t size = room > 0 ? read(attempt->process.output[stream->number], to, room) : 0;
    if (size < 0)
        return errno == EINTR;
    stream->written += size;
    stream->left -= attempt->ended ? (size_t)size : 0;
    stream->ready = sw_secrets_mask(attempt->secrets, stream->buffer, stream->held + (size_t)size, size == 0,
                                    &stream->held);
    bool all = hand_over(stream);
    if (size == 0 && all) /* otherwise the end is read again when there is room */
        close_stream(stream);
    return all && size > 0;
}

static void on_readable(void *context, short events)
{
    (void)events;
    sw_attempt_stream *stream = context;
    for (int i = 0; i < 4 && read_some(stream); i++)
        continue;
    if (stream->ready > 0)
        watch_stream(stream, false);
    check_end(stream->attempt);
}

/* The command has ended: reads the rest without waiting for the loop, which may report nothing
 * any more. */
static void read_rest(sw_attempt *attempt)
{
    bool more = false;
    for (int i = 0; i < SW_SPOOL_STREAMS; i++) {
        if (attempt->streams[i].watched)
            on_readable(&attempt->streams[i], 0);
        more |= attempt->streams[i].watched; /* otherwise it is closed, or waits for room */
    }
    if (more)
        sw_timer_start(attempt->timer, sw_now_ms());
}

static void watch_stream(sw_attempt_stream *stream, bool on)
{
    int fd = stream->attempt->process.output[stream->number];
    if (stream->watched == on || fd < 0)
        return;
    stream->watched = on;
    if (!on)
        sw_loop_remove_fd(stream->attempt->loop, fd);
    else if (sw_loop_fd(stream->attempt->loop, fd, ZMQ_POLLIN, on_readable, stream) != SW_OK)
        stream->watched = false; /* out of memory: tried again when there is room */
}

void sw_attempt_go_on(sw_attempt *attempt)
{
    for (int i = 0; i < SW_SPOOL_STREAMS; i++)
        if (attempt->process.output[i] >= 0 && !attempt->streams[i].watched &&
            hand_over(&attempt->streams[i])) {
            watch_stream(&attempt->streams[i], true);
            if (attempt->ended)
                sw_timer_start(attempt->timer, sw_now_ms());
        }
}

/* --- the end --- */

/* Notes how much output still waits in the pipes. */
static void measure_rest(sw_attempt *attempt)
{
    for (int i = 0; i < SW_SPOOL_STREAMS; i++) {
        int size = 0;
        if (attempt->process.output[i] >= 0 && ioctl(attempt->process.output[i], FIONREAD, &size) == 0)
            attempt->streams[i].left = (size_t)size;
    }
    sw_timer_start(attempt->timer, sw_now_ms());
}

static void on_control(void *context, short events)
{
    (void)events;
    sw_attempt *attempt = context;
    int control = attempt->process.control;
    sw_loop_remove_fd(attempt->loop, control); /* it is closed when the command has ended */
    attempt->ended = sw_process_ended(&attempt->process, &attempt->end);
    if (attempt->ended)
        measure_rest(attempt);
    else
        sw_loop_fd(attempt->loop, control, ZMQ_POLLIN, on_control, attempt);
    check_end(attempt);
}

static void on_timer(void *context)
{
    sw_attempt *attempt = context;
    if (attempt->ended) {
        read_rest(attempt);
        return;
    }
    if (attempt->asked) { /* the grace period is over */
        sw_process_ask(&attempt->process, SW_PROCESS_KILL);
        return;
    }
    attempt->timed_out = true;
    sw_attempt_stop(attempt, false);
}

void sw_attempt_stop(sw_attempt *attempt, bool now)
{
    if (!attempt->running || attempt->ended || (attempt->asked && !now))
        return;
    attempt->asked = true;
    sw_process_ask(&attempt->process, now ? SW_PROCESS_KILL : SW_PROCESS_TERM);
    if (!now)
        sw_timer_start(attempt->timer, sw_now_ms() + attempt->limits->grace_ms);
}

/* --- the result --- */

void sw_attempt_describe(const sw_attempt *attempt, char *text, size_t size)
{
    const sw_process_end *end = &attempt->end;
    if (*end->failure != '\0')
        snprintf(text, size, "could not be started: %s", end->failure);
    else if (attempt->timed_out)
        snprintf(text, size, "was ended after %" PRId64 " s, its timeout", attempt->timeout_ms / 1000);
    else if (end->signal != 0)
        snprintf(text, size, "was ended by signal %d (%s)", end->signal, strsignal(end->signal));
    else
        snprintf(text, size, "exited with %d", end->exit_code);
}

bool sw_attempt_succeeded(const sw_attempt *attempt)
{
    return attempt->end.exit_code == 0 && !attempt->timed_out && *attempt->end.failure == '\0';
}

/* --- life --- */

sw_code sw_attempt_init(sw_attempt *attempt, sw_loop *loop)
{
    attempt->loop = loop;
    attempt->process = (sw_process){.control = -1, .output = {-1, -1}};
    for (int i = 0; i < SW_SPOOL_STREAMS; i++) {
        attempt->streams[i].attempt = attempt;
        attempt->streams[i].number = i;
    }
    attempt->timer = sw_loop_timer(loop, on_timer, attempt);
    return attempt->timer == NULL ? SW_RESOURCE_EXHAUSTED : SW_OK;
}

void sw_attempt_clear(sw_attempt *attempt)
{
    if (attempt->timer == NULL)
        return;
    for (int i = 0; i < SW_SPOOL_STREAMS; i++)
        watch_stream(&attempt->streams[i], false);
    if (attempt->process.control >= 0)
        sw_loop_remove_fd(attempt->loop, attempt->process.control);
    sw_process_close(&attempt->process);
    attempt->running = false;
    sw_timer_destroy(&attempt->timer);
}

static void begin(sw_attempt *attempt, int32_t command, int32_t number)
{
    attempt->command = command;
    attempt->number = number;
    attempt->kept = 0;
    attempt->end = (sw_process_end){.exit_code = -1};
    attempt->ended = attempt->asked = attempt->timed_out = attempt->truncated = false;
    for (int i = 0; i < SW_SPOOL_STREAMS; i++) {
        attempt->streams[i].held = attempt->streams[i].ready = attempt->streams[i].left = 0;
        attempt->streams[i].written = 0;
        attempt->streams[i].watched = false;
    }
}

void sw_attempt_fail(sw_attempt *attempt, int32_t command, int32_t number, const char *failure)
{
    begin(attempt, command, number);
    snprintf(attempt->end.failure, sizeof(attempt->end.failure), "%s", failure);
}

sw_code sw_attempt_start(sw_attempt *attempt, const sw_process_spec *spec, int32_t command, int32_t number,
                         int64_t timeout_ms, sw_error *error)
{
    sw_code code = sw_process_start(&attempt->process, spec, error);
    if (code != SW_OK)
        return code;
    begin(attempt, command, number);
    attempt->running = true;
    attempt->timeout_ms = timeout_ms;
    if (sw_loop_fd(attempt->loop, attempt->process.control, ZMQ_POLLIN, on_control, attempt) != SW_OK) {
        attempt->running = false;
        sw_process_close(&attempt->process);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    sw_timer_start(attempt->timer, sw_now_ms() + timeout_ms);
    sw_attempt_go_on(attempt);
    return SW_OK;
}

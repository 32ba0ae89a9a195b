/* A watch, see <sitewire/watch.h>: hears events over a subscription, finds by their numbers what
 * it missed, and reads that from the service. sequence.h knows what was delivered. Here are its
 * life and its loop. */
#include "base/clock.h"
#include "base/error.h"
#include "c/call.h"
#include "c/client.h"
#include "c/watch/hear.h"
#include "c/watch/read.h"

#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#define BATCH        1024 /* messages read in one round */
#define PROJECTS_MAX 1000

/* --- The loop --- */

/* Lists of the same length name the same brokers: events come from the one that serves the
 * calls. */
static void follow_client(sw_watch *watch, int64_t now_us)
{
    const sw_link *link = &watch->client->link;
    if (link->state != SW_LINK_UP || link->endpoints.current == watch->followed ||
        link->endpoints.count != watch->subscription.endpoints.count)
        return;
    watch->followed = link->endpoints.current;
    sw_subscription_go_to(&watch->subscription, watch->followed, now_us);
}

/* Does everything that can be done now. True if there may be more. */
static bool work(sw_watch *watch)
{
    int64_t now_us = sw_now_us();
    follow_client(watch, now_us);
    if (sw_subscription_work(&watch->subscription, now_us)) {
        watch->fresh = true;
        watch->check_us = now_us;
    }
    int left = BATCH;
    for (zmq_msg_t body;
         left > 0 && watch->error.code == SW_OK && sw_subscription_read(&watch->subscription, &body); left--)
        sw_watch_hear(watch, &body);
    sw_client_process(watch->client, 0);
    if (watch->call == SW_WATCH_IDLE && watch->error.code == SW_OK && now_us >= watch->pause_us) {
        if (watch->ready && watch->missing != SW_WATCH_NONE)
            sw_watch_begin_fill(watch);
        else if (!watch->ready || now_us >= watch->check_us)
            sw_watch_begin_check(watch);
        if (watch->call != SW_WATCH_IDLE)
            sw_client_process(watch->client, 0);
    }
    return left == 0;
}

static int64_t next_due(const sw_watch *watch)
{
    int64_t due = watch->subscription.due_us, call = SW_NEVER;
    if (watch->call == SW_WATCH_IDLE)
        call = !watch->ready || watch->missing != SW_WATCH_NONE ? 0 : watch->check_us;
    if (call < watch->pause_us && watch->call == SW_WATCH_IDLE)
        call = watch->pause_us;
    return call < due ? call : due;
}

static void arm(sw_watch *watch, bool at_once)
{
    uint64_t fired;
    if (watch->timer < 0)
        return;
    (void)!read(watch->timer, &fired, sizeof(fired));
    int64_t due = at_once ? 1 : next_due(watch);
    struct itimerspec spec = {0};
    if (due != SW_NEVER) {
        due = due > 0 ? due : 1; /* 0 would disarm */
        spec.it_value = (struct timespec){.tv_sec = due / 1000000, .tv_nsec = due % 1000000 * 1000};
    }
    timerfd_settime(watch->timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

static void wait_for_work(sw_watch *watch, int64_t until_us)
{
    int64_t due = next_due(watch), now_us = sw_now_us();
    due = due < until_us ? due : until_us;
    int64_t left_ms = due == SW_NEVER ? -1 : due <= now_us ? 0 : (due - now_us + 999) / 1000;
    const sw_subscription *from = &watch->subscription;
    struct pollfd items[] = {{.fd = sw_client_fd(watch->client), .events = POLLIN},
                             {.fd = from->socket_fd, .events = POLLIN},
                             {.fd = from->monitor_fd, .events = POLLIN}};
    poll(items, from->socket != NULL ? 3 : 1, left_ms > INT_MAX ? INT_MAX : (int)left_ms);
}

int sw_watch_process(sw_watch *watch, int64_t timeout_ms)
{
    if (watch->busy)
        return 0;
    watch->busy = true;
    uint64_t before = watch->delivered;
    int64_t until_us = SW_NEVER;
    if (timeout_ms >= 0 && timeout_ms < INT64_MAX / 2000)
        until_us = sw_now_us() + timeout_ms * 1000;
    bool more;
    for (;;) {
        more = work(watch);
        if (watch->delivered != before || watch->error.code != SW_OK || timeout_ms == 0)
            break;
        if (until_us != SW_NEVER && sw_now_us() >= until_us)
            break;
        if (!more)
            wait_for_work(watch, until_us);
    }
    arm(watch, more);
    watch->busy = false;
    uint64_t called = watch->delivered - before;
    if (called == 0 && watch->error.code != SW_OK)
        return -1;
    return called > INT_MAX ? INT_MAX : (int)called;
}

int sw_watch_fd(sw_watch *watch)
{
    if (watch->epoll >= 0)
        return watch->epoll;
    struct epoll_event event = {.events = EPOLLIN};
    int client = sw_client_fd(watch->client);
    watch->epoll = epoll_create1(EPOLL_CLOEXEC);
    watch->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    if (client >= 0 && watch->epoll >= 0 && watch->timer >= 0 &&
        epoll_ctl(watch->epoll, EPOLL_CTL_ADD, watch->timer, &event) == 0 &&
        epoll_ctl(watch->epoll, EPOLL_CTL_ADD, client, &event) == 0) {
        sw_subscription_watch(&watch->subscription, watch->epoll);
        arm(watch, true);
        return watch->epoll;
    }
    if (watch->epoll >= 0)
        close(watch->epoll);
    if (watch->timer >= 0)
        close(watch->timer);
    return watch->epoll = watch->timer = -1;
}

/* --- What it reports --- */

const char *sw_watch_cursor(sw_watch *watch)
{
    free(watch->cursor);
    watch->cursor = watch->ready ? sw_sequence_write(&watch->sequence) : NULL;
    return watch->cursor == NULL ? "" : watch->cursor;
}

bool sw_watch_is_ready(const sw_watch *watch)
{
    return watch->ready;
}

const sw_error *sw_watch_error(const sw_watch *watch)
{
    return &watch->error;
}

void sw_watch_get_status(const sw_watch *watch, sw_watch_status *status)
{
    *status = (sw_watch_status){.subscribed = watch->subscription.up,
                                .endpoint = sw_subscription_endpoint(&watch->subscription),
                                .reason = watch->subscription.reason,
                                .delivered = watch->delivered,
                                .gaps = watch->gaps,
                                .filled = watch->filled};
}

/* --- Life --- */

static sw_code take_kinds(sw_watch *watch, const char *text, sw_error *error)
{
    bool all = text == NULL || *text == '\0';
    for (size_t i = 0; i < SW_WATCH_KINDS; i++)
        watch->wanted[i] = all && i + 1 < SW_WATCH_KINDS;
    for (const char *at = all ? "" : text; *at != '\0';) {
        size_t size = strcspn(at, ","), i = 0;
        while (i + 1 < SW_WATCH_KINDS && !sw_view_equal((sw_view){at, size}, sw_view_of(sw_watch_kinds[i])))
            i++;
        if (i + 1 == SW_WATCH_KINDS)
            return sw_fail_field(
                error, SW_INVALID_ARGUMENT, "kinds",
                "kind '%.*s': expected state, command or log, or several of them with commas",
                (int)(size < 64 ? size : 64), at);
        watch->wanted[i] = true;
        at += size + (at[size] == ',');
    }
    return SW_OK;
}

static bool add_topics(sw_watch *watch, const char *project)
{
    bool good = true;
    for (size_t i = 0; i < SW_WATCH_KINDS && good; i++) {
        char *topic;
        good = asprintf(&topic, project == NULL ? "deployment/%s/" : "deployment/%s/%s/", sw_watch_kinds[i],
                        project) > 0;
        if (good) {
            good = sw_subscription_add(&watch->subscription, topic);
            free(topic);
        }
    }
    return good;
}

static sw_code take_projects(sw_watch *watch, const sw_watch_options *options, sw_error *error)
{
    if (options->project_count > PROJECTS_MAX)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "projects",
                             "%zu projects; at most %d, or none for all", options->project_count,
                             PROJECTS_MAX);
    watch->projects = calloc(options->project_count + 1, sizeof(char *));
    bool good = watch->projects != NULL && (options->project_count > 0 || add_topics(watch, NULL));
    for (size_t i = 0; good && i < options->project_count; i++) {
        const char *project = options->projects[i];
        if (project == NULL || *project == '\0' || strpbrk(project, "/,= \n") != NULL)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, "projects",
                                 "'%s' is not a project: expected `website:CODE` or `drupaldocrootcore:CODE`",
                                 project == NULL ? "" : project);
        good = (watch->projects[i] = strdup(project)) != NULL && add_topics(watch, project);
        watch->project_count += good;
    }
    return good ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

static sw_code subscribe(sw_watch *watch, const char *endpoints, sw_error *error)
{
    sw_client *client = watch->client;
    const sw_subscription_options options = {.endpoints = endpoints,
                                             .context = client->link.context,
                                             .key = &client->link.key,
                                             .random = &client->random,
                                             .spread = client->link.options.spread,
                                             .connect_ms = client->options.connect_ms};
    return sw_subscription_open(&watch->subscription, &options, error);
}

static sw_code take_options(sw_watch *watch, const sw_watch_options *options, sw_error *error)
{
    if (options->fn == NULL)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "fn", "a watch needs a function to call");
    watch->fn = options->fn;
    watch->context = options->context;
    watch->deployment = options->deployment;
    sw_code code = subscribe(watch, options->endpoints, error);
    if (code == SW_OK)
        code = take_kinds(watch, options->kinds, error);
    if (code == SW_OK)
        code = take_projects(watch, options, error);
    if (code != SW_OK || options->cursor == NULL || *options->cursor == '\0')
        return code;
    if (!sw_sequence_read(&watch->sequence, options->cursor))
        return sw_fail_field(
            error, SW_INVALID_ARGUMENT, "cursor",
            "'%.64s' is not a cursor: give one that a watch returned, or 0 for the first event",
            options->cursor);
    watch->ready = true;
    watch->missing = watch->sequence.base;
    return SW_OK;
}

sw_code sw_watch_open(sw_client *client, const sw_watch_options *given, sw_watch **result, sw_error *error)
{
    sw_watch_options options = {0};
    *result = NULL;
    if (given->size == 0)
        return sw_fail(error, SW_INVALID_ARGUMENT, "the size of sw_watch_options is not set");
    memcpy(&options, given, given->size < sizeof(options) ? given->size : sizeof(options));
    sw_watch *watch = calloc(1, sizeof(*watch));
    if (watch == NULL || (watch->waiting = calloc(SW_WATCH_HEARD_MAX, sizeof(sw_heard))) == NULL) {
        free(watch);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    watch->client = client;
    watch->epoll = watch->timer = watch->subscription.epoll = -1;
    watch->missing = SW_WATCH_NONE;
    watch->check_us = SW_NEVER;
    sw_watch_next_check(watch, SW_WATCH_POLL_US);
    sw_code code = take_options(watch, &options, error);
    if (code != SW_OK)
        sw_watch_close(&watch);
    *result = watch;
    return code;
}

void sw_watch_close(sw_watch **pointer)
{
    sw_watch *watch = *pointer;
    if (watch == NULL)
        return;
    if (watch->call != SW_WATCH_IDLE)
        sw_client_forget(watch->client, watch->call_id);
    sw_subscription_close(&watch->subscription);
    for (; watch->count > 0; watch->count--, watch->first = (watch->first + 1) % SW_WATCH_HEARD_MAX)
        zmq_msg_close(&watch->waiting[watch->first].body);
    for (size_t i = 0; watch->projects != NULL && i < watch->project_count; i++)
        free(watch->projects[i]);
    free(watch->projects);
    sw_sequence_clear(&watch->sequence);
    if (watch->timer >= 0)
        close(watch->timer);
    if (watch->epoll >= 0)
        close(watch->epoll);
    free(watch->waiting);
    free(watch->text);
    free(watch->cursor);
    free(watch);
    *pointer = NULL;
}

/* The life of a client, and its loop: calls go on while the program runs sw_client_process. */
#include "c/client.h"
#include "base/clock.h"
#include "base/error.h"
#include "c/outcome.h"
#include "c/receive.h"

#include <limits.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

/* messages read before sw_client_process returns to the program */
#define BATCH       1024
#define DRAIN       1000          /* messages read at once when a connection may be lost */
#define MESSAGE_MAX (64ULL << 20) /* docs/protocol.md, section 8 */

static const sw_client_options defaults = {.size = sizeof(sw_client_options),
                                           .timeout_ms = 30000,
                                           .connect_ms = 2000,
                                           .retries = 8,
                                           .in_flight_max = 65536,
                                           .reply_max = 64U << 20};

static sw_code take_options(const sw_client_options *given, sw_client_options *options, sw_error *error)
{
    sw_client_options from = {0};
    if (given != NULL) {
        if (given->size == 0)
            return sw_fail(error, SW_INVALID_ARGUMENT, "the size of sw_client_options is not set");
        memcpy(&from, given, given->size < sizeof(from) ? given->size : sizeof(from));
    }
    *options = defaults;
    if (from.timeout_ms > 0)
        options->timeout_ms = from.timeout_ms;
    if (from.connect_ms > 0)
        options->connect_ms = from.connect_ms < 3600000 ? from.connect_ms : 3600000;
    if (from.retries > 0)
        options->retries = from.retries == UINT32_MAX ? 0 : from.retries;
    if (from.in_flight_max > 0)
        options->in_flight_max = from.in_flight_max < SW_PENDING_MAX ? from.in_flight_max : SW_PENDING_MAX;
    if (from.reply_max > 0)
        options->reply_max = from.reply_max < INT32_MAX ? from.reply_max : INT32_MAX;
    options->key_file = from.key_file;
    options->key_on_ipc = from.key_on_ipc;
    options->spread = from.spread;
    return SW_OK;
}

/* --- The link's owner --- */

static void on_up(void *context)
{
    sw_client *client = context;
    sw_sender_ask_framing(&client->sender);
    sw_mover_up(&client->mover, sw_now_us());
}

static void on_down(void *context)
{
    sw_client *client = context;
    sw_sender_reset(&client->sender);
    sw_mover_down(&client->mover);
    sw_outcome_lost(client);
}

static void on_unreachable(void *context, bool refused)
{
    sw_outcome_unreachable(context, refused);
}

static bool on_readable(void *context)
{
    return sw_client_receive(context, DRAIN) == DRAIN;
}

static int64_t waits_since(void *context)
{
    const sw_pending_call *oldest = ((const sw_client *)context)->calls.sent.first;
    return oldest != NULL ? oldest->sent_us : SW_NEVER;
}

static sw_code open_link(sw_client *client, const char *endpoints, sw_error *error)
{
    const sw_client_options *options = &client->options;
    size_t largest = options->reply_max > MESSAGE_MAX ? options->reply_max : MESSAGE_MAX;
    const sw_link_options link = {
        .endpoints = endpoints,
        .key_file = options->key_file,
        .key_on_ipc = options->key_on_ipc,
        .spread = options->spread ? 1 + (uint64_t)sw_random_upto(&client->random, INT32_MAX) : 0,
        .connect_ms = options->connect_ms,
        .message_max = largest + SW_HEADER_MAX + SW_COMPACT_PREFIX,
        .receive_max = options->in_flight_max > 1000 ? (int)options->in_flight_max : 1000,
        .random = &client->random};
    const sw_link_owner owner = {.on_up = on_up,
                                 .on_down = on_down,
                                 .on_unreachable = on_unreachable,
                                 .on_readable = on_readable,
                                 .waits_since = waits_since,
                                 .context = client};
    sw_code code = sw_link_init(&client->link, &link, &owner, error);
    if (code != SW_OK)
        return code;
    return sw_mover_init(&client->mover, &client->link, &client->calls, &client->random, error);
}

/* --- Life --- */

sw_code sw_client_open(const char *endpoints, const sw_client_options *options, sw_client **result,
                       sw_error *error)
{
    *result = NULL;
    sw_client *client = calloc(1, sizeof(*client));
    if (client == NULL || (client->scratch = malloc(SW_COMPACT_INLINE)) == NULL) {
        free(client);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    client->epoll = client->timer = -1;
    client->armed_us = client->until_us = SW_NEVER;
    client->last.reply.endpoint = "";
    sw_watched_init(&client->link.watched);
    client->sender = (sw_sender){.link = &client->link, .calls = &client->calls};
    sw_code code = take_options(options, &client->options, error);
    if (code == SW_OK)
        code = open_link(client, endpoints, error);
    if (code != SW_OK) {
        sw_client_close(&client);
        return code;
    }
    sw_link_work(&client->link, true, sw_now_us()); /* begins to connect */
    *result = client;
    return SW_OK;
}

void sw_client_close(sw_client **pointer)
{
    sw_client *client = *pointer;
    if (client == NULL)
        return;
    client->closing = client->busy = true;
    for (sw_pending_call *call; (call = sw_pending_first_due(&client->calls)) != NULL;)
        sw_outcome_fail(client, call, SW_CANCELLED, "the client is being closed");
    sw_mover_clear(&client->mover);
    sw_link_destroy(&client->link);
    sw_sender_reset(&client->sender);
    sw_pending_clear(&client->calls);
    sw_schema_cache_clear(&client->schemas);
    if (client->epoll >= 0)
        close(client->epoll);
    if (client->timer >= 0)
        close(client->timer);
    sw_arena_destroy(&client->messages);
    free(client->scratch);
    free(client->trailer_text);
    free(client->last.text);
    free(client);
    *pointer = NULL;
}

size_t sw_client_in_flight(const sw_client *client)
{
    return client->calls.count;
}

/* --- The descriptor for other event loops --- */

static int64_t next_due(const sw_client *client)
{
    int64_t link_us = sw_link_due_us(&client->link), call_us = sw_pending_due_us(&client->calls);
    int64_t mover_us = sw_mover_due_us(&client->mover), due_us = call_us < link_us ? call_us : link_us;
    return mover_us < due_us ? mover_us : due_us;
}

/* The timer is set again only for something sooner: one that fires too early costs a single
 * wakeup. */
static void arm(sw_client *client, int64_t due_us, int64_t now_us)
{
    if (client->timer < 0)
        return;
    uint64_t fired;
    if (client->armed_us <= now_us) {
        (void)!read(client->timer, &fired, sizeof(fired));
        client->armed_us = SW_NEVER;
    }
    if (due_us >= client->armed_us)
        return;
    int64_t at = due_us > 0 ? due_us : 1; /* 0 would disarm */
    struct itimerspec spec = {.it_value = {.tv_sec = at / 1000000, .tv_nsec = at % 1000000 * 1000}};
    if (timerfd_settime(client->timer, TFD_TIMER_ABSTIME, &spec, NULL) == 0)
        client->armed_us = due_us;
}

int sw_client_fd(sw_client *client)
{
    if (client->epoll >= 0)
        return client->epoll;
    client->epoll = epoll_create1(EPOLL_CLOEXEC);
    client->timer = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
    struct epoll_event event = {.events = EPOLLIN};
    if (client->epoll < 0 || client->timer < 0 ||
        epoll_ctl(client->epoll, EPOLL_CTL_ADD, client->timer, &event) != 0) {
        if (client->epoll >= 0)
            close(client->epoll);
        if (client->timer >= 0)
            close(client->timer);
        client->epoll = client->timer = -1;
        return -1;
    }
    sw_link_watch(&client->link, client->epoll);
    sw_mover_watch(&client->mover, client->epoll);
    int64_t now_us = sw_now_us();
    arm(client, now_us, now_us); /* sees to whatever happened before */
    return client->epoll;
}

/* --- The loop --- */

/* Does everything that can be done now. `look`: the link has events. True if it stopped at the
 * end of a batch, so that more may be there. */
static bool work(sw_client *client, bool look)
{
    int left = BATCH;
    for (bool again = true; again && left > 0; look = false) {
        int64_t now_us = sw_now_us();
        again = sw_link_work(&client->link, look, now_us);
        if (client->link.unread)
            left -= sw_client_receive(client, left);
        sw_outcome_expire(client, now_us);
        again |= sw_mover_work(&client->mover, now_us);
        sw_sender_flush(&client->sender, now_us);
        /* Callbacks and the flush may have sent, and so swallowed the edge that announces a
         * reply. */
        again = again || client->link.unread;
    }
    return left <= 0;
}

/* True if the link has events. */
static bool wait_for_work(sw_client *client, int64_t until_us)
{
    int64_t due = next_due(client), now_us = sw_now_us();
    due = due < until_us ? due : until_us;
    long timeout_ms = due == SW_NEVER ? -1 : due <= now_us ? 0 : (long)((due - now_us + 999) / 1000);
    /* Nothing is unread, so the descriptors report whatever comes. A signal ends the wait early:
     * nothing is lost. */
    struct pollfd items[4] = {{.fd = -1}, {.fd = -1}};
    if (client->link.dealer != NULL)
        sw_dealer_poll(client->link.dealer, items);
    nfds_t count = 2 + sw_mover_poll(&client->mover, items + 2);
    bool any = poll(items, count, timeout_ms > INT_MAX ? INT_MAX : (int)timeout_ms) > 0;
    client->link.unread = any && items[0].revents != 0;
    return any && items[1].revents != 0;
}

int sw_client_process(sw_client *client, int64_t timeout_ms)
{
    if (client->busy)
        return 0;
    client->busy = true;
    uint64_t before = client->callbacks;
    int64_t until_us = SW_NEVER;
    if (timeout_ms >= 0 && timeout_ms < INT64_MAX / 2000)
        until_us = sw_now_us() + timeout_ms * 1000;
    bool more, look = false;
    client->link.unread |= timeout_ms == 0; /* nobody waits for the descriptors */
    for (;;) {
        more = work(client, look);
        if (more || client->callbacks != before || timeout_ms == 0 ||
            (timeout_ms < 0 && client->calls.count == 0))
            break;
        if (until_us != SW_NEVER && sw_now_us() >= until_us)
            break;
        look = wait_for_work(client, until_us);
    }
    int64_t now_us = client->timer >= 0 ? sw_now_us() : 0;
    sw_link_update_watch(&client->link);
    arm(client, more ? now_us : next_due(client), now_us);
    client->busy = false;
    uint64_t called = client->callbacks - before;
    return called > INT32_MAX ? INT32_MAX : (int)called;
}

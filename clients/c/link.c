/* The link of a client to its broker: one dealer to one endpoint of the list, and the walk along the list when it is
 * lost. Used by client.c. */
#include "c/core.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/un.h>

#define BACKOFF_FIRST_US 20000   /* after the first round in vain */
#define BACKOFF_MAX_US   1000000 /* a broker that comes back is found within about a second */
#define HEARTBEAT_MS     1000
#define SILENCE_MS       5000          /* a peer that answers no ping that long is lost */
#define MESSAGE_MAX      (64ULL << 20) /* docs/protocol.md, section 8 */
#define ENDPOINT_SIZE    256
#define LOOK_US          1000
#define PAUSE_US         10000
#define AWAY_US          1000000 /* a program that does not look for longer may have been waited for in vain */
#define SURE             3       /* attempts that end alike */

/* --- The endpoint list --- */

static sw_code check_tcp(const char *endpoint, const char *address, sw_error *error)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "endpoints",
                             "endpoint '%s' must have the form tcp://HOST:PORT", endpoint);
    char *end;
    long port = strtol(colon + 1, &end, 10);
    if (*end != '\0' || colon[1] < '0' || colon[1] > '9' || port < 1 || port > 65535)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "endpoints",
                             "endpoint '%s': the port must be a number from 1 to 65535", endpoint);
    return SW_OK;
}

static sw_code check_endpoint(const char *endpoint, sw_error *error)
{
    if (strncmp(endpoint, "tcp://", 6) == 0)
        return check_tcp(endpoint, endpoint + 6, error);
    if (strncmp(endpoint, "ipc://", 6) != 0)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "endpoints",
                             "endpoint '%s' must begin with tcp:// or ipc://", endpoint);
    size_t length = strlen(endpoint + 6), most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    if (length == 0 || length > most)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "endpoints",
                             "endpoint '%s': the path must have 1 to %zu bytes", endpoint, most);
    return SW_OK;
}

static sw_code add_endpoint(sw_link *link, const char *text, size_t size, sw_error *error)
{
    while (size > 0 && (*text == ' ' || *text == '\n' || *text == '\t'))
        text++, size--;
    while (size > 0 && (text[size - 1] == ' ' || text[size - 1] == '\n' || text[size - 1] == '\t'))
        size--;
    if (size == 0 || size >= ENDPOINT_SIZE)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "endpoints",
                             "endpoint '%.*s' is %s; expected tcp://HOST:PORT or ipc://PATH, comma-separated",
                             (int)(size < 64 ? size : 64), text, size == 0 ? "empty" : "too long");
    char **endpoints = realloc(link->endpoints, (link->count + 1) * sizeof(char *));
    if (endpoints == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    link->endpoints = endpoints;
    if ((endpoints[link->count] = strndup(text, size)) == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    return check_endpoint(endpoints[link->count++], error);
}

/* --- The key --- */

static bool has_tcp(const sw_link *link)
{
    bool found = false;
    for (size_t i = 0; i < link->count; i++)
        found = found || strncmp(link->endpoints[i], "tcp://", 6) == 0;
    return found;
}

/* A file that was named must be there; the one in the home folder may be. */
static sw_code take_key(sw_link *link, const char *path, sw_error *error)
{
    const char *named = path != NULL ? path : secure_getenv("SITEWIRE_KEY"), *home = secure_getenv("HOME");
    bool is_named = named != NULL && *named != '\0';
    if (!has_tcp(link) || (is_named && strcmp(named, "off") == 0) || (!is_named && home == NULL))
        return SW_OK;
    int size = is_named ? snprintf(link->key_path, sizeof(link->key_path), "%s", named)
                        : snprintf(link->key_path, sizeof(link->key_path), "%s/.config/sitewire/key", home);
    if (size < 0 || (size_t)size >= sizeof(link->key_path))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "key_file", "the path of the key file is too long");
    sw_code code = sw_key_file_read(link->key_path, &link->key, error);
    if (code == SW_NOT_FOUND && !is_named)
        return SW_OK;
    if (code == SW_NOT_FOUND)
        return sw_fail_field(error, SW_FAILED_PRECONDITION, "key_file",
                             "there is no key file %s: `sitewire key enroll` makes one", link->key_path);
    if (code == SW_OK && link->key.server_key[0] == '\0')
        return sw_fail_field(error, SW_FAILED_PRECONDITION, "key_file",
                             "the key file %s has no server-key, the public key of the broker",
                             link->key_path);
    return code;
}

sw_code sw_link_init(sw_client *client, const char *endpoints, sw_error *error)
{
    sw_link *link = &client->link;
    if (endpoints == NULL && (endpoints = secure_getenv("SITEWIRE_ENDPOINT")) == NULL)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "endpoints",
                             "no endpoint is given; set SITEWIRE_ENDPOINT, for instance by `. DIR/env`");
    sw_code code = SW_OK;
    for (const char *at = endpoints; code == SW_OK && at != NULL;) {
        const char *comma = strchr(at, ',');
        code = add_endpoint(link, at, comma != NULL ? (size_t)(comma - at) : strlen(at), error);
        at = comma != NULL ? comma + 1 : NULL;
    }
    if (code == SW_OK)
        code = take_key(link, client->options.key_file, error);
    if (code == SW_OK && (link->context = zmq_ctx_new()) == NULL)
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "ZeroMQ context: %s", zmq_strerror(zmq_errno()));
    return code;
}

const char *sw_link_endpoint(const sw_client *client)
{
    return client->link.count == 0 ? "" : client->link.endpoints[client->link.current];
}

/* --- One connection --- */

void sw_link_watch(sw_client *client)
{
    sw_link *link = &client->link;
    struct pollfd wanted[2] = {{.fd = -1}, {.fd = -1}};
    if (client->epoll < 0)
        return;
    if (link->dealer != NULL)
        sw_dealer_poll(link->dealer, wanted);
    for (int i = 0; i < 2; i++) {
        struct pollfd *now = &link->watched[i], *next = &wanted[i];
        struct epoll_event event = {.events = (next->events & POLLIN ? EPOLLIN : 0U) |
                                              (next->events & POLLOUT ? EPOLLOUT : 0U)};
        bool same = now->fd == next->fd;
        if (now->fd >= 0 && !same)
            epoll_ctl(client->epoll, EPOLL_CTL_DEL, now->fd, &event);
        if (!same)
            now->fd = -1;
        if (next->fd >= 0 && (!same || now->events != next->events) &&
            epoll_ctl(client->epoll, same ? EPOLL_CTL_MOD : EPOLL_CTL_ADD, next->fd, &event) != 0)
            continue; /* the next time */
        *now = *next;
    }
}

static void close_sockets(sw_client *client)
{
    sw_link *link = &client->link;
    sw_dealer *dealer = link->dealer;
    link->dealer = NULL;
    sw_link_watch(client); /* before its descriptors are closed */
    sw_dealer_close(&dealer, 0);
    if (link->frame_waits)
        zmq_msg_close(&link->frame);
    link->frame_waits = false;
    sw_batch_clear(&link->batch);
    link->compact = false;
}

void sw_link_destroy(sw_client *client)
{
    sw_link *link = &client->link;
    close_sockets(client);
    if (link->context != NULL)
        zmq_ctx_term(link->context);
    for (size_t i = 0; i < link->count; i++)
        free(link->endpoints[i]);
    free(link->endpoints);
    sw_key_file_wipe(&link->key);
}

static bool is_tcp(const sw_client *client)
{
    return strstr(sw_link_endpoint(client), "tcp://") == sw_link_endpoint(client);
}

static bool is_encrypted(const sw_client *client)
{
    return client->link.key.public_key[0] != '\0' && is_tcp(client);
}

static bool open_dealer(sw_client *client)
{
    sw_link *link = &client->link;
    size_t largest = client->options.reply_max > MESSAGE_MAX ? client->options.reply_max : MESSAGE_MAX;
    int replies_max = client->options.in_flight_max > 1000 ? (int)client->options.in_flight_max : 1000;
    /* What is sent has no bound: calls in flight are. */
    sw_dealer_options options = {.context = link->context,
                                 .key = is_encrypted(client) ? &link->key : NULL,
                                 .message_max = largest + SW_HEADER_MAX + SW_COMPACT_PREFIX,
                                 .unsent_max = SIZE_MAX,
                                 .receive_max = replies_max,
                                 .heartbeat_ms = HEARTBEAT_MS,
                                 .silence_ms = SILENCE_MS};
    link->dealer = sw_dealer_open(sw_link_endpoint(client), &options);
    return link->dealer != NULL;
}

/* The attempt on the current endpoint failed: to the next, and once round the list, a pause. `refusal` is how sure it is
 * that a key is the cause, of SURE. */
static void fail_attempt(sw_client *client, const char *reason, unsigned refusal, int64_t now_us)
{
    sw_link *link = &client->link;
    snprintf(link->reason, sizeof(link->reason), "%s", reason);
    link->refusals = refusal == 0 ? 0 : link->refusals + refusal;
    close_sockets(client);
    link->excused = false;
    link->state = SW_LINK_DOWN;
    link->due_us = now_us;
    bool round = link->failures % link->count == 0;
    if (round) {
        size_t rounds = link->failures / link->count;
        int64_t most = rounds > 6 ? BACKOFF_MAX_US : (int64_t)BACKOFF_FIRST_US << (rounds - 1);
        most = most < BACKOFF_MAX_US ? most : BACKOFF_MAX_US;
        link->due_us += most / 2 + sw_client_jitter(client, most / 2);
        sw_client_unreachable(client, link->refusals >= SURE * link->count);
    }
    link->current = (link->current + 1) % link->count;
}

static void begin_attempt(sw_client *client, int64_t now_us)
{
    sw_link *link = &client->link;
    link->state = SW_LINK_CONNECTING;
    link->failures++; /* until the broker says something */
    link->due_us = now_us + client->options.connect_ms * 1000;
    if (!open_dealer(client)) {
        fail_attempt(client, zmq_strerror(zmq_errno()), 0, now_us);
        return;
    }
    client->unread = true;
    link->heard = 0;
    link->heard_us = now_us;
    link->silent_us = link->asked_us = SW_NEVER;
    sw_link_watch(client);
}

static void lose(sw_client *client, int64_t now_us)
{
    sw_link *link = &client->link;
    /* Replies that came before the end are good. */
    while (sw_client_receive(client, 1000) == 1000)
        continue;
    snprintf(link->reason, sizeof(link->reason), "the connection was lost");
    if (link->failures > 0) { /* it never said anything: as bad as an attempt that failed */
        close_sockets(client);
        sw_client_lost(client);
        fail_attempt(client, "the connection was lost at once", 0, now_us);
        return;
    }
    close_sockets(client);
    link->state = SW_LINK_DOWN;
    link->due_us = now_us;
    sw_client_lost(client);
    link->current = (link->current + 1) % link->count;
}

/* Why nobody could be connected to; libzmq does not tell. */
static const char *reason_of(int error)
{
    switch (error) {
    case 0:
    case ECONNREFUSED:
        return "nobody accepts connections there";
    case ENOENT:
        return "there is no such socket";
    case EACCES:
        return "this user may not write to the socket";
    case EAGAIN:
        return "too many wait there to be accepted";
    default:
        return strerror(error);
    }
}

/* The connection ended in the handshake. A CURVE broker says nothing to who does not know its key, so that may be the
 * cause, or the broker has ended just then: after some attempts it is clear. */
static void fail_handshake(sw_client *client, sw_zmtp_state how, int64_t now_us)
{
    sw_link *link = &client->link;
    bool encrypted = is_encrypted(client);
    char reason[sizeof(link->reason)] = "the handshake failed (no sitewire broker?)";
    unsigned refusal = 0;
    if (how == SW_ZMTP_REFUSED && encrypted) {
        snprintf(reason, sizeof(reason), "it refuses the key in %.80s", link->key_path);
        refusal = SURE;
    } else if (how == SW_ZMTP_MISMATCH) {
        snprintf(
            reason, sizeof(reason),
            encrypted
                ? "it is not encrypted (--curve off), but we have a key: SITEWIRE_KEY=off goes without"
                : "it demands a key: set SITEWIRE_KEY to your key file; `sitewire key enroll` makes one");
        refusal = SURE;
    } else if (how == SW_ZMTP_HUNG_UP && encrypted) {
        snprintf(reason, sizeof(reason),
                 "it hung up in the handshake: is server-key in %.60s its key, or does it go without "
                 "(--curve off)?",
                 link->key_path);
        refusal = 1;
    } else if (how == SW_ZMTP_HUNG_UP) {
        snprintf(reason, sizeof(reason), "it hung up in the handshake (no sitewire broker?)");
    }
    fail_attempt(client, reason, refusal, now_us);
}

/* `away_us`: how long the program has not looked. */
static void handle_event(sw_client *client, sw_zmtp_state event, int error, int64_t away_us, int64_t now_us)
{
    sw_link *link = &client->link;
    if (event == SW_ZMTP_UP) {
        link->state = SW_LINK_UP;
        link->refusals = 0;
        link->excused = false;
        link->due_us = SW_NEVER;
        client->unread = true; /* messages may have come with the handshake's end */
        sw_client_ask_framing(client);
    } else if (link->state == SW_LINK_UP) {
        lose(client, now_us);
    } else if (event == SW_ZMTP_UNREACHABLE) {
        fail_attempt(client, reason_of(error), 0, now_us);
    } else if (event == SW_ZMTP_HUNG_UP && link->dealer->zmtp != NULL && away_us >= AWAY_US &&
               !link->excused) {
        close_sockets(client); /* it may have waited for us: once more */
        link->excused = true;
        link->failures--;
        link->state = SW_LINK_DOWN;
        link->due_us = now_us;
    } else {
        fail_handshake(client, event, now_us);
    }
}

/* Since when a word is waited for: the oldest call in flight, or one that is over by now, was sent then. */
static int64_t silent_since(const sw_client *client)
{
    const sw_link *link = &client->link;
    const sw_flight *oldest = client->sent.first;
    if (link->silent_us != SW_NEVER || oldest == NULL)
        return link->silent_us;
    return oldest->sent_us > link->heard_us ? oldest->sent_us : link->heard_us;
}

/* Where libzmq does not look after its peer, we do once something was sent: after a second of silence it gets a ping. We may
 * not have looked for long ourselves, so before it counts as gone, what it sent is read. */
static void check_silence(sw_client *client, int64_t now_us)
{
    sw_link *link = &client->link;
    sw_zmtp *zmtp = link->dealer->zmtp;
    if (zmtp == NULL)
        return;
    if (link->asked_us != SW_NEVER && now_us - link->asked_us >= SILENCE_MS * 1000) {
        sw_zmtp_work(zmtp);
        sw_client_receive(client, 1000);
    }
    if (link->heard != sw_zmtp_heard(zmtp)) {
        link->heard = sw_zmtp_heard(zmtp);
        link->heard_us = now_us;
        link->silent_us = link->asked_us = SW_NEVER;
    }
    link->silent_us = silent_since(client);
    if (link->asked_us == SW_NEVER && link->silent_us != SW_NEVER &&
        now_us - link->silent_us >= HEARTBEAT_MS * 1000) {
        sw_zmtp_ping(zmtp);
        link->asked_us = now_us;
    }
    if (link->asked_us != SW_NEVER && now_us - link->asked_us >= SILENCE_MS * 1000)
        lose(client, now_us);
}

int64_t sw_link_due(const sw_client *client)
{
    const sw_link *link = &client->link;
    if (link->state != SW_LINK_UP || link->dealer->zmtp == NULL)
        return link->due_us;
    if (link->asked_us != SW_NEVER)
        return link->asked_us + SILENCE_MS * 1000;
    int64_t since_us = silent_since(client);
    return since_us == SW_NEVER ? SW_NEVER : since_us + HEARTBEAT_MS * 1000;
}

bool sw_link_work(sw_client *client, bool look, int64_t now_us)
{
    sw_link *link = &client->link;
    sw_link_state before = link->state;
    bool worked = false;
    int64_t away_us = now_us - link->looked_us;
    /* Looking at libzmq's monitor costs a system call, which a busy link can do without. */
    look = look || link->state != SW_LINK_UP || link->dealer->zmtp != NULL || away_us >= LOOK_US;
    if (look)
        link->looked_us = now_us;
    if (link->dealer != NULL && (client->unread || link->state != SW_LINK_UP))
        sw_dealer_work(link->dealer);
    int error = 0; /* an event may close the dealer */
    for (sw_zmtp_state event; look && link->dealer != NULL &&
                              (event = sw_dealer_event(link->dealer, &error)) != SW_ZMTP_CONNECTING;
         worked = true)
        handle_event(client, event, error, away_us, now_us);
    if (link->state == SW_LINK_UP)
        check_silence(client, now_us);
    if (link->state == SW_LINK_CONNECTING && link->dealer->zmtp != NULL &&
        link->heard != sw_zmtp_heard(link->dealer->zmtp)) {
        link->heard = sw_zmtp_heard(link->dealer->zmtp);
        if (now_us >= link->due_us) /* it went on as soon as we looked */
            link->due_us = now_us + client->options.connect_ms * 1000;
    }
    if (link->state == SW_LINK_CONNECTING && now_us >= link->due_us) {
        char reason[64];
        snprintf(reason, sizeof(reason), "it does not answer within %lld ms",
                 (long long)client->options.connect_ms);
        fail_attempt(client, reason, 0, now_us);
    }
    /* Not in a loop: a list of endpoints that all fail at once must not hold up the caller. */
    if (link->state == SW_LINK_DOWN && now_us >= link->due_us)
        begin_attempt(client, now_us);
    return worked || link->state != before;
}

void sw_link_resume(sw_client *client, int64_t now_us)
{
    const sw_link *link = &client->link;
    if (link->state != SW_LINK_UP || link->dealer->zmtp == NULL || now_us - link->looked_us < PAUSE_US)
        return;
    sw_dealer_work(link->dealer);
    sw_client_receive(client, 1000);
    sw_link_work(client, true, now_us);
}

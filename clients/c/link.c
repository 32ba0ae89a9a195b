/* One connection to a broker, and the walk along the list of endpoints, see link.h. */
#include "c/link.h"
#include "base/clock.h"
#include "base/error.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#define BACKOFF_FIRST_US 20000   /* pause after the first round without a connection */
#define BACKOFF_MAX_US   1000000 /* so a broker that comes back is found within about a second */
#define HEARTBEAT_MS     1000
#define SILENCE_MS       5000 /* a peer that answers no ping for so long is lost */
#define LOOK_US          1000
#define KEY_LOOK_US      1000000 /* between two looks at the key file */
#define RENEW_US         500000  /* a broker that refuses a key cuts the connection after 2 s */
#define PAUSE_US         10000
/* a peer may have given up on a program that was away for longer */
#define AWAY_US 1000000

/* --- Life --- */

static bool has_tcp(const sw_endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->count; i++)
        if (sw_endpoint_is_tcp(endpoints->items[i]))
            return true;
    return false;
}

sw_code sw_link_init(sw_link *link, const sw_link_options *options, const sw_link_owner *owner,
                     sw_error *error)
{
    *link = (sw_link){.options = *options, .owner = *owner};
    sw_watched_init(&link->watched);
    sw_code code = sw_endpoints_parse(&link->endpoints, options->endpoints, "SITEWIRE_ENDPOINT", error);
    if (code == SW_OK && options->spread != 0)
        sw_endpoints_shuffle(&link->endpoints, options->spread);
    if (code == SW_OK && (options->key_on_ipc || has_tcp(&link->endpoints)))
        code = sw_client_key_find(&link->key, options->key_file, error);
    link->key.on_ipc = options->key_on_ipc;
    if (code == SW_OK && (link->context = zmq_ctx_new()) == NULL)
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "ZeroMQ context: %s", zmq_strerror(zmq_errno()));
    return code;
}

static void close_dealer(sw_link *link)
{
    sw_dealer *dealer = link->dealer;
    link->dealer = NULL;
    sw_link_update_watch(link); /* before its descriptors are closed */
    sw_dealer_close(&dealer, 0);
}

void sw_link_destroy(sw_link *link)
{
    close_dealer(link);
    if (link->context != NULL)
        zmq_ctx_term(link->context);
    sw_endpoints_clear(&link->endpoints);
    sw_client_key_clear(&link->key);
}

const char *sw_link_endpoint(const sw_link *link)
{
    return sw_endpoints_current(&link->endpoints);
}

void sw_link_heard(sw_link *link)
{
    link->failures = 0;
}

/* --- Descriptors --- */

void sw_link_update_watch(sw_link *link)
{
    sw_watched_update(&link->watched, link->dealer);
}

void sw_link_watch(sw_link *link, int epoll)
{
    link->watched.epoll = epoll;
    sw_link_update_watch(link);
}

bool sw_link_send(sw_link *link, sw_message *message)
{
    if (link->dealer == NULL) { /* a callback that hears of the loss may still send */
        sw_message_close(message);
        return false;
    }
    /* Sending over libzmq may swallow the edge that announces a reply. */
    link->unread |= !sw_dealer_is_driven(link->dealer);
    bool sent = sw_dealer_send(link->dealer, message) == 0;
    sw_message_close(message);
    sw_link_update_watch(link);
    return sent;
}

/* --- Attempts --- */

static bool is_encrypted(const sw_link *link)
{
    return sw_client_key_for(&link->key, sw_link_endpoint(link)) != NULL;
}

static bool refresh_key(sw_link *link)
{
    return sw_client_key_is_set(&link->key) && sw_key_file_refresh(link->key.path, &link->key.file);
}

bool sw_link_renew(sw_link *link, int64_t now_us)
{
    link->renewed = link->renewed || (is_encrypted(link) && refresh_key(link));
    if (link->renewed && link->state == SW_LINK_UP && link->due_us == SW_NEVER)
        link->due_us = now_us + RENEW_US;
    return link->renewed;
}

/* A key that is replaced in time is taken before the broker refuses the old one. */
static void look_at_key(sw_link *link, int64_t now_us)
{
    if (!is_encrypted(link) || now_us < link->key_us)
        return;
    link->key_us = now_us + KEY_LOOK_US;
    if (sw_file_stamp_changed(link->key.path, &link->key_stamp))
        link->renewed = refresh_key(link) || link->renewed;
}

/* Calls that wait for a reply would be lost with the connection. */
static bool may_replace(const sw_link *link, int64_t now_us)
{
    return link->owner.waits_since(link->owner.context) == SW_NEVER || now_us >= link->due_us;
}

/* The owner hears of it while the link still names the endpoint. */
static void go_down(sw_link *link, int64_t now_us)
{
    close_dealer(link);
    link->state = SW_LINK_DOWN;
    link->due_us = now_us;
    link->owner.on_down(link->owner.context);
}

/* The attempt on the current endpoint failed: goes on to the next one, and pauses after the
 * last. `refused`: a key was the cause. */
static void fail_attempt(sw_link *link, const char *reason, bool refused, int64_t now_us)
{
    snprintf(link->reason, sizeof(link->reason), "%s", reason);
    link->refusals = refused ? link->refusals + 1 : 0;
    go_down(link, now_us);
    link->excused = false;
    size_t count = link->endpoints.count;
    if (link->failures % count == 0) {
        size_t rounds = link->failures / count;
        int64_t most = rounds > 6 ? BACKOFF_MAX_US : (int64_t)BACKOFF_FIRST_US << (rounds - 1);
        most = most < BACKOFF_MAX_US ? most : BACKOFF_MAX_US;
        link->due_us += most / 2 + sw_random_upto(link->options.random, most / 2);
        link->owner.on_unreachable(link->owner.context, link->refusals >= count);
    }
    sw_endpoints_next(&link->endpoints);
}

sw_dealer *sw_link_open_dealer(sw_link *link, size_t endpoint, sw_server_choice *server)
{
    const char *to = link->endpoints.items[endpoint];
    /* What waits to be sent has no bound of its own: the number of calls has one. */
    sw_dealer_options options = {.context = link->context,
                                 .key = sw_client_key_for(&link->key, to),
                                 .server = server,
                                 .message_max = link->options.message_max,
                                 .unsent_max = SIZE_MAX,
                                 .receive_max = link->options.receive_max,
                                 .heartbeat_ms = HEARTBEAT_MS,
                                 .silence_ms = SILENCE_MS};
    return sw_dealer_open(to, &options);
}

static void use_dealer(sw_link *link, int64_t now_us)
{
    link->unread = true;
    link->heard = sw_dealer_heard(link->dealer);
    link->heard_us = now_us;
    link->silent_us = link->asked_us = SW_NEVER;
    sw_link_update_watch(link);
}

static void begin_attempt(sw_link *link, int64_t now_us)
{
    link->state = SW_LINK_CONNECTING;
    link->renewed = false;
    refresh_key(link);
    link->failures++; /* until the broker sends something */
    link->due_us = now_us + link->options.connect_ms * 1000;
    link->dealer = sw_link_open_dealer(link, link->endpoints.current, &link->server);
    if (link->dealer == NULL) {
        fail_attempt(link, zmq_strerror(zmq_errno()), false, now_us);
        return;
    }
    use_dealer(link, now_us);
}

/* --- Loss --- */

static void lose(sw_link *link, int64_t now_us)
{
    /* replies that came before the end are good */
    while (link->owner.on_readable(link->owner.context))
        continue;
    /* it never sent anything, which is as bad as an attempt that failed */
    if (link->failures > 0) {
        fail_attempt(link, "the connection was lost at once", false, now_us);
        return;
    }
    snprintf(link->reason, sizeof(link->reason), "the connection was lost");
    go_down(link, now_us);
    sw_endpoints_next(&link->endpoints);
}

/* libzmq does not report why it could not connect. */
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
        return "too many connections wait there to be accepted";
    default:
        return strerror(error);
    }
}

/* The connection ended in the handshake. A CURVE broker does not answer a client that has not its
 * public key, which looks the same as a dead network. */
static void fail_handshake(sw_link *link, sw_zmtp_state how, int64_t now_us)
{
    bool encrypted = sw_client_key_for(&link->key, sw_link_endpoint(link)) != NULL;
    char reason[sizeof(link->reason)] = "the handshake failed (no sitewire broker?)";
    bool refused = false;
    if (how == SW_ZMTP_REFUSED && encrypted) {
        snprintf(reason, sizeof(reason),
                 "it refuses the key in %.60s: not enrolled, revoked or expired, or its user is not active",
                 link->key.path);
        refused = true;
    } else if (how == SW_ZMTP_LATER) {
        snprintf(reason, sizeof(reason),
                 "it cannot let us in now: it cannot check keys, or this key has too many connections");
    } else if (how == SW_ZMTP_MISMATCH) {
        snprintf(
            reason, sizeof(reason),
            encrypted
                ? "it does not use CURVE (--curve off, or no --key), but we have a key: set SITEWIRE_KEY=off"
                : "it demands a key: set SITEWIRE_KEY to your key file; `sitewire key enroll` makes one");
        refused = true;
    } else if (how == SW_ZMTP_HUNG_UP && encrypted) {
        snprintf(reason, sizeof(reason),
                 "it hung up in the handshake: server-key in %.60s is not its key, or the network is dead",
                 link->key.path);
    } else if (how == SW_ZMTP_HUNG_UP) {
        snprintf(reason, sizeof(reason), "it hung up in the handshake (no sitewire broker?)");
    }
    fail_attempt(link, reason, refused, now_us);
}

/* --- Events --- */

static void come_up(sw_link *link)
{
    link->state = SW_LINK_UP;
    link->refusals = 0;
    link->excused = false;
    sw_server_choice_worked(&link->server);
    link->due_us = SW_NEVER;
    link->unread = true; /* messages may have come with the end of the handshake */
    link->owner.on_up(link->owner.context);
}

void sw_link_go_to(sw_link *link, size_t endpoint, const char *reason, int64_t now_us)
{
    snprintf(link->reason, sizeof(link->reason), "%s", reason);
    go_down(link, now_us);
    link->endpoints.current = endpoint;
}

void sw_link_adopt(sw_link *link, size_t endpoint, sw_dealer *dealer, const sw_server_choice *server,
                   int64_t now_us)
{
    go_down(link, now_us);
    link->endpoints.current = endpoint;
    link->dealer = dealer;
    link->server = *server;
    link->failures = 0;
    use_dealer(link, now_us);
    come_up(link);
}

/* Whether another try at the same endpoint may help: the file has another key by now, or trusts a
 * second key of the broker, which hangs up without a word if it does not have the one we used. */
static bool has_another_key(sw_link *link, sw_zmtp_state event)
{
    if (!is_encrypted(link))
        return false;
    if (event == SW_ZMTP_HUNG_UP)
        return sw_server_choice_failed(&link->server);
    return event == SW_ZMTP_REFUSED && refresh_key(link);
}

/* `away_us`: how long the program did not let the link work. */
static void handle_event(sw_link *link, sw_zmtp_state event, int error, int64_t away_us, int64_t now_us)
{
    if (event == SW_ZMTP_UP) {
        come_up(link);
    } else if (link->state == SW_LINK_UP) {
        lose(link, now_us);
    } else if (event == SW_ZMTP_UNREACHABLE) {
        fail_attempt(link, reason_of(error), false, now_us);
    } else if (event == SW_ZMTP_HUNG_UP && sw_dealer_is_driven(link->dealer) && away_us >= AWAY_US &&
               !link->excused) {
        link->excused = true; /* the peer may have waited for us: try the endpoint once more */
        link->failures--;
        go_down(link, now_us);
    } else if (has_another_key(link, event)) {
        link->failures--;
        go_down(link, now_us);
    } else {
        fail_handshake(link, event, now_us);
    }
}

/* Since when the peer owes a sign of life: since something was sent, even if the call is over by
 * now. */
static int64_t silent_since(const sw_link *link)
{
    int64_t since_us = link->silent_us;
    if (since_us == SW_NEVER && (since_us = link->owner.waits_since(link->owner.context)) != SW_NEVER)
        since_us = since_us > link->heard_us ? since_us : link->heard_us;
    return since_us;
}

/* Where libzmq does not watch its peer, the link does once something was sent: after a second of
 * silence it pings. The program may have been away for long, so what the peer sent is read
 * before it counts as lost. */
static void check_silence(sw_link *link, int64_t now_us)
{
    sw_dealer *dealer = link->dealer;
    if (!sw_dealer_is_driven(dealer))
        return;
    if (link->asked_us != SW_NEVER && now_us - link->asked_us >= SILENCE_MS * 1000) {
        sw_dealer_work(dealer);
        link->owner.on_readable(link->owner.context);
    }
    if (link->heard != sw_dealer_heard(dealer)) {
        link->heard = sw_dealer_heard(dealer);
        link->heard_us = now_us;
        link->silent_us = link->asked_us = SW_NEVER;
    }
    link->silent_us = silent_since(link);
    if (link->asked_us == SW_NEVER && link->silent_us != SW_NEVER &&
        now_us - link->silent_us >= HEARTBEAT_MS * 1000) {
        sw_dealer_ping(dealer);
        link->asked_us = now_us;
    }
    if (link->asked_us != SW_NEVER && now_us - link->asked_us >= SILENCE_MS * 1000)
        lose(link, now_us);
}

int64_t sw_link_due_us(const sw_link *link)
{
    if (link->state != SW_LINK_UP || !sw_dealer_is_driven(link->dealer))
        return link->due_us;
    int64_t since_us = silent_since(link), look_us = since_us;
    if (link->asked_us != SW_NEVER)
        look_us = link->asked_us + SILENCE_MS * 1000;
    else if (since_us != SW_NEVER)
        look_us = since_us + HEARTBEAT_MS * 1000;
    return look_us < link->due_us ? look_us : link->due_us;
}

static void check_attempt(sw_link *link, int64_t now_us)
{
    char reason[64];
    if (link->heard != sw_dealer_heard(link->dealer)) {
        link->heard = sw_dealer_heard(link->dealer);
        if (now_us >= link->due_us) /* it went on as soon as we looked */
            link->due_us = now_us + link->options.connect_ms * 1000;
    }
    if (now_us < link->due_us)
        return;
    snprintf(reason, sizeof(reason), "it does not answer within %lld ms",
             (long long)link->options.connect_ms);
    fail_attempt(link, reason, false, now_us);
}

bool sw_link_work(sw_link *link, bool look, int64_t now_us)
{
    sw_link_state before = link->state;
    bool worked = false;
    int64_t away_us = now_us - link->looked_us;
    /* Looking at libzmq's monitor costs a system call, which a busy link can do without. */
    look = look || link->state != SW_LINK_UP || sw_dealer_is_driven(link->dealer) || away_us >= LOOK_US;
    if (look)
        link->looked_us = now_us;
    if (link->dealer != NULL && (link->unread || link->state != SW_LINK_UP))
        sw_dealer_work(link->dealer);
    int error = 0; /* an event may close the dealer */
    for (sw_zmtp_state event; look && link->dealer != NULL &&
                              (event = sw_dealer_event(link->dealer, &error)) != SW_ZMTP_CONNECTING;
         worked = true)
        handle_event(link, event, error, away_us, now_us);
    if (link->state == SW_LINK_UP)
        check_silence(link, now_us);
    if (link->state == SW_LINK_UP && look)
        look_at_key(link, now_us);
    if (link->state == SW_LINK_UP && link->renewed && may_replace(link, now_us))
        go_down(link, now_us);
    if (link->state == SW_LINK_CONNECTING)
        check_attempt(link, now_us);
    /* Not in a loop: a list of endpoints that all fail at once must not hold up the caller. */
    if (link->state == SW_LINK_DOWN && now_us >= link->due_us)
        begin_attempt(link, now_us);
    return worked || link->state != before;
}

void sw_link_resume(sw_link *link, int64_t now_us)
{
    if (link->state != SW_LINK_UP || !sw_dealer_is_driven(link->dealer) ||
        now_us - link->looked_us < PAUSE_US)
        return;
    sw_dealer_work(link->dealer);
    link->owner.on_readable(link->owner.context);
    sw_link_work(link, true, now_us);
}

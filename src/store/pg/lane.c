/* The life of a connection: connecting, events, loss, reconnecting (lane.h). pipeline.c has the
 * statements that are in flight. */
#include "base/clock.h"
#include "store/pg/lane_private.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const int64_t attempt_ms = 5000, attempt_of_several_ms = 2000, attempt_max_ms = 10000;
static const int64_t backoff_min_ms = 50, backoff_max_ms = 2000;
static const int send_size = 1 << 20; /* of a Unix socket: a whole AppendLog fits */
static const char lock_ms[] = "250";  /* how long a mutation waits for a lock before others go first */

static const char shared_text[] =
    "its sessions are shared with other clients: let the pooler work in session mode, or connect to "
    "PostgreSQL itself";

static void on_timer(void *context);
static void on_ready(void *context, short events);
static void try_place(sw_lane *lane);
static void next_attempt(sw_lane *lane, const char *why);

static int64_t first_patience(const sw_lane *lane)
{
    const sw_places *places = lane->places;
    return places->connect_ms ? places->connect_ms : places->count > 1 ? attempt_of_several_ms : attempt_ms;
}

sw_lane *sw_lane_new(sw_loop *loop, sw_lane_kind kind, int number, sw_resolver *resolver,
                     const sw_places *places, const sw_statement *enter, const sw_lane_events *events)
{
    sw_lane *lane = calloc(1, sizeof(*lane));
    if (!lane)
        return NULL;
    lane->loop = loop;
    lane->kind = kind;
    lane->number = number;
    lane->resolver = resolver;
    lane->places = places;
    lane->enter = enter;
    lane->events = *events;
    lane->watched = -1;
    lane->backoff_ms = backoff_min_ms;
    lane->patience_ms = first_patience(lane);
    lane->timer = sw_loop_timer(loop, on_timer, lane);
    if (!lane->timer)
        sw_lane_destroy(&lane);
    return lane;
}

void sw_lane_listen(sw_lane *lane, const char *channel)
{
    snprintf(lane->listen, sizeof(lane->listen), "LISTEN %s", channel);
}

/* False when out of memory: then events on the descriptor would not be reported. */
static bool watch(sw_lane *lane, int fd, short events)
{
    if (lane->watched >= 0 && lane->watched != fd) {
        sw_loop_remove_fd(lane->loop, lane->watched);
        lane->watched = -1;
    }
    if (fd >= 0 && (lane->watched != fd || lane->watched_events != events) &&
        sw_loop_fd(lane->loop, fd, events, on_ready, lane) != SW_OK)
        return false;
    lane->watched = fd;
    lane->watched_events = events;
    return true;
}

static void close_connection(sw_lane *lane)
{
    watch(lane, -1, 0);
    sw_name_lookup_cancel(&lane->lookup);
    PQfinish(lane->connection);
    lane->connection = NULL;
    lane->state = LANE_DOWN;
    lane->broken = lane->is_known = false;
    lane->server = (sw_server_state){0};
    memset(lane->prepared, 0, sizeof(lane->prepared));
}

void sw_lane_destroy(sw_lane **lane)
{
    if (!*lane)
        return;
    close_connection(*lane);
    sw_lane_abandon(*lane);
    sw_timer_destroy(&(*lane)->timer);
    free(*lane);
    *lane = NULL;
}

/* --- Why it is down --- */

/* Adds the first line of a text to what is known of this round. */
static void add_reason(sw_lane *lane, const char *text)
{
    size_t used = strlen(lane->reason);
    int length = (int)strcspn(text, "\n");
    snprintf(lane->reason + used, sizeof(lane->reason) - used, "%s%.*s", used ? "; " : "", length, text);
}

static const char *why_down(const sw_lane *lane)
{
    return lane->shared ? shared_text : lane->connection ? PQerrorMessage(lane->connection) : "out of memory";
}

/* The delay before the next round grows and is random, so that many processes do not reconnect at
 * the same moment. */
static int64_t next_delay(sw_lane *lane)
{
    int64_t wait = lane->backoff_ms / 2 + randombytes_uniform((uint32_t)lane->backoff_ms);
    lane->backoff_ms = lane->backoff_ms * 2 > backoff_max_ms ? backoff_max_ms : lane->backoff_ms * 2;
    return lane->shared ? SW_LANE_SHARED_MS : wait;
}

/* The connection is lost, or no server could be used: all work in flight ends without a result. */
static void go_down(sw_lane *lane, const char *why)
{
    if (lane->state == LANE_UP) {
        lane->reason[0] = '\0';
        lane->astray = true;
    }
    if (why)
        add_reason(lane, why);
    close_connection(lane);
    sw_timer_start(lane->timer, sw_now_ms() + next_delay(lane));
    if (lane->shared)
        lane->events.on_shared(lane->events.context);
    lane->events.on_down(lane->events.context, lane, lane->reason);
    sw_lane_abandon(lane);
}

/* The connection broke. */
static void fail(sw_lane *lane)
{
    if (lane->state == LANE_UP || lane->shared)
        go_down(lane, why_down(lane));
    else
        next_attempt(lane, why_down(lane));
}

/* --- Connecting --- */

/* Begins the session. It is used once the server has said what it is. */
static void greet(sw_lane *lane)
{
    lane->state = LANE_GREETING;
    PQsetnonblocking(lane->connection, 1);
    if (PQhost(lane->connection) != NULL &&
        *PQhost(lane->connection) == '/') /* TCP adapts its buffer itself */
        setsockopt(PQsocket(lane->connection), SOL_SOCKET, SO_SNDBUF, &send_size, sizeof(send_size));
    lane->broken = !watch(lane, PQsocket(lane->connection), ZMQ_POLLIN) ||
                   !PQenterPipelineMode(lane->connection) || !sw_lane_begin(lane) ||
                   (lane->kind == SW_LANE_WRITE &&
                    !sw_lane_plain(lane, "SELECT set_config('lock_timeout', $1, false)", lock_ms)) ||
                   (*lane->listen && !sw_lane_plain(lane, lane->listen, NULL));
    sw_lane_flush(lane);
}

static void go_up(sw_lane *lane)
{
    const char *unfit = lane->events.on_greeted(lane->events.context, lane, &lane->server);
    if (unfit) {
        next_attempt(lane, unfit);
        return;
    }
    sw_timer_stop(lane->timer);
    lane->state = LANE_UP;
    lane->astray = false;
    lane->patience_ms = first_patience(lane);
    lane->events.on_up(lane->events.context, lane);
}

static void limit(sw_lane *lane, int64_t ms)
{
    lane->limit_ms = ms;
    sw_timer_start(lane->timer, sw_now_ms() + ms);
}

/* A dead machine does not answer. One that does may be busy: TLS, a new process and authentication
 * take their time if many programs connect at once. */
static void note_reached(sw_lane *lane)
{
    ConnStatusType status = PQstatus(lane->connection);
    if (lane->reached || status == CONNECTION_STARTED || status == CONNECTION_NEEDED ||
        status == CONNECTION_BAD)
        return;
    lane->reached = true;
    limit(lane, lane->patience_ms * 5 / 2);
}

/* libpq may close its socket and open another one with the same number, which the loop would not
 * watch. */
static void poll_connect(sw_lane *lane)
{
    watch(lane, -1, 0);
    PostgresPollingStatusType status = PQconnectPoll(lane->connection);
    int fd = PQsocket(lane->connection);
    note_reached(lane);
    if (status == PGRES_POLLING_OK)
        greet(lane);
    else if (status == PGRES_POLLING_FAILED || fd < 0 ||
             !watch(lane, fd, status == PGRES_POLLING_WRITING ? ZMQ_POLLOUT : ZMQ_POLLIN))
        next_attempt(lane, why_down(lane));
}

static void open_connection(sw_lane *lane)
{
    lane->reached = false;
    lane->connection = sw_places_connect(lane->places, &lane->places->items[lane->place],
                                         lane->addresses.count ? lane->addresses.text[lane->address] : NULL);
    lane->state = LANE_CONNECTING;
    limit(lane, lane->patience_ms);
    if (!lane->connection || PQstatus(lane->connection) == CONNECTION_BAD) {
        next_attempt(lane, why_down(lane));
        return;
    }
    PQsetNoticeReceiver(lane->connection, sw_lane_take_notice, lane);
    if (!watch(lane, PQsocket(lane->connection), ZMQ_POLLOUT))
        next_attempt(lane, "out of memory");
}

static void on_resolved(void *context, const sw_addresses *found)
{
    sw_lane *lane = context;
    char why[SW_LANE_REASON];
    lane->lookup = NULL;
    lane->addresses = *found;
    if (found->count > 0) {
        open_connection(lane);
        return;
    }
    snprintf(why, sizeof(why), "the name %.200s: %s", sw_place_name(&lane->places->items[lane->place]),
             found->error);
    next_attempt(lane, why);
}

static void try_place(sw_lane *lane)
{
    const char *name = sw_place_name(&lane->places->items[lane->place]);
    lane->left--;
    lane->addresses.count = lane->address = 0;
    if (!name) {
        open_connection(lane);
        return;
    }
    lane->state = LANE_RESOLVING;
    limit(lane, lane->patience_ms);
    lane->lookup = sw_resolver_start(lane->resolver, name, on_resolved, lane);
    if (!lane->lookup)
        next_attempt(lane, "out of memory, or too many names are looked up");
}

/* An attempt has failed: the next address of this server, or the next server. */
static void next_attempt(sw_lane *lane, const char *why)
{
    add_reason(lane, why);
    close_connection(lane);
    sw_lane_abandon(lane);
    if (++lane->address < lane->addresses.count) {
        open_connection(lane);
    } else if (lane->left > 0) {
        lane->place = (lane->place + 1) % lane->places->count;
        try_place(lane);
    } else {
        int64_t longer_ms = lane->patience_ms * 2;
        if (!lane->places->connect_ms)
            lane->patience_ms = longer_ms > attempt_max_ms ? attempt_max_ms : longer_ms;
        go_down(lane, NULL);
    }
}

/* After a loss the last server may be silent. So every other lane begins with the next one, and
 * sw_lane_hurry brings all to the one that answers. */
static void begin_round(sw_lane *lane, int place)
{
    lane->place = place % lane->places->count;
    lane->left = lane->places->count;
    lane->reason[0] = '\0';
    lane->shared = false;
    try_place(lane);
}

void sw_lane_connect(sw_lane *lane)
{
    begin_round(lane, lane->places->first + (lane->astray ? lane->number : 0));
}

void sw_lane_hurry(sw_lane *lane)
{
    bool there = lane->state != LANE_DOWN && lane->place == lane->places->first;
    if (lane->state == LANE_UP || lane->state == LANE_GREETING || lane->shared || there)
        return;
    close_connection(lane);
    sw_lane_abandon(lane);
    begin_round(lane, lane->places->first);
}

void sw_lane_leave(sw_lane *lane, const char *reason)
{
    if (lane->state == LANE_UP)
        go_down(lane, reason);
}

/* It is time to try again, or an attempt has taken too long. */
static void on_timer(void *context)
{
    sw_lane *lane = context;
    char why[SW_LANE_REASON];
    const sw_place *place = &lane->places->items[lane->place];
    const char *host = place->host ? place->host : place->hostaddr ? place->hostaddr : "the server";
    if (lane->state == LANE_DOWN) {
        sw_lane_connect(lane);
        return;
    }
    snprintf(why, sizeof(why), "%.200s %s within %lld ms", host,
             lane->state == LANE_RESOLVING ? "has no answer of the name service" : "does not answer",
             (long long)lane->limit_ms);
    next_attempt(lane, why);
}

/* Several notifications count as one. */
static bool take_notifications(sw_lane *lane)
{
    bool any = false;
    for (PGnotify *each; (each = PQnotifies(lane->connection)); any = true)
        PQfreemem(each);
    return any;
}

static void on_ready(void *context, short events)
{
    sw_lane *lane = context;
    if (lane->state == LANE_CONNECTING) {
        poll_connect(lane);
        return;
    }
    if (events & ~ZMQ_POLLOUT && !PQconsumeInput(lane->connection))
        lane->broken = true;
    sw_lane_receive(lane); /* also results that came before a loss */
    if (lane->state == LANE_GREETING && lane->is_known && !lane->broken)
        go_up(lane);
    if (lane->state != LANE_UP && lane->state != LANE_GREETING) /* it tries another server */
        return;
    if (*lane->listen && take_notifications(lane))
        lane->events.on_notify(lane->events.context);
    sw_lane_flush(lane);
}

void sw_lane_flush(sw_lane *lane)
{
    if (lane->state != LANE_UP && lane->state != LANE_GREETING)
        return;
    if (!lane->broken && lane->batch > 0 && !sw_lane_sync(lane))
        lane->broken = true;
    int left = lane->broken ? -1 : PQflush(lane->connection);
    if (left < 0 || !watch(lane, lane->watched, left ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN))
        fail(lane);
}

void sw_lane_settle(sw_lane *lane)
{
    lane->backoff_ms = backoff_min_ms;
}

bool sw_lane_is_up(const sw_lane *lane)
{
    return lane->state == LANE_UP && !lane->broken;
}

void sw_lane_refuse(sw_lane *lane)
{
    if (lane->state == LANE_DOWN)
        return;
    lane->shared = true;
    go_down(lane, shared_text);
}

sw_lane_kind sw_lane_get_kind(const sw_lane *lane)
{
    return lane->kind;
}

int sw_lane_place(const sw_lane *lane)
{
    return lane->place;
}

sw_server_state sw_lane_server(const sw_lane *lane)
{
    return sw_lane_is_up(lane) ? lane->server : (sw_server_state){0};
}

bool sw_lane_session(const sw_lane *lane, sw_session *session)
{
    *session = lane->session;
    return lane->is_known && sw_lane_is_up(lane);
}

void sw_lane_set_waiting(sw_lane *lane, const sw_session *session)
{
    lane->waiting |= lane->is_known && memcmp(session, &lane->session, sizeof(*session)) == 0;
}

bool sw_lane_is_waiting(const sw_lane *lane)
{
    return lane->waiting;
}

/* The life of a connection: connecting, events, loss, reconnecting (lane.h). pipeline.c has the
 * statements that are in flight. */
#include "base/clock.h"
#include "store/pg/lane_private.h"
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static const int64_t connect_ms = 5000, backoff_min_ms = 50, backoff_max_ms = 2000;
static const int send_size = 1 << 20; /* of a Unix socket: a whole AppendLog fits */
static const char lock_ms[] = "250";  /* how long a mutation waits for a lock before others go first */

static const char shared_text[] =
    "its sessions are shared with other clients: let the pooler work in session mode, or connect to "
    "PostgreSQL itself";

static const char *const where[SW_LANE_WHERE] = {"host", "hostaddr", "port"};

static void on_timer(void *context);
static void on_ready(void *context, short events);

sw_lane *sw_lane_new(sw_loop *loop, sw_lane_kind kind, const char *conninfo, const sw_statement *enter,
                     const sw_lane_events *events)
{
    sw_lane *lane = calloc(1, sizeof(*lane));
    if (!lane)
        return NULL;
    lane->loop = loop;
    lane->kind = kind;
    lane->conninfo = conninfo;
    lane->enter = enter;
    lane->events = *events;
    lane->watched = -1;
    lane->backoff_ms = backoff_min_ms;
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
    PQfinish(lane->connection);
    lane->connection = NULL;
    lane->state = LANE_DOWN;
    lane->broken = lane->is_known = false;
    memset(lane->prepared, 0, sizeof(lane->prepared));
}

static void forget_where(sw_lane *lane)
{
    for (int i = 0; i < SW_LANE_WHERE; i++) {
        free(lane->where[i]);
        lane->where[i] = NULL;
    }
}

void sw_lane_destroy(sw_lane **lane)
{
    if (!*lane)
        return;
    close_connection(*lane);
    sw_lane_abandon(*lane);
    sw_timer_destroy(&(*lane)->timer);
    forget_where(*lane);
    free(*lane);
    *lane = NULL;
}

static const char *why_down(const sw_lane *lane)
{
    return lane->shared ? shared_text : lane->connection ? PQerrorMessage(lane->connection) : "out of memory";
}

/* The delay before the next attempt grows and is random, so that many processes do not reconnect at
 * the same moment. */
static int64_t next_delay(sw_lane *lane)
{
    int64_t wait = lane->backoff_ms / 2 + randombytes_uniform((uint32_t)lane->backoff_ms);
    lane->backoff_ms = lane->backoff_ms * 2 > backoff_max_ms ? backoff_max_ms : lane->backoff_ms * 2;
    return lane->shared ? SW_LANE_SHARED_MS : wait;
}

/* The connection is lost: all work in flight ends without a result. */
static void go_down(sw_lane *lane)
{
    char reason[256];
    const char *text = why_down(lane);
    size_t length = strcspn(text, "\n");
    if (length >= sizeof(reason))
        length = sizeof(reason) - 1;
    memcpy(reason, text, length);
    reason[length] = '\0';
    close_connection(lane);
    sw_timer_start(lane->timer, sw_now_ms() + next_delay(lane));
    if (lane->shared)
        lane->events.on_shared(lane->events.context);
    lane->events.on_down(lane->events.context, lane, reason);
    sw_lane_abandon(lane);
}

static void go_up(sw_lane *lane)
{
    sw_timer_stop(lane->timer);
    lane->state = LANE_UP;
    PQsetnonblocking(lane->connection, 1);
    if (PQhost(lane->connection) != NULL &&
        *PQhost(lane->connection) == '/') /* TCP adapts its buffer itself */
        setsockopt(PQsocket(lane->connection), SOL_SOCKET, SO_SNDBUF, &send_size, sizeof(send_size));
    if (!watch(lane, PQsocket(lane->connection), ZMQ_POLLIN) || !PQenterPipelineMode(lane->connection) ||
        !sw_lane_begin(lane) ||
        (lane->kind == SW_LANE_WRITE &&
         !sw_lane_plain(lane, "SELECT set_config('lock_timeout', $1, false)", lock_ms)) ||
        (*lane->listen && !sw_lane_plain(lane, lane->listen, NULL))) {
        go_down(lane);
        return;
    }
    lane->events.on_up(lane->events.context, lane);
    sw_lane_flush(lane);
}

static void poll_connect(sw_lane *lane)
{
    PostgresPollingStatusType status = PQconnectPoll(lane->connection);
    int fd = PQsocket(lane->connection);
    if (fd != lane->watched) /* libpq tries another address now */
        watch(lane, -1, 0);
    if (status == PGRES_POLLING_OK)
        go_up(lane);
    else if (status == PGRES_POLLING_FAILED || fd < 0 ||
             !watch(lane, fd, status == PGRES_POLLING_WRITING ? ZMQ_POLLOUT : ZMQ_POLLIN))
        go_down(lane);
}

/* libpq tries several hosts in turn, but waits for one that is silent. So the next attempt begins
 * with the second host: the first item of each list of several goes to the end. */
static void rotate_hosts(sw_lane *lane)
{
    PQconninfoOption *options = PQconninfo(lane->connection);
    forget_where(lane);
    for (const PQconninfoOption *option = options; option && option->keyword; option++)
        for (int i = 0; i < SW_LANE_WHERE; i++) {
            const char *comma = option->val ? strchr(option->val, ',') : NULL;
            if (comma && strcmp(option->keyword, where[i]) == 0 &&
                asprintf(&lane->where[i], "%s,%.*s", comma + 1, (int)(comma - option->val), option->val) < 0)
                lane->where[i] = NULL;
        }
    PQconninfoFree(options);
}

/* The conninfo can override what stands before dbname, but not what stands after it. Without the
 * first four, the lane would wait a quarter of an hour for a server that vanished from the
 * network. */
void sw_lane_connect(sw_lane *lane)
{
    const char *const names[] = {"keepalives_idle",
                                 "keepalives_interval",
                                 "keepalives_count",
                                 "tcp_user_timeout",
                                 "dbname",
                                 "fallback_application_name",
                                 "client_encoding",
                                 where[0],
                                 where[1],
                                 where[2],
                                 NULL};
    const char *const values[] = {
        "10",           "5", "3", "15000", lane->conninfo, "sitewire", "UTF8", lane->where[0], lane->where[1],
        lane->where[2], NULL};
    lane->connection = PQconnectStartParams(names, values, 1);
    lane->state = LANE_CONNECTING;
    lane->shared = false;
    if (!lane->connection || PQstatus(lane->connection) == CONNECTION_BAD) {
        go_down(lane);
        return;
    }
    PQsetNoticeReceiver(lane->connection, sw_lane_take_notice, lane);
    sw_timer_start(lane->timer, sw_now_ms() + connect_ms);
    if (!watch(lane, PQsocket(lane->connection), ZMQ_POLLOUT))
        go_down(lane);
}

/* It is time to try again, or an attempt has taken too long. */
static void on_timer(void *context)
{
    sw_lane *lane = context;
    if (lane->state == LANE_CONNECTING) {
        rotate_hosts(lane);
        go_down(lane);
    } else if (lane->state == LANE_DOWN)
        sw_lane_connect(lane);
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
    if (*lane->listen && take_notifications(lane))
        lane->events.on_notify(lane->events.context);
    sw_lane_flush(lane);
}

void sw_lane_flush(sw_lane *lane)
{
    if (lane->state != LANE_UP)
        return;
    if (!lane->broken && lane->batch > 0 && !sw_lane_sync(lane))
        lane->broken = true;
    int left = lane->broken ? -1 : PQflush(lane->connection);
    if (left < 0 || !watch(lane, lane->watched, left ? ZMQ_POLLIN | ZMQ_POLLOUT : ZMQ_POLLIN))
        go_down(lane);
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
    go_down(lane);
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

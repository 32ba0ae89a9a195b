/* Connects to a broker, registers, keeps the connection alive, and connects again after a loss.
 * Each connection has a socket of its own, so that a broker's successor never receives what was
 * meant for the one before. */
#include "worker/connection.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_MS 125
#define BACKOFF_MAX_MS   500   /* so a broker that comes back is found within about half a second */
#define REFUSED_MAX_MS   5000  /* for a broker that refuses us */
#define TICKS            2     /* ticks in a heartbeat interval */
#define SILENT_INTERVALS 4     /* heartbeat intervals after which a silent broker counts as lost */
#define HIGH_WATER       16384 /* messages in each direction */
#define MESSAGE_MAX      (64UL * 1024 * 1024)
#define UNSENT_MAX       65536 /* bytes that wait in the dealer; exchange.c keeps the rest */
#define LEAVE_MS         1000  /* for the last messages to be sent */
#define CONNECT_MS       1000  /* for the peer's machine to answer */
#define ATTEMPT_MS       5000  /* for the handshake, from the start of the attempt */
#define REASON_MAX       512   /* bytes of a broker's reason, with NUL */

static void tell(const sw_connection *connection, const char *event)
{
    const sw_registration *r = connection->registration;
    if (r->on_event != NULL)
        r->on_event(r->context, event, connection->endpoint, "");
}

void sw_connection_refused(sw_connection *connection, sw_view reason)
{
    const sw_registration *r = connection->registration;
    connection->refused = true;
    char text[REASON_MAX];
    size_t size = sw_utf8_cut(reason.data, reason.size, sizeof(text) - 1);
    memcpy(text, reason.data, size);
    text[size] = '\0';
    if (r->on_event != NULL)
        r->on_event(r->context, "registration refused by broker", connection->endpoint, text);
}

void sw_registration_refresh(sw_registration *r)
{
    char before[SW_KEY_SIZE];
    if (r->key == NULL)
        return;
    memcpy(before, r->key->secret_key, SW_KEY_SIZE);
    if (sw_key_file_refresh(r->key_file, r->key) && strcmp(before, r->key->secret_key) != 0)
        r->key_version++;
    explicit_bzero(before, sizeof(before));
}

static void close_socket(sw_connection *connection, int linger_ms)
{
    sw_connection_forget_kept(connection);
    sw_batch_clear(&connection->batch);
    if (connection->dealer != NULL)
        sw_dealer_unwatch(connection->dealer, connection->registration->loop);
    sw_dealer_close(&connection->dealer, linger_ms);
    sw_broker_name_cancel(&connection->name);
    connection->up = connection->ready_due = false;
}

static void start_tick(sw_connection *connection)
{
    sw_timer_start(connection->timer, sw_now_ms() + connection->registration->heartbeat_ms / TICKS);
}

static void register_worker(sw_connection *connection)
{
    connection->up = true;
    sw_server_choice_worked(&connection->server);
    connection->heard = connection->sent = true;
    connection->hung_up = false;
    connection->silent_ticks = 0;
    sw_connection_command(connection, SW_MDP_WORKER_READY);
    start_tick(connection);
    tell(connection, "broker connected");
}

static void try_again(sw_connection *connection, bool refused)
{
    int64_t most_ms = refused ? REFUSED_MAX_MS : BACKOFF_MAX_MS;
    if (connection->registration->draining)
        return;
    if (connection->backoff_ms > most_ms)
        connection->backoff_ms = most_ms;
    sw_timer_start(connection->timer, sw_now_ms() + connection->backoff_ms);
    connection->backoff_ms = connection->backoff_ms == 0 ? BACKOFF_FIRST_MS : connection->backoff_ms * 2;
}

/* A broker that restarts behind a balancer looks like one with another key: both hang up. So it is
 * tried like one that is away, and reported once. */
static void report_hang_up(sw_connection *connection)
{
    if (!connection->hung_up)
        tell(connection, "broker hung up in the handshake");
    connection->hung_up = true;
}

/* Refused: our key, or another security mechanism. The broker's log has the reason. */
static void fail_attempt(sw_connection *connection, sw_zmtp_state how)
{
    bool refused = how == SW_ZMTP_REFUSED || how == SW_ZMTP_MISMATCH || how == SW_ZMTP_STRANGER;
    close_socket(connection, 0);
    if (how == SW_ZMTP_HUNG_UP && sw_server_choice_failed(&connection->server))
        connection->backoff_ms = 0;
    else if (how == SW_ZMTP_HUNG_UP || how == SW_ZMTP_LATER)
        report_hang_up(connection);
    else if (refused)
        tell(connection, "handshake refused by broker");
    try_again(connection, refused);
}

static void handle_events(sw_connection *connection)
{
    int error;
    for (sw_zmtp_state event; connection->dealer != NULL &&
                              (event = sw_dealer_event(connection->dealer, &error)) != SW_ZMTP_CONNECTING;) {
        if (event == SW_ZMTP_UP)
            register_worker(connection);
        else if (connection->up)
            sw_connection_lost(connection);
        else
            fail_attempt(connection, event);
    }
}

static void on_ready(void *context, short events)
{
    (void)events;
    sw_connection *connection = context;
    sw_dealer_work(connection->dealer);
    handle_events(connection);
    if (connection->up && connection->kept_first != NULL)
        sw_connection_flush(connection);
    if (connection->up)
        sw_connection_receive(connection);
    handle_events(connection);
    sw_connection_watch(connection);
}

void sw_connection_watch(sw_connection *connection)
{
    if (connection->dealer != NULL)
        sw_dealer_watch(connection->dealer, connection->registration->loop, connection->kept_first != NULL,
                        on_ready, connection);
}

static sw_code open_dealer(sw_connection *connection, const char *endpoint, sw_error *error)
{
    sw_registration *r = connection->registration;
    sw_dealer_options options = {.context = r->zmq,
                                 .key = r->key,
                                 .server = &connection->server,
                                 .message_max = MESSAGE_MAX,
                                 .unsent_max = UNSENT_MAX,
                                 .send_max = HIGH_WATER,
                                 .receive_max = HIGH_WATER,
                                 .connect_ms = CONNECT_MS,
                                 .ipv6_names = true};
    connection->complained = connection->overrun = connection->is_late = false;
    sw_registration_refresh(r);
    connection->key_version = r->key_version;
    connection->dealer = sw_dealer_open(endpoint, &options);
    if (connection->dealer == NULL) {
        bool is_wrong = zmq_errno() != EMFILE && zmq_errno() != ENFILE && zmq_errno() != ENOMEM;
        return sw_fail(error, is_wrong ? SW_INVALID_ARGUMENT : SW_RESOURCE_EXHAUSTED,
                       "endpoint %s: %s; an endpoint looks like ipc:///path or tcp://host:port",
                       connection->endpoint, zmq_strerror(zmq_errno()));
    }
    sw_timer_start(connection->timer, sw_now_ms() + CONNECT_MS);
    sw_code code = sw_dealer_watch(connection->dealer, r->loop, false, on_ready, connection);
    if (code != SW_OK) {
        close_socket(connection, 0);
        return sw_fail(error, code, "cannot watch the socket for %s", connection->endpoint);
    }
    return SW_OK;
}

/* sw_broker_name_fn */
static void on_named(void *context, const char *endpoint)
{
    sw_connection *connection = context;
    if (endpoint == NULL)
        fail_attempt(connection, SW_ZMTP_UNREACHABLE);
    else if (open_dealer(connection, endpoint, NULL) != SW_OK)
        sw_timer_start(connection->timer, sw_now_ms() + BACKOFF_MAX_MS);
}

sw_code sw_connection_open(sw_connection *connection, sw_error *error)
{
    const sw_registration *r = connection->registration;
    if (!sw_broker_name_is(connection->endpoint))
        return open_dealer(connection, connection->endpoint, error);
    sw_timer_start(connection->timer, sw_now_ms() + ATTEMPT_MS);
    return sw_broker_name_start(&connection->name, r->resolver, connection->endpoint, on_named, connection)
               ? SW_OK
               : sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory to look up %s", connection->endpoint);
}

/* It has finished its calls, or the broker is gone. Its successor frees it. */
static void end_retired(sw_connection *connection)
{
    close_socket(connection, 0);
    sw_timer_stop(connection->timer);
    sw_dispatch_abandon(connection->registration->dispatch, &connection->transport);
}

void sw_connection_lost(sw_connection *connection)
{
    sw_registration *r = connection->registration;
    if (connection->is_retired) {
        end_retired(connection);
        return;
    }
    close_socket(connection, 0);
    sw_timer_stop(connection->timer);
    r->brokers_lost++;
    tell(connection, "broker lost");
    try_again(connection, connection->refused);
    connection->refused = false;
    sw_dispatch_abandon(r->dispatch, &connection->transport);
}

/* A machine that does not answer at all is left soon: the kernel would ask it less and less often.
 * libzmq watches that for its own connections. */
static void end_attempt(sw_connection *connection)
{
    sw_dealer *dealer = connection->dealer;
    if (connection->is_late || (sw_dealer_is_driven(dealer) && sw_dealer_heard(dealer) == 0)) {
        fail_attempt(connection, SW_ZMTP_UNREACHABLE);
        return;
    }
    connection->is_late = true;
    sw_timer_start(connection->timer, sw_now_ms() + ATTEMPT_MS - CONNECT_MS);
}

static void on_timer(void *context)
{
    sw_connection *connection = context;
    if (connection->name.lookup != NULL) {
        fail_attempt(connection, SW_ZMTP_UNREACHABLE);
        return;
    }
    if (connection->dealer == NULL && connection->is_retired)
        return;
    if (connection->dealer == NULL) {
        if (sw_connection_open(connection, NULL) != SW_OK) /* no descriptors left: tries later */
            sw_timer_start(connection->timer, sw_now_ms() + BACKOFF_MAX_MS);
        return;
    }
    if (!connection->up) {
        end_attempt(connection);
        return;
    }
    connection->silent_ticks = connection->heard ? 0 : connection->silent_ticks + 1;
    connection->heard = false;
    if (connection->overrun || connection->silent_ticks >= SILENT_INTERVALS * TICKS) {
        sw_connection_lost(connection);
        return;
    }
    if (connection->ready_due) {
        connection->heartbeats = 0; /* those since this READY count */
        sw_connection_command(connection, SW_MDP_WORKER_READY);
    } else if (!connection->sent) {
        sw_connection_command(connection, SW_MDP_WORKER_HEARTBEAT);
    }
    connection->sent = false;
    connection->backoff_ms = 0; /* the connection has lasted for a tick, so this broker works */
    start_tick(connection);
}

sw_connection *sw_connection_new(sw_registration *registration, const char *endpoint)
{
    sw_connection *connection = calloc(1, sizeof(*connection));
    if (connection == NULL)
        return NULL;
    connection->transport.send = sw_connection_reply;
    connection->registration = registration;
    connection->endpoint = strdup(endpoint);
    connection->timer = sw_loop_timer(registration->loop, on_timer, connection);
    if (connection->endpoint == NULL || connection->timer == NULL)
        sw_connection_destroy(&connection);
    return connection;
}

void sw_connection_destroy(sw_connection **connection)
{
    if (*connection == NULL)
        return;
    sw_connection_destroy(&(*connection)->before);
    close_socket(*connection, 0);
    sw_timer_destroy(&(*connection)->timer);
    free((*connection)->endpoint);
    free(*connection);
    *connection = NULL;
}

/* --- Another key --- */

/* NULL if it cannot be opened now. */
static sw_connection *open_successor(const sw_connection *connection)
{
    sw_connection *made = sw_connection_new(connection->registration, connection->endpoint);
    if (made != NULL && sw_connection_open(made, NULL) != SW_OK)
        sw_connection_destroy(&made);
    return made;
}

void sw_connection_renew(sw_connection **connection)
{
    sw_connection *old = *connection, *made;
    if (old->before != NULL && old->before->dealer == NULL)
        sw_connection_destroy(&old->before);
    if (!old->up || old->before != NULL || old->key_version == old->registration->key_version ||
        old->registration->draining || (made = open_successor(old)) == NULL)
        return;
    made->before = old;
    old->is_retired = true;
    *connection = made;
}

bool sw_connection_is_registered(const sw_connection *connection)
{
    return (connection->up && !connection->ready_due) ||
           (connection->before != NULL && connection->before->up);
}

/* --- The end --- */

void sw_connection_drain(sw_connection *connection)
{
    if (connection->before != NULL && connection->before->up && !connection->up)
        sw_connection_drain(connection->before);
    if (!connection->up) {
        close_socket(connection, 0);
        sw_timer_stop(connection->timer);
        return;
    }
    connection->grace_ms = sw_now_ms() + 2 * connection->registration->heartbeat_ms;
    sw_connection_command(connection, SW_MDP_WORKER_READY);
}

/* A broker that does not dismiss its workers has read our second READY when its second heartbeat
 * arrives: the first may have crossed the READY, and the second was sent an interval later. */
bool sw_connection_is_drained(const sw_connection *connection)
{
    if (connection->before != NULL && !sw_connection_is_drained(connection->before))
        return false;
    if (connection->dealer == NULL)
        return true;
    bool waited = connection->heartbeats >= 2 && sw_now_ms() >= connection->grace_ms;
    return connection->kept_first == NULL && connection->batch.count == 0 && !connection->ready_due &&
           (connection->dismissed || waited);
}

void sw_connection_leave(sw_connection *connection)
{
    if (connection->before != NULL)
        sw_connection_leave(connection->before);
    if (connection->dealer == NULL)
        return;
    sw_connection_send_batch(connection);
    if (connection->up && !connection->dismissed)
        sw_connection_command(connection, SW_MDP_WORKER_DISCONNECT);
    sw_timer_stop(connection->timer);
    close_socket(connection, LEAVE_MS);
}

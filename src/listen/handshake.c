/* Steps from the greeting to READY (handshake.h). Words in quotes name sections of ZeroMQ RFC
 * 37. */
#include "listen/handshake.h"

#include "base/clock.h"
#include "listen/due.h"
#include "listen/output.h"
#include <stdlib.h>
#include <string.h>

#define SIGNATURE 10 /* bytes of the greeting */
#define MECHANISM 12 /* its offset */
#define LINE_SIZE 20 /* bytes of the mechanism's name */

const char sw_handshake_gone[] = "the peer hung up, or did not complete it in time";

static const char not_zmtp[] = "it is not a ZMTP 3 handshake, or replayed";

void sw_handshake_note(const sw_inbound *session, const char *why, bool is_limit)
{
    sw_listener_failure *failure = &session->listener->counters.failure;
    const uint8_t *key = session->step == SW_STEP_ASKED ? sw_inbound_key(session) : NULL;
    if (failure->why != NULL && why == sw_handshake_gone) /* others say more */
        return;
    *failure = (sw_listener_failure){
        .why = why, .is_limit = is_limit, .gave_up = why == sw_handshake_gone, .has_key = key != NULL};
    if (key != NULL)
        memcpy(failure->key, key, sizeof(failure->key));
    sw_inbound_address(session, failure->address);
}

void sw_handshake_fail(sw_inbound *session, const char *why)
{
    if (session->step < SW_STEP_UP) {
        session->listener->counters.handshakes_failed++;
        sw_handshake_note(session, why, false);
    }
    sw_inbound_end(session);
}

/* --- our greeting: "Version Negotiation", 3.1 --- */

static const char null_name[LINE_SIZE] = "NULL", curve_name[LINE_SIZE] = "CURVE";

/* CURVE's server sets the byte behind the mechanism. */
static void name_mechanism(sw_inbound *session, bool is_curve)
{
    uint8_t rest[SW_GREETING - MECHANISM] = {[LINE_SIZE] = is_curve};
    memcpy(rest, is_curve ? curve_name : null_name, LINE_SIZE);
    session->is_curve = is_curve;
    session->is_named = true;
    sw_output_bytes(session, rest, sizeof(rest));
}

/* Where both mechanisms are allowed, ours is named once the peer has named its own: libzmq does so
 * as soon as it knows our version. */
void sw_handshake_begin(sw_inbound *session)
{
    static const uint8_t version[MECHANISM] = {0xff, [9] = 0x7f, [10] = 3, [11] = 1};
    const sw_listener_options *options = &session->listener->options;
    sw_output_bytes(session, version, sizeof(version));
    if (options->secret_key == NULL || !options->allows_null)
        name_mechanism(session, options->secret_key != NULL);
}

/* --- the owner --- */

static void come_up(sw_inbound *session)
{
    const sw_listener_options *options = &session->listener->options;
    session->step = SW_STEP_UP;
    sw_due_leave(session);
    if (options->heartbeat_ms > 0)
        sw_due_push(&session->listener->watched, session, sw_now_ms() + options->heartbeat_ms);
}

/* A publisher filters what it sends: it is told that we want everything. */
static void subscribe_to_all(sw_inbound *session)
{
    zmq_msg_t frame;
    if (session->minor > 0) {
        sw_output_command(session, "\11SUBSCRIBE", 10);
    } else if (zmq_msg_init_size(&frame, 1) == 0) {
        memcpy(zmq_msg_data(&frame), "\1", 1);
        sw_output_frame(session, &frame, false);
        zmq_msg_close(&frame);
    } else {
        sw_inbound_end(session);
    }
}

static void send_ready(sw_inbound *session)
{
    uint8_t ready[SW_CURVE_READY + SW_METADATA_SIZE], metadata[SW_METADATA_SIZE];
    size_t size = sw_metadata_write(session->listener->options.type, metadata);
    size_t head = session->is_curve ? SW_CURVE_READY : strlen("\5READY");
    if (session->is_curve) {
        sw_curve_ready(&session->curve, (sw_view){(const char *)metadata, size}, ready);
    } else {
        memcpy(ready, "\5READY", head);
        memcpy(ready + head, metadata, size);
    }
    sw_output_handshake(session, ready, head + size);
}

/* "ERROR" and three digits, as libzmq's peers understand them. The connection closes once the peer
 * has read it, which its end of the connection shows, or with the time of the handshake. */
static void send_error(sw_inbound *session, const char *status)
{
    uint8_t error[10] = "\5ERROR\3";
    memcpy(error + 7, status, 3);
    sw_output_handshake(session, error, sizeof(error));
    sw_output_write(session);
    if (session->step == SW_STEP_ENDED)
        return;
    session->listener->counters.refused++;
    session->step = SW_STEP_LEAVING;
    shutdown(session->fd, SHUT_WR);
}

void sw_handshake_finish(sw_inbound *session, sw_admission admission)
{
    if (session->step != SW_STEP_ASKED || admission == SW_ADMISSION_WAIT)
        return;
    if (admission == SW_ADMISSION_LATER && !session->reads_errors) {
        session->listener->counters.refused++;
        sw_inbound_end(session);
        return;
    }
    if (admission != SW_ADMISSION_GOOD) {
        send_error(session, admission == SW_ADMISSION_REFUSED ? "400" : "300");
        return;
    }
    send_ready(session);
    if (session->step == SW_STEP_ENDED)
        return;
    come_up(session);
    if (session->listener->options.type == SW_SOCKET_XSUB)
        subscribe_to_all(session);
}

static sw_holding_kind holding_kind(const sw_inbound *session)
{
    bool has_key = sw_inbound_key(session) != NULL;
    return session->listener->options.share == SW_SHARE_SERVICES
               ? (has_key ? SW_HOLDING_SERVICE_KEY : SW_HOLDING_SERVICE_UID)
               : (has_key ? SW_HOLDING_KEY : SW_HOLDING_UID);
}

/* The holding of its key or uid. False: it has as many connections as it may. */
static bool join_holding(sw_inbound *session)
{
    sw_listeners *all = session->listener->all;
    const uint8_t *key = sw_inbound_key(session);
    uint8_t name[SW_HOLDING_NAME] = {0};
    if (key == NULL && session->uid < 0)
        return true; /* its address has one */
    memcpy(name, key != NULL ? key : (const uint8_t *)&session->uid,
           key != NULL ? SW_CURVE_KEY : sizeof(session->uid));
    session->by_name = sw_holdings_join(&all->holdings, holding_kind(session), name);
    return session->by_name != NULL &&
           (key == NULL || session->by_name->connections <= all->options.limits.key_connections);
}

/* The peer has proved who it is, and says what it is. */
static void ask(sw_inbound *session, sw_view metadata)
{
    sw_listener *listener = session->listener;
    if (!sw_metadata_accepts(listener->options.type, metadata, &session->reads_errors)) {
        sw_handshake_fail(session, "the peer's type of socket does not belong here");
        return;
    }
    session->step = SW_STEP_ASKED;
    if (!join_holding(session)) {
        if (session->by_name == NULL) { /* out of memory: the peer comes again */
            sw_handshake_fail(session, "out of memory");
            return;
        }
        listener->counters.turned_away++;
        sw_handshake_note(session, "its key has too many connections (--key-connections)", true);
        sw_handshake_finish(session, SW_ADMISSION_LATER);
        return;
    }
    session->was_asked = true;
    sw_handshake_finish(session, listener->owner.admit(listener->owner.context, session));
}

/* --- steps --- */

/* True once the greeting is whole. What is wrong shows as early as it can. */
static bool take_greeting(sw_inbound *session)
{
    sw_listeners *all = session->listener->all;
    size_t missing = SW_GREETING - session->greeted, take = all->left < missing ? all->left : missing;
    const uint8_t *greeting = session->greeting;
    memcpy(session->greeting + session->greeted, all->at, take);
    session->greeted = (uint8_t)(session->greeted + take);
    all->at += take;
    all->left -= take;
    size_t size = session->greeted;
    if ((size > 0 && greeting[0] != 0xff) || (size >= SIGNATURE && (greeting[9] & 1) == 0) ||
        (size > SIGNATURE && greeting[10] < 3)) {
        sw_handshake_fail(session, not_zmtp);
        return false;
    }
    /* Our own client (net/zmtp.c) stops there until it knows our mechanism. It has only NULL. */
    if (size == MECHANISM && !session->is_named)
        name_mechanism(session, false);
    return size == SW_GREETING;
}

static void on_greeting(sw_inbound *session)
{
    const uint8_t *name = session->greeting + MECHANISM;
    if (!session->is_named)
        name_mechanism(session, memcmp(name, curve_name, LINE_SIZE) == 0);
    if (session->step == SW_STEP_ENDED)
        return;
    if (memcmp(name, session->is_curve ? curve_name : null_name, LINE_SIZE) != 0) {
        sw_output_write(session); /* so that the peer sees ours */
        sw_handshake_fail(session, "the peer uses another mechanism: CURVE or none");
        return;
    }
    session->minor = session->greeting[10] > 3 ? 1 : session->greeting[11];
    session->step = session->is_curve ? SW_STEP_HELLO : SW_STEP_READY;
    session->curve = (sw_curve){0};
}

static const char not_for_us[] = "it is not encrypted for this broker's key, or replayed";

static void on_hello(sw_inbound *session, sw_view hello)
{
    uint8_t welcome[SW_CURVE_WELCOME];
    if (!sw_curve_hello(&session->curve, session->listener->options.secret_key, hello, welcome)) {
        sw_handshake_fail(session, not_for_us);
        return;
    }
    session->step = SW_STEP_INITIATE;
    sw_output_handshake(session, welcome, sizeof(welcome));
}

static void on_initiate(sw_inbound *session, sw_view initiate)
{
    uint8_t metadata[SW_CURVE_INITIATE_MAX];
    size_t size;
    if (sw_curve_initiate(&session->curve, session->listener->options.secret_key, initiate, metadata, &size))
        ask(session, (sw_view){(const char *)metadata, size});
    else
        sw_handshake_fail(session, not_for_us);
}

static void on_ready(sw_inbound *session, sw_view ready)
{
    size_t head = strlen("\5READY");
    if (ready.size < head || memcmp(ready.data, "\5READY", head) != 0)
        sw_handshake_fail(session, not_zmtp);
    else
        ask(session, (sw_view){ready.data + head, ready.size - head});
}

static void on_command(sw_inbound *session, sw_view command)
{
    if (session->step == SW_STEP_HELLO)
        on_hello(session, command);
    else if (session->step == SW_STEP_INITIATE)
        on_initiate(session, command);
    else
        on_ready(session, command);
}

/* True if there was a whole command. */
static bool take_command(sw_inbound *session)
{
    sw_listeners *all = session->listener->all;
    sw_frame frame;
    sw_frame_result result =
        sw_frame_reader_next(&session->reader, &all->at, &all->left, SW_COMMAND_MAX, &frame);
    if (result == SW_FRAME_NONE)
        return false;
    if (result != SW_FRAME_WHOLE) {
        sw_handshake_fail(session, not_zmtp);
        return false;
    }
    if ((frame.flags & SW_FRAME_COMMAND) != 0)
        on_command(session, (sw_view){(const char *)frame.data, frame.size});
    else
        sw_handshake_fail(session, not_zmtp);
    if (frame.is_owned)
        free(frame.data);
    return true;
}

void sw_handshake_work(sw_inbound *session)
{
    const sw_listeners *all = session->listener->all;
    if (session->step == SW_STEP_GREETING && take_greeting(session))
        on_greeting(session);
    while (session->step > SW_STEP_GREETING && session->step < SW_STEP_ASKED && take_command(session))
        continue;
    /* Nothing may come before the peer has our READY. */
    if (session->step == SW_STEP_ASKED && all->left > 0)
        sw_handshake_fail(session, not_zmtp);
}

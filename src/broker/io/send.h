/* The messages that the broker sends to clients and workers, in MDP or compact framing
 * (docs/protocol.md). Used by carry_out.c, frontend.c and backend.c. All functions borrow the
 * body of the action. */
#ifndef SW_BROKER_SEND_H
#define SW_BROKER_SEND_H

#include "broker/io/body.h"
#include "broker/io/outbox.h"

/* --- to clients --- */

/* A worker's reply. False if it is not an RPC reply although the client expects one: nothing is
 * sent then. */
bool sw_send_reply(sw_outbox *outbox, const sw_action *action);
/* The broker's own answer; `quoted` goes into its text. */
void sw_send_answer(sw_outbox *outbox, const sw_action *action, sw_answer answer, sw_view quoted);
/* The answer of a management service (ZeroMQ RFC 8); `more` may be NULL. */
void sw_send_management(sw_outbox *outbox, sw_peer *peer, sw_view service, const char *code,
                        const char *more);

/* --- to workers --- */

/* A call. False if it could not be sent. The handover is for RPC workers. */
bool sw_send_request(sw_outbox *outbox, const sw_action *action, const sw_handover *handover);
/* CANCEL or CREDIT. */
void sw_send_control(sw_outbox *outbox, const sw_action *action);
void sw_send_heartbeat(sw_outbox *outbox, sw_peer *peer);
/* DISCONNECT instead of a registration. RPC workers get the reason as a third frame; "" adds
 * none. */
void sw_send_refusal(sw_outbox *outbox, sw_peer *peer, const char *reason);
void sw_send_disconnect(sw_outbox *outbox, sw_peer *peer);

#endif

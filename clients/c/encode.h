/* Turns a call into the bytes that go over the wire: a compact REQUEST (docs/protocol.md,
 * section 6), from which the MDP/0.2 form is made when the broker speaks nothing else. Used by
 * call.c and send.c. */
#ifndef SW_CLIENT_ENCODE_H
#define SW_CLIENT_ENCODE_H

#include "c/pending.h"
#include "wire/frame.h"

/* Builds call->frame. The payload is in call->payload if has_payload; otherwise it is copied
 * into the frame. INVALID_ARGUMENT if the header is too long, RESOURCE_EXHAUSTED: out of memory;
 * the frame is then as before. */
sw_code sw_pending_encode(sw_pending_call *call, const sw_call_header *header, sw_view payload,
                          sw_error *error);
/* Encodes the call again with its current tag, time left and credit. False when out of memory. */
bool sw_pending_encode_again(sw_pending_call *call, int64_t now_us);
/* What call->frame says. Both results point into it. */
void sw_pending_decode(const sw_pending_call *call, sw_compact *compact, sw_call_header *header);
/* The time left that the header states, at least 1 ms. */
uint32_t sw_pending_time_left_ms(const sw_pending_call *call, int64_t now_us);

#endif

/* The handshake of a connection: greeting, NULL or CURVE, and the owner's verdict. Used by
 * listener.c. */
#ifndef SW_LISTEN_HANDSHAKE_H
#define SW_LISTEN_HANDSHAKE_H

#include "listen/state.h"

/* Sends our half of the greeting. */
void sw_handshake_begin(sw_inbound *session);
/* Takes the bytes that were read for it, as far as they belong to the handshake. */
void sw_handshake_work(sw_inbound *session);
/* Ends it as the owner decided. */
void sw_handshake_finish(sw_inbound *session, sw_admission admission);
/* Why a handshake ended that the peer gave up. */
extern const char sw_handshake_gone[];
/* Keeps why a connection does not come in, for the log. */
void sw_handshake_note(const sw_inbound *session, const char *why, bool is_limit);
/* Ends it, and the connection; `why` has static storage. */
void sw_handshake_fail(sw_inbound *session, const char *why);

#endif

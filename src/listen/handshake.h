/* The handshake of a connection: greeting, NULL or CURVE, and the owner's verdict. Used by
 * listener.c. */
#ifndef SW_LISTEN_HANDSHAKE_H
#define SW_LISTEN_HANDSHAKE_H

#include "listen/state.h"

/* Sends our half of the greeting. */
void sw_handshake_begin(sw_session *session);
/* Takes the bytes that were read for it, as far as they belong to the handshake. */
void sw_handshake_work(sw_session *session);
/* Ends it as the owner decided. */
void sw_handshake_finish(sw_session *session, sw_admission admission);
/* Ends it, and the connection; `why` has static storage. */
void sw_handshake_fail(sw_session *session, const char *why);

#endif

/* What goes out on a connection: frames, encrypted if it speaks CURVE, and commands. Used by the
 * files of this folder. */
#ifndef SW_LISTEN_OUTPUT_H
#define SW_LISTEN_OUTPUT_H

#include "listen/state.h"

/* Appends bytes without a frame around them: the greeting. */
void sw_output_bytes(sw_inbound *session, const void *bytes, size_t size);
/* Appends a command of the handshake, which is not encrypted as a message. */
void sw_output_handshake(sw_inbound *session, const void *body, size_t size);
/* Appends a command such as PING. */
void sw_output_command(sw_inbound *session, const void *body, size_t size);
/* Appends a frame of a message and leaves it empty. False when out of memory: the connection is
 * ended, because nothing may follow half a message. */
bool sw_output_frame(sw_inbound *session, zmq_msg_t *frame, bool more);
/* Writes what the socket accepts, and watches for the rest. */
void sw_output_write(sw_inbound *session);
/* Updates what the connection counts for in its holding. */
void sw_output_count(sw_inbound *session);

#endif

/* What zmtp.c (life and handshake) and zmtp_frames.c (what goes over it) share. What stands in quotes is a section of
 * ZeroMQ RFC 37. */
#ifndef SW_WIRE_ZMTP_CORE_H
#define SW_WIRE_ZMTP_CORE_H

#include "net/zmtp.h"
#include <sys/uio.h>

#define SW_ZMTP_IN_SIZE 65536 /* bytes read at once; a frame that is longer is read to where it stays */

enum { SW_ZMTP_MORE = 1, SW_ZMTP_LONG = 2, SW_ZMTP_COMMAND = 4 }; /* flags of a frame: "Framing" */

struct sw_zmtp {
    int fd, error;
    sw_zmtp_state state;
    bool connected, greeted; /* the way to UP */
    bool may_read;           /* since the descriptor was ready nothing was read */
    bool ended;              /* the peer has ended its side */
    uint64_t heard;          /* signs of life */
    size_t message_max, unsent_max;
    uint8_t *in;
    size_t in_begin, in_end;
    sw_message message; /* so far */
    zmq_msg_t frame;    /* the frame under way, if in_frame */
    size_t filled;
    uint8_t flags;
    bool in_frame;
    uint8_t *out;
    size_t out_begin, out_end, out_room;
};

/* --- zmtp.c --- */
/* It is over, for this reason or by an errno (0: the peer ended it); nothing if it was. */
void sw_zmtp_end(sw_zmtp *zmtp, sw_zmtp_state state);
void sw_zmtp_end_by(sw_zmtp *zmtp, int error);

/* --- zmtp_frames.c --- */
/* Sends, and keeps what the socket does not take. */
void sw_zmtp_write(sw_zmtp *zmtp, struct iovec *parts, size_t count);
void sw_zmtp_command(sw_zmtp *zmtp, const void *body, size_t size);
/* Sends what was kept. */
void sw_zmtp_flush(sw_zmtp *zmtp);
/* At least `size` bytes of what has come in, at in + in_begin; NULL if they are not there yet. */
const uint8_t *sw_zmtp_need(sw_zmtp *zmtp, size_t size);
/* The next whole frame in `frame`, which is the caller's to close, with its `flags`. */
bool sw_zmtp_next_frame(sw_zmtp *zmtp);
bool sw_zmtp_is_command(const sw_zmtp *zmtp, const char *name);
sw_view sw_zmtp_body(const sw_zmtp *zmtp);
/* The peer breaks the protocol (EPROTO), or there is no memory: what it sends is not looked at any more. Returns false. */
bool sw_zmtp_violated(sw_zmtp *zmtp, int error);

#endif

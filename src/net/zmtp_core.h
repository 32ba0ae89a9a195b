/* Shared by zmtp.c (connect, handshake, end) and zmtp_frames.c (frames). Words in quotes in
 * comments name sections of ZeroMQ RFC 37. */
#ifndef SW_NET_ZMTP_CORE_H
#define SW_NET_ZMTP_CORE_H

#include "net/zmtp.h"
#include <sys/uio.h>

#define SW_ZMTP_IN_SIZE     65536 /* bytes read at once; a longer frame bypasses the buffer */
#define SW_ZMTP_COMMAND_MAX 1024  /* bytes of a command: READY with its properties is the longest */

enum { SW_ZMTP_MORE = 1, SW_ZMTP_LONG = 2, SW_ZMTP_COMMAND = 4 }; /* flags of a frame: "Framing" */

struct sw_zmtp {
    int fd, error;
    sw_zmtp_state state;
    bool connected, greeted, welcomed; /* steps before UP; the last one with CURVE */
    sw_curve_client *curve;            /* NULL: the mechanism is NULL */
    bool may_read;                     /* nothing was read since the descriptor was ready */
    bool ended;                        /* nothing more is read: the peer ended, or broke the protocol */
    uint64_t heard;                    /* signs of life */
    size_t message_max, unsent_max;
    uint8_t *in;
    size_t in_begin, in_end;
    sw_message message; /* the frames of the message that is being read */
    zmq_msg_t frame;    /* the frame that is being read, if in_frame */
    size_t filled;      /* bytes of it so far */
    uint8_t flags;
    bool in_frame;
    uint8_t *out;
    size_t out_begin, out_end, out_room;
};

/* --- zmtp.c --- */
/* Ends the connection with this state, or by an errno (0: the peer ended it; ENOMEM: the peer is
 * not to blame). Does nothing if it has ended. */
void sw_zmtp_end(sw_zmtp *zmtp, sw_zmtp_state state);
void sw_zmtp_end_by(sw_zmtp *zmtp, int error);

/* --- zmtp_frames.c --- */
/* Sends, and keeps what the socket does not accept. */
void sw_zmtp_write(sw_zmtp *zmtp, struct iovec *parts, size_t count);
/* A command, encrypted once the connection is up with CURVE. */
void sw_zmtp_command(sw_zmtp *zmtp, const void *body, size_t size);
/* Sends what was kept. */
void sw_zmtp_flush(sw_zmtp *zmtp);
/* At least `size` received bytes, at in + in_begin; NULL if they have not arrived yet. */
const uint8_t *sw_zmtp_need(sw_zmtp *zmtp, size_t size);
/* Reads the next whole frame into `frame`, which the caller closes, and its `flags`. False if it
 * has not arrived. */
bool sw_zmtp_next_frame(sw_zmtp *zmtp);
bool sw_zmtp_is_command(const sw_zmtp *zmtp, const char *name);
sw_view sw_zmtp_body(const sw_zmtp *zmtp);
/* These two end the connection, ignore what else the peer sends, and return false: the peer broke
 * the protocol; there is no memory for what it sent. */
bool sw_zmtp_violated(sw_zmtp *zmtp);
bool sw_zmtp_ran_short(sw_zmtp *zmtp);

#endif

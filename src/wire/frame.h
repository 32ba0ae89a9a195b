/* The envelope of messages between client, broker and worker (docs/protocol.md): compact frames,
 * and multipart messages of either framing. Used by broker, worker and client. */
#ifndef SW_WIRE_FRAME_H
#define SW_WIRE_FRAME_H

#include "wire/header.h"
#include "wire/mdp.h"
#include <zmq.h>

#define SW_COMPACT_PREFIX 24   /* bytes before the header in a compact frame */
#define SW_COMPACT_INLINE 8192 /* payloads up to this size are in the same frame */
#define SW_FRAMES_MAX     16   /* frames of a message, without the identity */

/* A compact message: one frame, or two when the payload is in a frame of its own. */
typedef struct sw_compact {
    sw_compact_command command;
    uint64_t tag; /* client side: the call id; worker side: the broker's route */
    sw_view header, handover, payload;
    bool payload_follows; /* the payload is the next frame, `payload` is empty */
} sw_compact;

/* Whether a frame begins as compact framing does; the rest may be malformed. */
bool sw_compact_is(const void *frame, size_t size);
/* Views point into `frame`. False if it is malformed (lengths, version, command, a payload both
 * inline and following). */
bool sw_compact_decode(const void *frame, size_t size, sw_compact *message);
/* Makes the first frame: prefix, header, handover and, unless payload_follows, payload. The caller
 * owns *frame. False when out of memory, or if a length is over its bound. */
bool sw_compact_encode(const sw_compact *message, zmq_msg_t *frame);
/* The same with room for payload_size bytes, which the caller writes to *payload (message->payload
 * is ignored). */
bool sw_compact_reserve(const sw_compact *message, size_t payload_size, zmq_msg_t *frame, void **payload);

/* The two steps of the above, for memory of the caller: the size of a message with payload_size
 * bytes of payload, 0 if a length is over its bound; and writing everything but the payload to
 * `to`, which returns where the payload goes. */
size_t sw_compact_size(const sw_compact *message, size_t payload_size);
uint8_t *sw_compact_write(const sw_compact *message, uint8_t *to);

/* True if the frame is, or was meant to be, a REQUEST: it may not decode, but has a tag. */
bool sw_compact_is_request(const void *frame, size_t size, uint64_t *tag);

/* Changes the tag of an encoded compact frame in place. */
void sw_compact_set_tag(void *frame, uint64_t tag);

/* A whole multipart message, received without blocking. */
typedef struct sw_message {
    int count;
    bool overflow; /* it had more than SW_FRAMES_MAX + 2 frames; the rest were dropped */
    zmq_msg_t frames[SW_FRAMES_MAX + 2];
} sw_message;

/* The descriptor of a socket (ZMQ_FD), which becomes readable when its state changes; -1 if the
 * socket is closed. It is edge-triggered: whoever waits for it must read the socket to EAGAIN at
 * the beginning and after every other use. */
int sw_socket_fd(void *socket);

/* 0, or an errno: EAGAIN if there is no message. On success the caller closes it with
 * sw_message_close. */
int sw_message_recv(void *socket, sw_message *message);
void sw_message_close(sw_message *message);
/* Sends all frames, which are consumed on success (and left to the caller otherwise). 0 or an
 * errno. */
int sw_message_send(void *socket, sw_message *message);
/* Append a frame, copied or moved. False when full or out of memory. */
bool sw_message_add(sw_message *message, const void *data, size_t size);
bool sw_message_move(sw_message *message, zmq_msg_t *frame);
sw_view sw_message_view(const sw_message *message, int index);

#endif

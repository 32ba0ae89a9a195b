/* Bytes that wait to be written to a connection. Small ones are collected, so that many messages
 * take one system call; large frames are lent, not copied. Used by session.c. */
#ifndef SW_LISTEN_UNSENT_H
#define SW_LISTEN_UNSENT_H

#include <stdbool.h>
#include <stdint.h>
#include <zmq.h>

#define SW_UNSENT_COPIED 4096 /* bytes of the largest frame that is copied */

typedef struct sw_piece sw_piece;

/* Pieces that are not in use, for all connections of a thread. All zeros is empty. */
typedef struct sw_piece_pool {
    sw_piece *free;
    unsigned count;
} sw_piece_pool;

/* All zeros is empty. */
typedef struct sw_unsent {
    sw_piece *first, *last;
    size_t bytes;    /* that are not written yet */
    size_t held;     /* bytes of memory, which a piece keeps until it is written as a whole */
    size_t messages; /* whose last bytes are in a piece that is not written yet */
} sw_unsent;

/* Appends bytes, copied; or a frame, which is left empty. False when out of memory. */
bool sw_unsent_add(sw_unsent *unsent, sw_piece_pool *pool, const void *data, size_t size);
bool sw_unsent_add_frame(sw_unsent *unsent, sw_piece_pool *pool, zmq_msg_t *frame);
/* What was appended last ends a message. */
void sw_unsent_end_message(sw_unsent *unsent);
/* Writes what the socket accepts: 0, EAGAIN if something is left, or another errno. */
int sw_unsent_write(sw_unsent *unsent, sw_piece_pool *pool, int fd);
void sw_unsent_clear(sw_unsent *unsent, sw_piece_pool *pool);
void sw_piece_pool_clear(sw_piece_pool *pool);

#endif

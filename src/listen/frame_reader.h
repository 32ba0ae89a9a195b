/* Frames of ZMTP (ZeroMQ RFC 37, "Framing") out of the bytes of one connection: a byte of flags, a
 * length of one byte or of eight, and a body. The bytes are lent, so that thousands of connections
 * share one buffer; only a frame that has not come whole has memory of its own. Used by
 * session.c. */
#ifndef SW_LISTEN_FRAME_READER_H
#define SW_LISTEN_FRAME_READER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SW_FRAME_MORE = 1, SW_FRAME_LONG = 2, SW_FRAME_COMMAND = 4 }; /* flags */

#define SW_FRAME_HEAD_MAX 9 /* bytes before the body */

typedef enum {
    SW_FRAME_NONE,     /* it has not arrived */
    SW_FRAME_WHOLE,    /* here it is */
    SW_FRAME_BROKEN,   /* unknown flags, or a command with "more" */
    SW_FRAME_TOO_LONG, /* over its bound; nothing of it was read */
    SW_FRAME_NO_MEMORY
} sw_frame_result;

/* All zeros is a reader at the beginning of a frame. */
typedef struct sw_frame_reader {
    uint8_t head[SW_FRAME_HEAD_MAX], head_size;
    uint8_t *body; /* of a frame that came in parts */
    size_t size, filled;
} sw_frame_reader;

typedef struct sw_frame {
    uint8_t flags;
    bool is_owned; /* `data` is the caller's to free; otherwise it is part of the bytes lent */
    uint8_t *data; /* may be changed */
    size_t size;
} sw_frame;

/* The next frame from *left bytes at *at, both of which move on. Bodies have at most `most`
 * bytes. */
sw_frame_result sw_frame_reader_next(sw_frame_reader *reader, uint8_t **at, size_t *left, size_t most,
                                     sw_frame *frame);
/* Where the rest of a long frame goes, if at least `least` bytes of it are missing, so that they
 * need no copy; NULL otherwise. After writing there, call sw_frame_reader_filled. */
uint8_t *sw_frame_reader_rest(const sw_frame_reader *reader, size_t least, size_t *size);
void sw_frame_reader_filled(sw_frame_reader *reader, size_t size);
/* Bytes of memory that it holds. */
size_t sw_frame_reader_held(const sw_frame_reader *reader);
void sw_frame_reader_clear(sw_frame_reader *reader);

#endif

/* A list of pieces: bytes of a fixed room, or one frame (unsent.h). */
#include "listen/unsent.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>

#define PIECE_ROOM 8000 /* bytes */
#define POOL_MAX   256  /* pieces that are kept; more are freed */
#define PARTS_MAX  64   /* pieces of one write */

struct sw_piece {
    sw_piece *next;
    uint8_t *data;
    size_t begin, end; /* of what is not written, in `data` */
    unsigned messages; /* that end in it */
    bool is_frame;     /* `frame` holds the data, and `bytes` has no room */
    zmq_msg_t frame;
    uint8_t bytes[];
};

/* --- pieces --- */

static sw_piece *take(sw_piece_pool *pool)
{
    sw_piece *piece = pool->free;
    if (piece != NULL) {
        pool->free = piece->next;
        pool->count--;
    } else if ((piece = malloc(sizeof(*piece) + PIECE_ROOM)) == NULL) {
        return NULL;
    }
    piece->data = piece->bytes;
    piece->is_frame = false;
    return piece;
}

static void give(sw_piece_pool *pool, sw_piece *piece)
{
    if (piece->is_frame)
        zmq_msg_close(&piece->frame);
    if (piece->is_frame || pool->count == POOL_MAX) {
        free(piece);
        return;
    }
    piece->next = pool->free;
    pool->free = piece;
    pool->count++;
}

void sw_piece_pool_clear(sw_piece_pool *pool)
{
    while (pool->free != NULL) {
        sw_piece *piece = pool->free;
        pool->free = piece->next;
        free(piece);
    }
    pool->count = 0;
}

/* --- appending --- */

static size_t memory_of(const sw_piece *piece)
{
    return sizeof(*piece) + (piece->is_frame ? piece->end : PIECE_ROOM);
}

static void append(sw_unsent *unsent, sw_piece *piece)
{
    unsent->held += memory_of(piece);
    piece->next = NULL;
    piece->messages = 0;
    *(unsent->last == NULL ? &unsent->first : &unsent->last->next) = piece;
    unsent->last = piece;
}

bool sw_unsent_add(sw_unsent *unsent, sw_piece_pool *pool, const void *data, size_t size)
{
    for (const uint8_t *at = data; size > 0;) {
        sw_piece *last = unsent->last;
        if (last == NULL || last->is_frame || last->end == PIECE_ROOM) {
            if ((last = take(pool)) == NULL)
                return false;
            last->begin = last->end = 0;
            append(unsent, last);
        }
        size_t part = PIECE_ROOM - last->end < size ? PIECE_ROOM - last->end : size;
        memcpy(last->bytes + last->end, at, part);
        last->end += part;
        unsent->bytes += part;
        at += part;
        size -= part;
    }
    return true;
}

bool sw_unsent_add_frame(sw_unsent *unsent, sw_piece_pool *pool, zmq_msg_t *frame)
{
    size_t size = zmq_msg_size(frame);
    if (size <= SW_UNSENT_COPIED)
        return sw_unsent_add(unsent, pool, zmq_msg_data(frame), size);
    sw_piece *piece = malloc(sizeof(*piece));
    if (piece == NULL)
        return false;
    zmq_msg_init(&piece->frame);
    zmq_msg_move(&piece->frame, frame);
    piece->is_frame = true;
    piece->data = zmq_msg_data(&piece->frame);
    piece->begin = 0;
    piece->end = size;
    unsent->bytes += size;
    append(unsent, piece);
    return true;
}

void sw_unsent_end_message(sw_unsent *unsent)
{
    unsent->messages++;
    if (unsent->last != NULL)
        unsent->last->messages++;
}

/* --- writing --- */

static void remove_first(sw_unsent *unsent, sw_piece_pool *pool)
{
    sw_piece *first = unsent->first;
    unsent->first = first->next;
    if (unsent->first == NULL)
        unsent->last = NULL;
    unsent->messages -= first->messages;
    unsent->held -= memory_of(first);
    give(pool, first);
}

static void written(sw_unsent *unsent, sw_piece_pool *pool, size_t size)
{
    unsent->bytes -= size;
    for (sw_piece *first; (first = unsent->first) != NULL;) {
        size_t part = first->end - first->begin < size ? first->end - first->begin : size;
        first->begin += part;
        size -= part;
        if (first->begin < first->end)
            break;
        remove_first(unsent, pool);
    }
}

int sw_unsent_write(sw_unsent *unsent, sw_piece_pool *pool, int fd)
{
    while (unsent->first != NULL) {
        struct iovec parts[PARTS_MAX];
        size_t count = 0;
        for (sw_piece *each = unsent->first; each != NULL && count < PARTS_MAX; each = each->next)
            parts[count++] = (struct iovec){each->data + each->begin, each->end - each->begin};
        const struct msghdr header = {.msg_iov = parts, .msg_iovlen = count};
        ssize_t size = sendmsg(fd, &header, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (size < 0 && errno != EINTR)
            return errno;
        if (size >= 0)
            written(unsent, pool, (size_t)size);
    }
    return 0;
}

void sw_unsent_clear(sw_unsent *unsent, sw_piece_pool *pool)
{
    while (unsent->first != NULL)
        remove_first(unsent, pool);
    *unsent = (sw_unsent){0};
}

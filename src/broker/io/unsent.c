/* Bytes not yet written (unsent.h). */
#include "broker/io/unsent.h"

#include <stdatomic.h>
#include <stdlib.h>

#define COUNTED_MIN 1024 /* bytes of a message; for smaller ones, the bound of their number is enough */

struct sw_unsent {
    atomic_size_t bytes;
    atomic_uint users; /* the peer, and each message on its way */
};

/* A message on its way, with its original largest frame. */
typedef struct sent_message {
    sw_unsent *unsent;
    size_t bytes;
    zmq_msg_t frame;
} sent_message;

static void release(sw_unsent *unsent)
{
    if (atomic_fetch_sub(&unsent->users, 1) == 1)
        free(unsent);
}

/* Called in ZeroMQ's I/O thread: the message was written, or dropped with its connection. */
static void written(void *data, void *hint)
{
    (void)data;
    sent_message *p = hint;
    atomic_fetch_sub(&p->unsent->bytes, p->bytes);
    release(p->unsent);
    zmq_msg_close(&p->frame);
    free(p);
}

static bool wrap(sw_unsent *unsent, size_t bytes, zmq_msg_t *frame)
{
    sent_message *p = malloc(sizeof(*p));
    if (p == NULL)
        return false;
    *p = (sent_message){.unsent = unsent, .bytes = bytes};
    zmq_msg_init(&p->frame);
    zmq_msg_move(&p->frame, frame);
    if (zmq_msg_init_data(frame, zmq_msg_data(&p->frame), zmq_msg_size(&p->frame), written, p) != 0) {
        zmq_msg_init(frame);
        zmq_msg_move(frame, &p->frame);
        free(p);
        return false;
    }
    atomic_fetch_add(&unsent->bytes, bytes);
    atomic_fetch_add(&unsent->users, 1);
    return true;
}

bool sw_unsent_count(sw_unsent **unsent, sw_message *message)
{
    size_t bytes = 0;
    int largest = 0;
    for (int i = 0; i < message->count; i++) {
        bytes += zmq_msg_size(&message->frames[i]);
        if (zmq_msg_size(&message->frames[i]) > zmq_msg_size(&message->frames[largest]))
            largest = i;
    }
    if (bytes < COUNTED_MIN)
        return true;
    if (*unsent == NULL && (*unsent = calloc(1, sizeof(**unsent))) != NULL)
        atomic_store(&(*unsent)->users, 1);
    return *unsent != NULL && wrap(*unsent, bytes, &message->frames[largest]);
}

size_t sw_unsent_bytes(const sw_unsent *unsent)
{
    return unsent == NULL ? 0 : atomic_load(&unsent->bytes);
}

void sw_unsent_release(sw_unsent **unsent)
{
    if (*unsent != NULL)
        release(*unsent);
    *unsent = NULL;
}

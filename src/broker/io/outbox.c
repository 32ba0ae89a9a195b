/* Batches, bounds and broken peers (outbox.h). */
#include "broker/io/outbox.h"

#include <errno.h>

static void mark_broken(sw_outbox *outbox, sw_peer *peer, int failure)
{
    if (peer->broken)
        return;
    if (failure != EPIPE) { /* it is still there, and must notice that something is missing */
        outbox->clients_cut_off += failure == EAGAIN && peer->side->is_frontend;
        sw_peer_cut(peer);
    }
    peer->broken = true;
    peer->next_broken = outbox->broken;
    outbox->broken = peer;
}

static bool send_now(sw_outbox *outbox, sw_peer *peer, sw_message *out, bool built)
{
    int failure = built ? sw_inbound_send(peer->session, out) : ENOMEM;
    if (failure == 0)
        return true;
    sw_message_close(out);
    mark_broken(outbox, peer, failure);
    return false;
}

static void send_batch(sw_outbox *outbox, sw_peer *peer)
{
    sw_message out;
    if (peer->batch.count == 0)
        return;
    bool built = sw_batch_take(&peer->batch, &out.frames[0]);
    out.count = built;
    sw_batch_clear(&peer->batch);
    send_now(outbox, peer, &out, built);
}

bool sw_outbox_send(sw_outbox *outbox, sw_peer *peer, sw_message *out, bool built)
{
    send_batch(outbox, peer);
    return send_now(outbox, peer, out, built);
}

uint8_t *sw_outbox_room(sw_peer *peer, size_t size)
{
    return peer->broken || size == 0 ? NULL : sw_batch_append(&peer->batch, size);
}

void sw_outbox_added(sw_outbox *outbox, sw_peer *peer)
{
    if (peer->batch.size > SW_BATCH_FULL) {
        send_batch(outbox, peer);
    } else if (!peer->waiting) {
        peer->waiting = true;
        peer->next_waiting = outbox->waiting;
        outbox->waiting = peer;
    }
}

void sw_outbox_flush(sw_outbox *outbox)
{
    for (sw_peer *peer; (peer = outbox->waiting) != NULL;) {
        outbox->waiting = peer->next_waiting;
        peer->waiting = false;
        send_batch(outbox, peer);
    }
}

sw_peer *sw_outbox_next_broken(sw_outbox *outbox)
{
    sw_peer *peer = outbox->broken;
    if (peer == NULL)
        return NULL;
    outbox->broken = peer->next_broken;
    peer->broken = false;
    return peer;
}

/* Peers and their connections (peer.h). */
#include "broker/io/peer.h"

#include <stdlib.h>

/* sw_waiter.decide: the verdict on a caller that waits to come in */
static void decide(sw_waiter *waiter, sw_admission admission)
{
    char *caller = (char *)waiter - offsetof(sw_caller, waiter);
    const sw_peer *peer = (const sw_peer *)(void *)(caller - offsetof(sw_peer, caller));
    sw_listener_decide(peer->session, admission);
}

sw_peer *sw_peer_new(sw_side *side, sw_inbound *session)
{
    sw_peer *peer = calloc(1, sizeof(*peer));
    if (peer == NULL)
        return NULL;
    peer->side = side;
    peer->session = session;
    peer->number = SW_NONE;
    peer->caller.waiter.decide = decide;
    peer->caller.is_network = side->is_network;
    peer->caller.is_curve = sw_inbound_key(session) != NULL;
    peer->caller.uid = sw_inbound_uid(session);
    if (peer->caller.is_curve)
        sw_key_to_text(sw_inbound_key(session), peer->caller.key);
    sw_inbound_set_user(session, peer);
    return peer;
}

void sw_peer_destroy(sw_peer **pointer)
{
    sw_peer *peer = *pointer;
    *pointer = NULL;
    if (peer == NULL)
        return;
    sw_waiter_leave(&peer->caller.waiter);
    sw_caller_detach(&peer->caller);
    sw_batch_clear(&peer->batch);
    free(peer);
}

void sw_peer_cut(sw_peer *peer)
{
    peer->cut = true;
    sw_inbound_end(peer->session);
}

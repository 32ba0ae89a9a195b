/* Messages and their peers (reader.h). */
#include "broker/io/reader.h"

#include "base/log.h"

sw_received *sw_reader_next(sw_broker *broker, sw_peer *peer)
{
    sw_received *received = sw_body_pool_take(&broker->pool);
    if (received == NULL) /* out of memory: the peer must notice that a message is missing */
        sw_peer_cut(peer);
    else if (sw_inbound_next(peer->session, &received->message) != SW_ARRIVAL_NONE)
        return received;
    sw_body_free(&broker->pool, received == NULL ? NULL : &received->body);
    return NULL;
}

void sw_reader_malformed(sw_broker *broker, sw_peer *peer, const char *why)
{
    char address[SW_ADDRESS_TEXT_SIZE];
    broker->malformed_frames++;
    if (peer->complained)
        return;
    peer->complained = true;
    sw_log_limited(SW_LOG_WARNING, "malformed message dropped", "side", peer->side->name, "address",
                   sw_inbound_address(peer->session, address), "reason", why, NULL);
}

/* Messages and their peers (reader.h). */
#include "broker/io/reader.h"

#include "base/log.h"
#include "broker/io/carry_out.h"
#include <stdio.h>

bool sw_reader_next(sw_broker *broker, sw_side *side, sw_received **received)
{
    *received = sw_body_pool_take(&broker->pool);
    if (*received == NULL || sw_message_recv(side->socket, &(*received)->message) == 0)
        return true;
    sw_body_free(&broker->pool, &(*received)->body);
    return false;
}

sw_peer *sw_reader_peer(sw_broker *broker, sw_side *side, sw_message *message)
{
    sw_peer *displaced, *peer;
    while ((peer = sw_side_peer(side, &message->frames[0], &message->frames[1], &displaced)) == NULL) {
        if (displaced == NULL)
            return NULL;
        sw_broker_lost(broker, displaced);
        sw_broker_flush(broker); /* before the peer's memory is reused */
        sw_side_forget(side, displaced);
    }
    return peer->cut ? NULL : peer;
}

void sw_reader_malformed(sw_broker *broker, sw_peer *peer, const char *why)
{
    char connection[16];
    broker->malformed_frames++;
    if (peer->complained)
        return;
    peer->complained = true;
    snprintf(connection, sizeof(connection), "%d", peer->fd);
    sw_log(SW_LOG_WARNING, "malformed message dropped", "side", peer->side->name, "connection", connection,
           "reason", why, NULL);
}

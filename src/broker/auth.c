/* Who calls. On ipc:// the file system guards the socket, and every caller is the configured local user;
 * CURVE keys will be looked up here. */
#include "broker/broker.h"

sw_view sw_broker_caller(const sw_broker *broker, const sw_peer *peer)
{
    (void)peer;
    return sw_view_of(broker->options->caller);
}

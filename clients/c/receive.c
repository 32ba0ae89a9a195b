/* Reading messages and finding their calls, see receive.h. */
#include "c/receive.h"
#include "c/outcome.h"
#include "wire/mdp.h"

#include <errno.h>
#include <string.h>

static void take_compact(sw_client *client, const sw_message *message, sw_view frame)
{
    sw_compact compact;
    if (!sw_compact_decode(frame.data, frame.size, &compact))
        return;
    if (compact.command != SW_COMPACT_PARTIAL && compact.command != SW_COMPACT_FINAL)
        return;
    if (message->count != (compact.payload_follows ? 2 : 1))
        return;
    sw_pending_call *call = sw_pending_find_tag(&client->calls, compact.tag);
    if (call == NULL)
        return;
    sw_view payload = compact.payload_follows ? sw_message_view(message, 1) : compact.payload;
    sw_outcome_reply(client, call, compact.command == SW_COMPACT_FINAL, compact.header, payload);
}

static void take_batch(sw_client *client, const sw_message *message)
{
    sw_view rest = sw_message_view(message, 0), frame;
    while (message->count == 1 && sw_batch_next(&rest, &frame))
        take_compact(client, message, frame);
}

static void take_mdp(sw_client *client, const sw_message *message)
{
    if (message->count < 4 || message->overflow)
        return;
    sw_view magic = sw_message_view(message, 0), command = sw_message_view(message, 1);
    sw_view service = sw_message_view(message, 2), header = sw_message_view(message, 3);
    if (!sw_view_equal(magic, SW_VIEW(SW_MDP_CLIENT)) || command.size != 1 ||
        (command.data[0] != SW_MDP_CLIENT_PARTIAL && command.data[0] != SW_MDP_CLIENT_FINAL))
        return;
    if (sw_view_equal(service, SW_VIEW(SW_MMI_FRAMING))) {
        client->sender.compact = sw_view_equal(header, SW_VIEW("200")) && message->count == 5 &&
                                 sw_view_equal(sw_message_view(message, 4), SW_VIEW(SW_COMPACT_NAME));
        return;
    }
    sw_reply_header reply;
    if (message->count != 5 || !sw_reply_header_decode(header.data, header.size, &reply))
        return;
    sw_pending_call *call = sw_pending_find_tag(&client->calls, reply.call_id);
    if (call != NULL)
        sw_outcome_reply(client, call, command.data[0] == SW_MDP_CLIENT_FINAL, header,
                         sw_message_view(message, 4));
}

int sw_client_receive(sw_client *client, int limit)
{
    for (int i = 0; i < limit; i++) {
        sw_message message;
        int error = client->link.dealer == NULL ? ENOTCONN : sw_dealer_recv(client->link.dealer, &message);
        if (error != 0) {
            /* the end: the descriptor may not report it again */
            client->link.unread = error == EPIPE;
            return i;
        }
        sw_link_heard(&client->link);
        sw_view first = sw_message_view(&message, 0);
        if (sw_batch_is(first))
            take_batch(client, &message);
        else if (sw_compact_is(first.data, first.size))
            take_compact(client, &message, first);
        else
            take_mdp(client, &message);
        sw_message_close(&message);
    }
    client->link.unread = true;
    return limit;
}

/* A broker for tests of clients. See fake_broker.h. */
#include "fake_broker.h"
#include "base/clock.h"
#include "wire/mdp.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void check(bool good, const char *what)
{
    if (good)
        return;
    fprintf(stderr, "fake broker: %s: %s\n", what, zmq_strerror(zmq_errno()));
    abort();
}

void fake_start(fake_broker *fake)
{
    const int zero = 0, one = 1;
    fake->socket = zmq_socket(fake->context, ZMQ_ROUTER);
    check(fake->socket != NULL, "socket");
    zmq_setsockopt(fake->socket, ZMQ_LINGER, &zero, sizeof(zero));
    zmq_setsockopt(fake->socket, ZMQ_SNDHWM, &zero, sizeof(zero));
    zmq_setsockopt(fake->socket, ZMQ_RCVHWM, &zero, sizeof(zero));
    zmq_setsockopt(fake->socket, ZMQ_ROUTER_MANDATORY, &one, sizeof(one));
    check(zmq_bind(fake->socket, fake->endpoint) == 0, "bind");
}

void fake_stop(fake_broker *fake)
{
    if (fake->socket != NULL) {
        /* Unbinding is done in the background: wait for it, so that the endpoint can be bound
         * again. */
        zmq_close(fake->socket);
        zmq_ctx_term(fake->context);
        fake->context = zmq_ctx_new();
    }
    fake->socket = NULL;
}

void fake_open(fake_broker *fake, fake_framing framing)
{
    *fake = (fake_broker){.context = zmq_ctx_new(), .framing = framing, .folder = "/tmp/sw-fake-XXXXXX"};
    check(mkdtemp(fake->folder) != NULL, "folder");
    snprintf(fake->endpoint, sizeof(fake->endpoint), "ipc://%s/broker", fake->folder);
    fake_start(fake);
}

void fake_close(fake_broker *fake)
{
    fake_stop(fake);
    zmq_ctx_term(fake->context);
    unlink(fake->endpoint + strlen("ipc://"));
    rmdir(fake->folder);
}

static void send_frame(fake_broker *fake, const void *data, size_t size, bool more)
{
    check(zmq_send(fake->socket, data, size, more ? ZMQ_SNDMORE : 0) >= 0, "send");
}

void fake_raw(fake_broker *fake, const fake_request *to, const sw_view *frames, int count)
{
    if (zmq_send(fake->socket, to->identity, to->identity_size, ZMQ_SNDMORE) < 0 && errno == EHOSTUNREACH)
        return; /* the client has gone */
    for (int i = 0; i < count; i++)
        send_frame(fake, frames[i].data, frames[i].size, i + 1 < count);
}

void fake_send(fake_broker *fake, const fake_request *to, bool final, const sw_reply_header *header,
               const void *payload, size_t size)
{
    uint8_t bytes[SW_HEADER_MAX];
    sw_reply_header mine = *header;
    mine.call_id = to->tag;
    sw_view encoded = {(char *)bytes, sw_reply_header_encode(&mine, bytes, sizeof(bytes))};
    if (!to->compact) {
        const char command = final ? SW_MDP_CLIENT_FINAL : SW_MDP_CLIENT_PARTIAL;
        const sw_view frames[] = {
            SW_VIEW(SW_MDP_CLIENT), {&command, 1}, sw_view_of(to->service), encoded, {payload, size}};
        fake_raw(fake, to, frames, 5);
        return;
    }
    sw_compact compact = {.command = final ? SW_COMPACT_FINAL : SW_COMPACT_PARTIAL,
                          .tag = to->tag,
                          .header = encoded,
                          .payload = {payload, size},
                          .payload_follows = size > SW_COMPACT_INLINE};
    if (compact.payload_follows)
        compact.payload = (sw_view){0};
    zmq_msg_t frame;
    check(sw_compact_encode(&compact, &frame), "encode");
    const sw_view frames[] = {{zmq_msg_data(&frame), zmq_msg_size(&frame)}, {payload, size}};
    fake_raw(fake, to, frames, compact.payload_follows ? 2 : 1);
    zmq_msg_close(&frame);
}

void fake_reply(fake_broker *fake, const fake_request *to, const void *payload, size_t size)
{
    fake_send(fake, to, true, &(sw_reply_header){0}, payload, size);
}

void fake_fail(fake_broker *fake, const fake_request *to, sw_code code, int may_have_run, int retry_ms)
{
    sw_reply_header header = {.code = code, .message = SW_VIEW("no")};
    if (may_have_run >= 0)
        header.details[header.detail_count++] =
            (sw_detail){.kind = SW_DETAIL_EXECUTION, .may_have_run = may_have_run > 0};
    if (retry_ms >= 0)
        header.details[header.detail_count++] =
            (sw_detail){.kind = SW_DETAIL_RETRY, .delay_ms = (uint32_t)retry_ms};
    fake_send(fake, to, true, &header, "", 0);
}

void fake_elsewhere(fake_broker *fake, const fake_request *to, sw_code code)
{
    sw_reply_header header = {.code = code, .message = SW_VIEW("no worker here"), .detail_count = 2};
    header.details[0] = (sw_detail){.kind = SW_DETAIL_EXECUTION};
    header.details[1] = (sw_detail){.kind = SW_DETAIL_ELSEWHERE};
    fake_send(fake, to, true, &header, "", 0);
}

static void answer_look(fake_broker *fake, const fake_request *request, sw_view service, sw_view name)
{
    const sw_view answer[] = {SW_VIEW(SW_MDP_CLIENT), SW_VIEW("\3"), service,
                              fake->lacks ? SW_VIEW("404") : SW_VIEW("200")};
    fake->looks++;
    snprintf(fake->looked_for, sizeof(fake->looked_for), "%.*s", (int)name.size, name.data);
    fake_raw(fake, request, answer, 4);
}

static bool take(fake_broker *fake, fake_request *request, const sw_message *message, sw_view first)
{
    sw_view identity = sw_message_view(message, 0), header, payload;
    memcpy(request->identity, identity.data, identity.size);
    request->identity_size = identity.size;
    request->compact = sw_compact_is(first.data, first.size);
    if (request->compact) {
        sw_compact compact;
        check(sw_compact_decode(first.data, first.size, &compact), "compact frame");
        header = compact.header;
        payload = compact.payload_follows ? sw_message_view(message, 2) : compact.payload;
        static const uint8_t commands[] = {[SW_COMPACT_REQUEST] = SW_MDP_CLIENT_REQUEST,
                                           [SW_COMPACT_CANCEL] = SW_MDP_CLIENT_CANCEL,
                                           [SW_COMPACT_CREDIT] = SW_MDP_CLIENT_CREDIT};
        request->command = commands[compact.command];
        request->tag = compact.tag;
    } else {
        sw_view service = sw_message_view(message, 3);
        check(sw_view_equal(first, SW_VIEW(SW_MDP_CLIENT)), "MDP frame");
        snprintf(request->service, sizeof(request->service), "%.*s", (int)service.size, service.data);
        if (strcmp(request->service, SW_MMI_FRAMING) == 0) {
            const sw_view answer[] = {SW_VIEW(SW_MDP_CLIENT), SW_VIEW("\3"), service,
                                      fake->framing == FAKE_COMPACT ? SW_VIEW("200") : SW_VIEW("501"),
                                      SW_VIEW(SW_COMPACT_NAME)};
            fake->asked++;
            if (fake->framing != FAKE_SILENT)
                fake_raw(fake, request, answer, fake->framing == FAKE_COMPACT ? 5 : 4);
            return false;
        }
        if (strcmp(request->service, SW_MMI_SERVICE) == 0) {
            answer_look(fake, request, service, sw_message_view(message, 4));
            return false;
        }
        request->command = (uint8_t)sw_message_view(message, 2).data[0];
        header = sw_message_view(message, 4);
        payload = sw_message_view(message, 5);
    }
    check(header.size <= sizeof(request->bytes) && payload.size <= sizeof(request->payload), "size");
    if (header.size > 0)
        memcpy(request->bytes, header.data, header.size);
    check(sw_call_header_decode(request->bytes, header.size, &request->header), "header");
    if (!request->compact)
        request->tag = request->header.call_id;
    request->payload_size = payload.size;
    if (payload.size > 0)
        memcpy(request->payload, payload.data, payload.size);
    return true;
}

bool fake_next(fake_broker *fake, sw_client *client, fake_request *request, int timeout_ms)
{
    int64_t end = sw_now_ms() + timeout_ms;
    do {
        sw_message message;
        sw_view one;
        if (sw_batch_next(&fake->rest, &one))
            return take(fake, request, &fake->held, one);
        sw_message_close(&fake->held);
        if (client != NULL)
            sw_client_process(client, 0);
        zmq_pollitem_t item = {.socket = fake->socket, .events = ZMQ_POLLIN};
        if (zmq_poll(&item, 1, 2) <= 0 || sw_message_recv(fake->socket, &message) != 0)
            continue;
        if (sw_batch_is(sw_message_view(&message, 1))) {
            fake->held = message;
            fake->rest = sw_message_view(&fake->held, 1);
            continue;
        }
        bool taken = take(fake, request, &message, sw_message_view(&message, 1));
        sw_message_close(&message);
        if (taken)
            return true;
    } while (sw_now_ms() < end);
    return false;
}

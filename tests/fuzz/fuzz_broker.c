/* Whole messages as a hostile peer could send them, to a broker with its frontend and backend in
 * one process. The input is a script. Each message begins with a byte: bit 0 means a worker, bit 1
 * another peer, and bits 2 to 4 are the number of frames minus one. Each frame is a two-byte length
 * and that many bytes; the length 0xffff stands for the route of the last call handed over. */
#include "broker/io/state.h"

#include "base/clock.h"
#include "base/log.h"
#include "net/zmtp.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

static sw_broker_options options;
static char frontend[64], backend[64];

/* One broker for all inputs, so that each meets the state that earlier ones left. */
static sw_broker *broker_of_run(void)
{
    static sw_broker *broker;
    static sw_loop *loop;
    char folder[] = "/tmp/sw-fuzz-XXXXXX";
    if (broker != NULL)
        return broker;
    sw_log_open("fuzz", SW_LOG_ERROR, false);
    if (mkdtemp(folder) == NULL)
        abort();
    snprintf(frontend, sizeof(frontend), "ipc://%s/f", folder);
    snprintf(backend, sizeof(backend), "ipc://%s/b", folder);
    options = (sw_broker_options){.core = sw_core_defaults,
                                  .frontend = frontend,
                                  .backend = backend,
                                  .message_max = 1 << 20,
                                  .replies_max = 100,
                                  .replies_bytes = 100000,
                                  .connection_bytes = 1 << 20,
                                  .handshake_ms = 5000,
                                  .drain_ms = 1000};
    options.core.service_calls = options.core.client_calls = 64;
    loop = sw_loop_new();
    sw_error error = {0};
    if (loop == NULL || sw_broker_new(loop, &options, &broker, &error) != SW_OK)
        abort();
    return broker;
}

static void turn(sw_broker *broker)
{
    sw_error error;
    sw_loop_once(broker->loop, 0, &error);
}

/* A peer, connected again when the broker has cut it off. */
static sw_zmtp *peer_of(sw_broker *broker, int who)
{
    static sw_zmtp *peers[4];
    int fds[2];
    if (peers[who] != NULL && sw_zmtp_work(peers[who]) > SW_ZMTP_UP)
        sw_zmtp_close(&peers[who], 0);
    if (peers[who] == NULL) {
        if (socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
            abort();
        sw_listener_adopt(broker->sides[who & 1 ? 0 : 2].listener, fds[1]);
        peers[who] = sw_zmtp_adopt(fds[0], 1 << 20, 1 << 20);
        for (int i = 0; i < 10 && sw_zmtp_work(peers[who]) == SW_ZMTP_CONNECTING; i++)
            turn(broker);
    }
    return peers[who];
}

/* Reads what the broker sends and keeps the last route. */
static void listen_to(sw_broker *broker, uint8_t route[8], size_t *route_size)
{
    for (int who = 0; who < 4; who++) {
        sw_message message;
        while (sw_zmtp_recv(peer_of(broker, who), &message) == 0) {
            sw_view first = sw_message_view(&message, 0), address = sw_message_view(&message, 2);
            sw_compact compact;
            if (sw_compact_decode(first.data, first.size, &compact) &&
                compact.command == SW_COMPACT_REQUEST) {
                memcpy(route, first.data + 16, 8);
                *route_size = 8;
            } else if (message.count > 4 && address.size == 8) {
                memcpy(route, address.data, 8);
                *route_size = 8;
            }
            sw_message_close(&message);
        }
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sw_broker *broker = broker_of_run();
    uint8_t route[8] = {0};
    size_t route_size = 0;
    const uint8_t *at = data, *end = data + size;
    while (at < end) {
        int who = *at & 3, frames = (*at >> 2 & 7) + 1;
        sw_zmtp *peer = peer_of(broker, who);
        sw_message message = {.count = 0};
        at++;
        for (int i = 0; i < frames; i++) {
            size_t length = end - at >= 2 ? (size_t)at[0] << 8 | at[1] : 0;
            at += end - at >= 2 ? 2 : end - at;
            if (length == 0xffff) {
                sw_message_add(&message, route, route_size);
                continue;
            }
            if (length > (size_t)(end - at))
                length = (size_t)(end - at);
            sw_message_add(&message, at, length);
            at += length;
        }
        sw_zmtp_send(peer, &message);
        sw_message_close(&message);
        turn(broker);
        listen_to(broker, route, &route_size);
    }
    return 0;
}

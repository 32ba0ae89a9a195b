/* What a stranger may send to a listener: from the greeting on, or behind a good greeting, or
 * behind a whole handshake, to a ROUTER or an XPUB, with NULL, CURVE or both. Messages keep to the
 * bound, nothing comes behind a violation, and nothing stays in a holding. */
#include "listen/state.h"

#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#define MESSAGE_MAX 4096
#define SIZE_MOST   65536 /* fits a socket, so that nobody waits */

static sw_admission admit(void *context, sw_inbound *session)
{
    (void)context;
    (void)session;
    return SW_ADMISSION_GOOD;
}

static void on_read(void *context, sw_inbound *session)
{
    (void)context;
    sw_message message;
    while (sw_inbound_next(session, &message) != SW_ARRIVAL_NONE) {
        size_t size = 0;
        for (int i = 0; i < message.count; i++)
            size += sw_message_view(&message, i).size;
        if (size > MESSAGE_MAX)
            abort();
        sw_inbound_send(session, &message);
        sw_message_close(&message);
    }
}

static void on_lost(void *context, sw_inbound *session)
{
    (void)context;
    (void)session;
}

static sw_listeners *all;
static sw_loop *loop;
static sw_listener *listeners[8];

static void open_listeners(void)
{
    static const uint8_t secret_key[32] = {1, 2, 3};
    const sw_listener_owner owner = {NULL, admit, on_read, on_lost, NULL};
    sw_listeners_options options = {.handshake_ms = 100000, .connection_bytes = 100000};
    signal(SIGPIPE, SIG_IGN); /* the listener hangs up on malformed bytes while they are written */
    sw_listen_limits_derive(&options.limits, 1000, 100, 100);
    loop = sw_loop_new();
    all = loop == NULL ? NULL : sw_listeners_new(loop, &options);
    for (int i = 0; i < 8 && all != NULL; i++) {
        const sw_listener_options o = {.type = i & 1 ? SW_SOCKET_XPUB : SW_SOCKET_ROUTER,
                                       .secret_key = i & 6 ? secret_key : NULL,
                                       .allows_null = i & 4,
                                       .share = SW_SHARE_LOCAL,
                                       .message_max = MESSAGE_MAX,
                                       .unsent_bytes = 10000,
                                       .unsent_messages = 100,
                                       .counts_unsent = true};
        listeners[i] = sw_listener_new(all, &o, &owner);
        if (listeners[i] == NULL)
            abort();
    }
    if (all == NULL)
        abort();
}

static void turn(void)
{
    sw_error error;
    sw_loop_once(loop, 0, &error);
    sw_listeners_flush(all);
    sw_listeners_reap(all);
}

static void shake(int fd, uint8_t mode)
{
    char greeting[64] = "\xff\0\0\0\0\0\0\0\0\x7f\3\1NULL";
    static const char router[] = "\4\x1c\5READY\13Socket-Type\0\0\0\6DEALER";
    static const char publisher[] = "\4\x19\5READY\13Socket-Type\0\0\0\3SUB";
    if (mode & 2)
        memcpy(greeting + 12, "CURVE", 5);
    (void)!write(fd, greeting, sizeof(greeting));
    if ((mode & 2) == 0 && (mode & 8) != 0)
        (void)!write(fd, mode & 1 ? publisher : router,
                     mode & 1 ? sizeof(publisher) - 1 : sizeof(router) - 1);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    if (size == 0 || size > SIZE_MOST ||
        socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds) != 0)
        return 0;
    if (all == NULL)
        open_listeners();
    sw_listener_adopt(listeners[(data[0] & 3) | (data[0] >> 2 & 4)], fds[1]);
    if (data[0] & 4)
        shake(fds[0], data[0]);
    size_t half = 1 + (size - 1) / 2; /* in two parts, so that frames are cut */
    (void)!write(fds[0], data + 1, half - 1);
    turn();
    (void)!write(fds[0], data + half, size - half);
    for (int i = 0; i < 3; i++)
        turn();
    close(fds[0]);
    for (int i = 0; i < 3; i++)
        turn();
    if (all->holdings.slab.used != 0 || all->open[SW_SHARE_LOCAL] != 0)
        abort();
    return 0;
}

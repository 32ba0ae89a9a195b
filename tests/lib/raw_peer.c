/* raw_peer.h */
#include "raw_peer.h"

#include "listen/frame_reader.h"
#include <errno.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

#include <cmocka.h>

int raw_connect(sw_listener *listener)
{
    int fds[2];
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), 0);
    sw_listener_adopt(listener, fds[1]);
    return fds[0];
}

size_t raw_write(int fd, const void *bytes, size_t size)
{
    ssize_t written = send(fd, bytes, size, MSG_NOSIGNAL);
    return written < 0 ? 0 : (size_t)written;
}

void raw_frame(int fd, int flags, const void *data, size_t size)
{
    uint8_t head[SW_FRAME_HEAD_MAX] = {(uint8_t)flags, (uint8_t)size};
    if (size > UINT8_MAX) {
        head[0] |= SW_FRAME_LONG;
        for (int i = 0; i < 8; i++)
            head[1 + i] = (uint8_t)((uint64_t)size >> (56 - 8 * i));
    }
    raw_write(fd, head, size > UINT8_MAX ? 9 : 2);
    raw_write(fd, data, size);
}

void raw_shake(int fd, const char *type)
{
    static const uint8_t greeting[64] = {0xff, [9] = 0x7f, [10] = 3, [11] = 1, 'N', 'U', 'L', 'L'};
    char ready[64];
    int size =
        snprintf(ready, sizeof(ready), "\5READY\13Socket-Type%c%c%c%c%s", 0, 0, 0, (int)strlen(type), type);
    raw_write(fd, greeting, sizeof(greeting));
    raw_frame(fd, SW_FRAME_COMMAND, ready, (size_t)size);
}

void raw_subscribe(int fd, const char *topic)
{
    char command[600];
    int size = snprintf(command, sizeof(command), "\11SUBSCRIBE%s", topic);
    raw_frame(fd, SW_FRAME_COMMAND, command, (size_t)size);
}

ssize_t raw_read(int fd, void *bytes, size_t room)
{
    ssize_t size = recv(fd, bytes, room, 0);
    if (size > 0)
        return size;
    return size < 0 && errno == EAGAIN ? 0 : -1;
}

bool raw_is_closed(int fd)
{
    char bytes[4096];
    ssize_t size;
    while ((size = raw_read(fd, bytes, sizeof(bytes))) > 0)
        continue;
    return size < 0;
}

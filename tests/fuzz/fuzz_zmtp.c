/* What a peer may send to a ZMTP connection, from the greeting on or behind a good handshake:
 * frames keep to the bound, and nothing comes behind a violation. */
#include "net/zmtp.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define MESSAGE_MAX 4096
#define SIZE_MOST   65536 /* fits a socket, so that nobody waits */

static const char hello[64 + 30] = "\xff\0\0\0\0\0\0\0\0\x7f\3\1NULL";
static const char ready[30] = "\4\x1c\5READY\13Socket-Type\0\0\0\6ROUTER";

static void receive_all(sw_zmtp *zmtp)
{
    sw_message message;
    int error;
    do {
        sw_zmtp_work(zmtp);
        while ((error = sw_zmtp_recv(zmtp, &message)) == 0) {
            for (int i = 0; i < message.count; i++)
                if (sw_message_view(&message, i).size > MESSAGE_MAX)
                    abort();
            sw_message_close(&message);
        }
    } while (error == EAGAIN && sw_zmtp_now(zmtp) <= SW_ZMTP_UP);
    if (sw_zmtp_recv(zmtp, &message) == 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    int fds[2];
    if (size == 0 || size > SIZE_MOST || socketpair(AF_UNIX, SOCK_STREAM, 0, fds) != 0)
        return 0;
    sw_zmtp *zmtp = sw_zmtp_adopt(fds[1], MESSAGE_MAX, 1000);
    if (zmtp == NULL)
        abort();
    if (data[0] & 1) {
        char shake[sizeof(hello)];
        memcpy(shake, hello, sizeof(hello));
        memcpy(shake + 64, ready, sizeof(ready));
        (void)!write(fds[0], shake, sizeof(shake));
    }
    (void)!write(fds[0], data + 1, size - 1);
    shutdown(fds[0], SHUT_WR);
    receive_all(zmtp);
    sw_zmtp_close(&zmtp, 0);
    close(fds[0]);
    return 0;
}

/* zmtp_test.h */
#include "zmtp_test.h"

#include <errno.h>
#include <poll.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>

#include <cmocka.h>

void zmtp_wait(const sw_zmtp *zmtp)
{
    struct pollfd item = {.fd = sw_zmtp_fd(zmtp), .events = sw_zmtp_wants(zmtp)};
    assert_true(poll(&item, 1, PATIENCE_MS) > 0);
}

sw_zmtp_state zmtp_decided(sw_zmtp *zmtp)
{
    while (sw_zmtp_work(zmtp) == SW_ZMTP_CONNECTING)
        zmtp_wait(zmtp);
    return sw_zmtp_now(zmtp);
}

int zmtp_receive(sw_zmtp *zmtp, sw_message *message)
{
    int error;
    sw_zmtp_work(zmtp);
    while ((error = sw_zmtp_recv(zmtp, message)) == EAGAIN) {
        zmtp_wait(zmtp);
        sw_zmtp_work(zmtp);
    }
    return error;
}

void zmtp_add_pattern(sw_message *message, size_t size, int seed)
{
    uint8_t *bytes = malloc(size + 1);
    for (size_t i = 0; i < size; i++)
        bytes[i] = (uint8_t)((size_t)seed + i * 7 + i / 251);
    assert_true(sw_message_add(message, bytes, size));
    free(bytes);
}

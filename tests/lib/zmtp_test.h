/* What tests of a ZMTP connection share: waiting for it, and messages of a pattern. */
#ifndef SW_TEST_ZMTP_TEST_H
#define SW_TEST_ZMTP_TEST_H

#include "net/zmtp.h"

#define PATIENCE_MS 10000

/* Until its descriptor is ready; fails after PATIENCE_MS. */
void zmtp_wait(const sw_zmtp *zmtp);
/* The state after SW_ZMTP_CONNECTING. */
sw_zmtp_state zmtp_decided(sw_zmtp *zmtp);
/* The next message: 0 or EPIPE. */
int zmtp_receive(sw_zmtp *zmtp, sw_message *message);
/* A frame of `size` bytes that differ from those of another seed. */
void zmtp_add_pattern(sw_message *message, size_t size, int seed);

#endif

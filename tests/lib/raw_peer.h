/* A peer that speaks ZMTP byte by byte, over a socket pair to a listener of ours: for what a good
 * library never sends, and for tests that must not wait for another thread. */
#ifndef SW_TEST_RAW_PEER_H
#define SW_TEST_RAW_PEER_H

#include "listen/listener.h"

/* Connects; the result is our end, which never blocks and is the caller's to close. */
int raw_connect(sw_listener *listener);
/* Writes bytes as far as the socket takes them; returns how many. */
size_t raw_write(int fd, const void *bytes, size_t size);
/* The greeting and the READY of a peer without encryption: "DEALER", "SUB". */
void raw_shake(int fd, const char *type);
/* A frame: flags as in frame_reader.h, except LONG, which follows from the size. */
void raw_frame(int fd, int flags, const void *data, size_t size);
void raw_subscribe(int fd, const char *topic);
/* Reads what has come, at most `room` bytes; 0: nothing. -1: the other end closed the
 * connection. */
ssize_t raw_read(int fd, void *bytes, size_t room);
/* Whether the other end has closed; drops what has come. */
bool raw_is_closed(int fd);

#endif

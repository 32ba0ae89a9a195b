/* Listening sockets for endpoints as ZeroMQ writes them. Used by listener.c. */
#ifndef SW_LISTEN_BIND_H
#define SW_LISTEN_BIND_H

#include <sitewire/status.h>
#include <stdbool.h>

#define SW_ENDPOINT_SIZE 256 /* bytes of an endpoint, with NUL */

bool sw_endpoint_is_network(const char *endpoint);
/* Binds tcp://HOST:PORT or ipc://PATH and listens. HOST is a numeric address, an interface, or *
 * for all IPv4 addresses; PORT may be * for any. A socket file that a dead process left is
 * replaced.
 * is_guarded: whatever the umask, the socket file is not open to everybody. `bound` gets the
 * endpoint with the port. ALREADY_EXISTS if another process uses it, INVALID_ARGUMENT. */
sw_code sw_listen_at(const char *endpoint, bool is_guarded, int *fd, char bound[SW_ENDPOINT_SIZE],
                     sw_error *error);
/* Closes the socket and removes its file. */
void sw_listen_close(int fd, const char *bound);

#endif

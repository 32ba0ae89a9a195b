/* The properties that peers exchange at the end of a handshake (ZeroMQ RFC 37, "metadata"), and
 * which types of socket belong together. Pure. Used by session.c. */
#ifndef SW_LISTEN_METADATA_H
#define SW_LISTEN_METADATA_H

#include "base/view.h"
#include <stdbool.h>
#include <stdint.h>

/* The Identity of a peer that tries again after an ERROR begins with this. */
#define SW_READS_ERRORS "sitewire-"

typedef enum { SW_SOCKET_ROUTER, SW_SOCKET_XPUB, SW_SOCKET_XSUB } sw_socket_type;

#define SW_METADATA_SIZE 32 /* bytes of our own, at most */

/* Whether a peer with these properties may speak to a socket of ours: its Socket-Type is one that
 * the RFC allows. False also if they are malformed. *reads_errors: its Identity says that it tries
 * again after an ERROR, which libzmq by itself does not. */
bool sw_metadata_accepts(sw_socket_type own, sw_view metadata, bool *reads_errors);
/* Writes our properties and returns their size. */
size_t sw_metadata_write(sw_socket_type own, uint8_t to[SW_METADATA_SIZE]);

#endif

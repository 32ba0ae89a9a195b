/* Secrets on their way between a client and the service: sealed boxes of libsodium. Clients seal
 * for a key pair that is derived from a master key, so that all instances with the same file of
 * master keys have the same pair. Used by secret.c. */
#ifndef SW_SERVICE_TRANSIT_H
#define SW_SERVICE_TRANSIT_H

#include "base/arena.h"
#include "base/keyring.h"
#include "net/keyfile.h"
#include <sitewire/status.h>

/* The public half of the pair, Z85. */
void sw_transit_public_key(const sw_master_key *key, char text[SW_KEY_SIZE]);

/* Opens a box that a client has sealed for the pair of this master key. *content is in the arena,
 * which should be one that is wiped. INVALID_ARGUMENT if it is too large, sealed for another key or
 * damaged; RESOURCE_EXHAUSTED when out of memory. */
sw_code sw_transit_open(const sw_master_key *key, const ProtobufCBinaryData *sealed, sw_arena *arena,
                        ProtobufCBinaryData *content, sw_error *error);

/* Seals a text for the reader's public key (Z85), into the arena. INVALID_ARGUMENT if it is no key,
 * or one that nobody can hold; RESOURCE_EXHAUSTED when out of memory. */
sw_code sw_transit_seal(const char *reader, const char *text, sw_arena *arena, ProtobufCBinaryData *sealed,
                        sw_error *error);

#endif

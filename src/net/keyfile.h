/* Key files of CURVE: one key pair each, and the broker it trusts. This reader serves libsitewire
 * and every program; src/cert makes the files. A key file is a secret certificate as CZMQ and pyzmq
 * write them (ZeroMQ RFC 4/ZPL); docs/protocol.md has the format. Thread-safe. */
#ifndef SW_NET_KEYFILE_H
#define SW_NET_KEYFILE_H

#include <sitewire/status.h>
#include <stddef.h>
#include <stdint.h>

#define SW_KEY_SIZE          41 /* Z85 of 32 bytes, and NUL */
#define SW_KEY_LABEL_SIZE    129
#define SW_KEY_SERVICES_SIZE 1025

/* Texts are NUL-terminated; empty where the file has none. Holds a secret: sw_key_file_wipe when it
 * is done with. */
typedef struct sw_key_file {
    char public_key[SW_KEY_SIZE], secret_key[SW_KEY_SIZE];
    char server_key[SW_KEY_SIZE]; /* the broker's public key; the broker's own file has none */
    char label[SW_KEY_LABEL_SIZE];
    char services[SW_KEY_SERVICES_SIZE]; /* of a service's key: the names that it may offer */
} sw_key_file;

/* Reads a certificate, or a file of `name = "value"` lines as sitewire 0.1 wrote them. NOT_FOUND if
 * the file is absent. FAILED_PRECONDITION with the remedy if others can read it (its mode must be
 * 0600 or 0400 and its owner this user), or if it is not a key file. */
sw_code sw_key_file_read(const char *path, sw_key_file *file, sw_error *error);
void sw_key_file_wipe(sw_key_file *file);

/* Whether a text is a key: 40 characters of Z85. */
bool sw_key_is_valid(const char *text);
/* 32 bytes of a text; false if it is no key. */
bool sw_key_from_text(const char *text, uint8_t bytes[32]);
/* 32 bytes as text. */
void sw_key_to_text(const void *bytes, char text[SW_KEY_SIZE]);

/* Turns CURVE on before the socket connects or binds: as a client with a server_key, or as a server
 * whose ZAP requests carry `domain`. While nobody handles those, libzmq lets everybody in: the
 * handler comes first and leaves last. False if libzmq does not take it. */
bool sw_key_use_as_client(void *socket, const sw_key_file *file);
bool sw_key_use_as_server(void *socket, const sw_key_file *file, const char *domain);

#endif

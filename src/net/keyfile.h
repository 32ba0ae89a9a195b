/* Key files of CURVE: one key pair each, and the broker it trusts. This reader serves libsitewire
 * and every program; src/cert makes the files. A key file is a secret certificate as CZMQ and pyzmq
 * write them (ZeroMQ RFC 4/ZPL); docs/protocol.md has the format. Thread-safe. */
#ifndef SW_NET_KEYFILE_H
#define SW_NET_KEYFILE_H

#include <sitewire/status.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define SW_KEY_SIZE          41 /* Z85 of 32 bytes, and NUL */
#define SW_KEY_LABEL_SIZE    129
#define SW_KEY_SERVICES_SIZE 1025

/* Texts are NUL-terminated; empty where the file has none. Holds a secret: sw_key_file_wipe when it
 * is done with. */
typedef struct sw_key_file {
    char public_key[SW_KEY_SIZE], secret_key[SW_KEY_SIZE];
    char server_key[SW_KEY_SIZE];      /* the broker's public key; the broker's own file has none */
    char next_server_key[SW_KEY_SIZE]; /* trusted, too, while brokers change their key; usually "" */
    char label[SW_KEY_LABEL_SIZE];
    char services[SW_KEY_SERVICES_SIZE]; /* of a service's key: the names that it may offer */
} sw_key_file;

/* Reads a certificate, or a file of `name = "value"` lines as sitewire 0.1 wrote them. NOT_FOUND if
 * the file is absent. FAILED_PRECONDITION with the remedy if others can read it (its mode must be
 * 0600 or 0400 and its owner this user), or if it is not a key file. */
sw_code sw_key_file_read(const char *path, sw_key_file *file, sw_error *error);
void sw_key_file_wipe(sw_key_file *file);
/* Reads the file of a client again. True if it has another key pair by now, or trusts other broker
 * keys: `file` is then replaced. A file that cannot be used changes nothing. */
bool sw_key_file_refresh(const char *path, sw_key_file *file);

/* What tells a file from the one that replaced it. All zeros is no file. */
typedef struct sw_file_stamp {
    uint64_t inode, size;
    int64_t seconds, nanoseconds; /* of its last change */
} sw_file_stamp;

/* Whether there is another file at the path than at the last call with this stamp. One system
 * call. */
bool sw_file_stamp_changed(const char *path, sw_file_stamp *stamp);

/* Which of the two broker keys of a file a connection uses: it stays with the one that worked. All
 * zeros is the first one. */
typedef struct sw_server_choice {
    bool is_double; /* the file has two */
    bool second;
    bool tried; /* the other one was tried, too, since the last success */
} sw_server_choice;

/* A broker hung up in the handshake, as it does with clients that trust another key: the next
 * attempt uses the other key. True if that may be tried at once; false if the file has one key
 * only, or both have failed. */
bool sw_server_choice_failed(sw_server_choice *choice);
/* The handshake succeeded. */
void sw_server_choice_worked(sw_server_choice *choice);

/* Whether a text is a key: 40 characters of Z85. */
bool sw_key_is_valid(const char *text);
/* 32 bytes of a text; false if it is no key. */
bool sw_key_from_text(const char *text, uint8_t bytes[32]);
/* 32 bytes as text. */
void sw_key_to_text(const void *bytes, char text[SW_KEY_SIZE]);

/* The broker key of a file that a connection uses; NULL stands for the first choice. */
const char *sw_key_server(const sw_key_file *file, sw_server_choice *choice);

/* Turns CURVE on before the socket connects or binds: as a client of the chosen broker key (NULL:
 * the first), or as a server
 * whose ZAP requests carry `domain`. While nobody handles those, libzmq lets everybody in: the
 * handler comes first and leaves last. False if libzmq does not take it. */
bool sw_key_use_as_client(void *socket, const sw_key_file *file, sw_server_choice *choice);
bool sw_key_use_as_server(void *socket, const sw_key_file *file, const char *domain);

#endif

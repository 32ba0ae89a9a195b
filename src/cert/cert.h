/* Makes key files: CURVE certificates, by CZMQ's zcert. Used by programs that make keys. Not part
 * of libsitewire, because CZMQ keeps global state. net/keyfile.h reads what is made here. */
#ifndef SW_CERT_CERT_H
#define SW_CERT_CERT_H

#include "net/keyfile.h"
#include <sitewire/status.h>

/* A new key pair; the other fields are empty. The public key never begins with `-`, as it is a word
 * of command lines. Wipe it with sw_key_file_wipe. INTERNAL if libzmq has
 * no CURVE. */
sw_code sw_cert_make(sw_key_file *key, sw_error *error);

/* Writes a secret certificate with mode 0600: whole, or not at all. ALREADY_EXISTS if there is a
 * file: no key is ever overwritten. INVALID_ARGUMENT if a text has a quote or a control
 * character. */
sw_code sw_cert_write(const char *path, const sw_key_file *key, sw_error *error);

/* Writes a public certificate: public key, label and services, for anybody to read (mode 0644).
 * Otherwise like sw_cert_write. */
sw_code sw_cert_write_public(const char *path, const sw_key_file *key, sw_error *error);

#endif

/* A folder of public certificates: the keys that may serve, and which services. Read by CZMQ's
 * zcert. Used by the broker. A certificate that is added, replaced or removed counts at the
 * next look-up. One thread. */
#ifndef SW_CERT_CERT_STORE_H
#define SW_CERT_CERT_STORE_H

#include <sitewire/status.h>
#include <stdbool.h>

typedef struct sw_cert_store sw_cert_store;

/* Opens a folder. FAILED_PRECONDITION with the remedy if it is not a folder, if anyone but this
 * user and root can write it or one of its files, if one of its files is not a certificate, or if
 * it has more than 1,024 files; RESOURCE_EXHAUSTED without memory. *store is then NULL. Files whose
 * names begin with a dot do not count. */
sw_code sw_cert_store_new(const char *folder, sw_cert_store **store, sw_error *error);
void sw_cert_store_destroy(sw_cert_store **store);

/* OK if a certificate has the public key (Z85). NOT_FOUND if none has. FAILED_PRECONDITION if
 * others can write there by now: then no key is good. A file that is no certificate by now is
 * passed over. */
sw_code sw_cert_store_find(sw_cert_store *store, const char *public_key, sw_error *error);

/* Whether the folder has changed since the last call: then look up again whatever must still hold.
 * True at the first call. False while the folder cannot be read: nothing is known then. */
bool sw_cert_store_changed(sw_cert_store *store);

/* The names of services in the certificate with that key, from its metadata `services`, separated
 * by spaces or commas; "" if it names none, or there is no such certificate. As of the last
 * look-up; valid until the next. */
const char *sw_cert_store_services(sw_cert_store *store, const char *public_key);

#endif

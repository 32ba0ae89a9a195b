/* Checks the private key of a certificate. Used by secret.c. */
#ifndef SW_SERVICE_PRIVATE_KEY_H
#define SW_SERVICE_PRIVATE_KEY_H

#include <sitewire/status.h>

/* `pem` is the private key. It must belong to the certificate or, if that is empty, to the request;
 * both may be empty or NULL. INVALID_ARGUMENT says what is wrong with it; FAILED_PRECONDITION: it
 * belongs to another certificate. */
sw_code sw_private_key_check(const char *pem, const char *certificate, const char *csr, sw_error *error);

#endif

/* libsitewire: secrets, which travel sealed. These functions seal and open them, so that no program
 * needs to. The conventions are those of <sitewire/client.h>; both functions are synchronous calls.
 *
 * The library wipes every copy of a secret that it makes. The caller wipes its own. */
#ifndef SITEWIRE_SECRET_H
#define SITEWIRE_SECRET_H

#include <sitewire/client.h>

#pragma GCC visibility push(default)
#ifdef __cplusplus
extern "C" {
#endif

/* These types are in <sitewire/referential.h>. */
struct Sw__SetSecretRequest;
struct Sw__ReadSecretRequest;
struct Sw__Secret;

/* Sets the secret of the row that `request` names. Its fields sealed_value and key_id are ignored:
 * the library gets the service's key with GetSealingKey, seals `size` bytes of `value`, and calls
 * SetSecret. It does so again, at most three times, if the master key changes in between. *stored
 * (or NULL) gets what is known about the secret; the caller frees it with
 * sw__secret__free_unpacked(*stored, NULL). `options` are those of SetSecret; the deadline covers
 * all. Fails as sw_client_call does; INVALID_ARGUMENT also if the value is too long or not text. */
sw_code sw_client_set_secret(sw_client *client, const struct Sw__SetSecretRequest *request, const void *value,
                             size_t size, const sw_call_options *options, struct Sw__Secret **stored,
                             sw_error *error);

/* Reads the secret of the row that `request` names. Its field seal_to is ignored: the reply is
 * sealed for the client's key or, if it has none, for a pair that is made for this call. *value is
 * NUL-terminated and malloc'ed for the caller, who gives it to sw_client_drop_secret; NULL on
 * failure. *size (or NULL) is its length without the NUL. Fails as sw_client_call does; DATA_LOSS
 * if the reply was not sealed for that key. */
sw_code sw_client_read_secret(sw_client *client, const struct Sw__ReadSecretRequest *request,
                              const sw_call_options *options, char **value, size_t *size, sw_error *error);

/* Wipes and frees a secret of sw_client_read_secret, and nulls the pointer. NULL is fine. */
void sw_client_drop_secret(char **value);

#ifdef __cplusplus
}
#endif
#pragma GCC visibility pop
#endif

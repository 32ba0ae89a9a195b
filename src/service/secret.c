/* Seals and opens secrets for the methods (secret.h). Plaintext lives in the arena of its call,
 * which is wiped (sw_query.secret). No error message contains any of it. */
#include "service/secret.h"

#include "base/error.h"
#include "net/keyfile.h"
#include "service/private_key.h"
#include "service/secret.pb-c.h"
#include "service/vault.h"
#include "sitewire/referential/v1/referential.pb-c.h"
#include <sodium.h>
#include <string.h>

#define PASSWORD_MAX  1024
#define BATCH_DEFAULT 100
#define BATCH_MAX     1000

_Static_assert(crypto_box_PUBLICKEYBYTES == 32, "a public key of CURVE is one of a sealed box");

static sw_code no_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
}

static sw_code keep_key_id(const sw_hook_context *hook, const sw_master_key *key, char **id, sw_error *error)
{
    *id = sw_arena_strndup(hook->arena, key->id, strlen(key->id));
    return *id ? SW_OK : no_memory(error);
}

/* --- SetSecret --- */

static sw_code check_password(const char *value, sw_error *error)
{
    size_t size = strlen(value);
    bool good = size <= PASSWORD_MAX;
    for (size_t i = 0; i < size && good; i++)
        good = (unsigned char)value[i] >= ' ' && value[i] != 0x7f;
    return good ? SW_OK
                : sw_fail(error, SW_INVALID_ARGUMENT,
                          "a password has 1 to %d bytes and no control characters", PASSWORD_MAX);
}

/* The schema has checked which field goes with which type. */
static sw_code check_value(const Sw__SetSecretRequest *request, const Sw__OneSecret *inner, sw_error *error)
{
    sw_error why;
    sw_code code = SW_OK;
    if (request->value == NULL || *request->value == '\0')
        code = sw_fail(&why, SW_INVALID_ARGUMENT, "required: it is the secret; DeleteSecret removes one");
    else if (strlen(request->value) > SW_SECRET_MAX)
        code = sw_fail(&why, SW_INVALID_ARGUMENT, "at most %d bytes", SW_SECRET_MAX);
    else if (strcmp(request->field, "private_key") == 0)
        code = sw_private_key_check(request->value, inner->certificate, inner->csr, &why);
    else
        code = check_password(request->value, &why);
    return code == SW_OK ? SW_OK : sw_fail_field(error, code, "value", "%s", why.message);
}

sw_code sw_secret_seal(const sw_hook_context *hook, sw_error *error)
{
    const Sw__SetSecretRequest *request = (const Sw__SetSecretRequest *)hook->request;
    Sw__OneSecret *inner = (Sw__OneSecret *)hook->inner;
    const sw_subject subject = {request->type, request->field, inner->owner};
    const sw_master_key *key = NULL;
    sw_code code = check_value(request, inner, error);
    if (code == SW_OK)
        code = sw_vault_newest(hook->context, &key, error);
    if (code == SW_OK)
        code = sw_seal(key, &subject, request->value, hook->arena, &inner->ciphertext, error);
    inner->has_ciphertext = code == SW_OK;
    return code == SW_OK ? keep_key_id(hook, key, &inner->key_id, error) : code;
}

/* --- ReadSecret --- */

sw_code sw_secret_check_reader(const sw_hook_context *hook, sw_error *error)
{
    const Sw__ReadSecretRequest *request = (const Sw__ReadSecretRequest *)hook->request;
    bool good = !request->seal_to || !*request->seal_to || sw_key_is_valid(request->seal_to);
    return good
               ? SW_OK
               : sw_fail_field(error, SW_INVALID_ARGUMENT, "seal_to",
                               "a public key has 40 characters of Z85; `sitewire key new FILE` makes a pair");
}

/* libsodium refuses weak keys. */
static sw_code seal_for(const char *reader, const char *text, sw_arena *arena, ProtobufCBinaryData *sealed,
                        sw_error *error)
{
    uint8_t key[crypto_box_PUBLICKEYBYTES];
    size_t size = strlen(text);
    *sealed = (ProtobufCBinaryData){crypto_box_SEALBYTES + size,
                                    sw_arena_alloc(arena, crypto_box_SEALBYTES + size)};
    if (sealed->data == NULL)
        return no_memory(error);
    if (!sw_key_from_text(reader, key) ||
        crypto_box_seal(sealed->data, (const uint8_t *)text, size, key) != 0)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "seal_to",
                             "nobody can hold the other half of this key");
    return SW_OK;
}

sw_code sw_secret_open(const sw_hook_context *hook, sw_error *error)
{
    const Sw__ReadSecretRequest *request = (const Sw__ReadSecretRequest *)hook->request;
    const Sw__OneSecret *inner = (const Sw__OneSecret *)hook->inner;
    Sw__ReadSecretResponse *reply = (Sw__ReadSecretResponse *)hook->reply;
    const sw_subject subject = {request->type, request->field, inner->owner};
    const sw_master_key *key = NULL;
    char *text = NULL;
    sw_code code = sw_vault_find(hook->context, inner->key_id, &key, error);
    if (code == SW_OK)
        code = sw_unseal(key, &subject, &inner->ciphertext, hook->arena, &text, error);
    if (code == SW_OK && request->seal_to && *request->seal_to) {
        code = seal_for(request->seal_to, text, hook->arena, &reply->sealed, error);
        reply->has_sealed = code == SW_OK;
    } else if (code == SW_OK)
        reply->value = text;
    return code;
}

/* --- RotateSecrets --- */

sw_code sw_secret_begin_rotation(const sw_hook_context *hook, sw_error *error)
{
    const Sw__RotateSecretsRequest *request = (const Sw__RotateSecretsRequest *)hook->request;
    Sw__ManySecrets *inner = (Sw__ManySecrets *)hook->inner;
    const sw_master_key *key = NULL;
    int32_t size = request->has_batch_size ? request->batch_size : 0;
    if (size < 0 || size > BATCH_MAX)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "batch_size", "1 to %d, or 0 for %d", BATCH_MAX,
                             BATCH_DEFAULT);
    inner->batch_size = size ? size : BATCH_DEFAULT;
    inner->has_batch_size = true;
    sw_code code = sw_vault_newest(hook->context, &key, error);
    return code == SW_OK ? keep_key_id(hook, key, &inner->key_id, error) : code;
}

/* One secret, opened with its key and sealed with the newest. */
static sw_code reseal(const sw_hook_context *hook, Sw__SealedSecret *secret, const char *newest,
                      sw_error *error)
{
    const sw_subject subject = {secret->type, secret->field, secret->owner};
    const sw_master_key *key = NULL;
    char *text = NULL;
    sw_code code = sw_vault_find(hook->context, secret->key_id, &key, error);
    if (code == SW_OK)
        code = sw_unseal(key, &subject, &secret->ciphertext, hook->arena, &text, error);
    if (code == SW_OK)
        code = sw_vault_find(hook->context, newest, &key, error);
    return code == SW_OK ? sw_seal(key, &subject, text, hook->arena, &secret->ciphertext, error) : code;
}

/* Secrets that cannot be opened stay as they are, and are reported. */
sw_code sw_secret_reseal(const sw_hook_context *hook, sw_error *error)
{
    Sw__ManySecrets *inner = (Sw__ManySecrets *)hook->inner;
    size_t count = inner->n_items, kept = 0;
    inner->failures = sw_arena_alloc(hook->arena, (count + 1) * sizeof(char *));
    if (inner->failures == NULL)
        return no_memory(error);
    inner->next = count == (size_t)inner->batch_size ? inner->items[count - 1]->id : 0;
    inner->has_next = true;
    for (size_t i = 0; i < count; i++) {
        Sw__SealedSecret *secret = inner->items[i];
        sw_error why;
        sw_code code = reseal(hook, secret, inner->key_id, &why);
        if (code == SW_RESOURCE_EXHAUSTED) {
            *error = why;
            return code;
        } else if (code == SW_OK) {
            inner->items[kept++] = secret;
            continue;
        }
        char *text = sw_arena_printf(hook->arena, "%s/%s/%s: %s", secret->type, secret->key, secret->field,
                                     why.message);
        if (text == NULL)
            return no_memory(error);
        inner->failures[inner->n_failures++] = text;
    }
    inner->n_items = kept;
    return SW_OK;
}

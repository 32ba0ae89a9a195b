/* Seals and opens secrets for the methods (secret.h). A secret is plaintext only while a hook runs,
 * in an arena of its own that is wiped when the hook ends. No error message contains any of it. */
#include "service/secret.h"

#include "base/error.h"
#include "base/utf8.h"
#include "service/private_key.h"
#include "service/secret.pb-c.h"
#include "service/transit.h"
#include "service/vault.h"
#include "sitewire/referential/v1/referential.pb-c.h"
#include <sodium.h>
#include <string.h>

#define PASSWORD_MAX  1024
#define BATCH_DEFAULT 100
#define BATCH_MAX     1000
#define STACK         (64 * 1024) /* bytes of stack that libcrypto and libsodium may have used */

static sw_code no_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
}

static sw_code keep_key_id(const sw_hook_context *hook, const sw_master_key *key, char **id, sw_error *error)
{
    *id = sw_arena_strndup(hook->arena, key->id, strlen(key->id));
    return *id ? SW_OK : no_memory(error);
}

/* --- plaintext --- */

/* NULL when out of memory. */
static sw_arena *open_private(void)
{
    sw_arena *private = sw_arena_new(0);
    if (private != NULL)
        sw_arena_wipe_on_reset(private);
    return private;
}

static void close_private(sw_arena **private)
{
    sw_arena_destroy(private);
    sodium_stackzero(STACK);
}

/* --- GetSealingKey --- */

sw_code sw_secret_show_key(const sw_hook_context *hook, sw_error *error)
{
    Sw__SealingKey *inner = (Sw__SealingKey *)hook->inner;
    const sw_master_key *key = NULL;
    sw_code code = sw_vault_newest(hook->context, &key, error);
    if (code != SW_OK)
        return code;
    char text[SW_KEY_SIZE];
    sw_transit_public_key(key, text);
    inner->public_key = sw_arena_strndup(hook->arena, text, strlen(text));
    return inner->public_key != NULL ? keep_key_id(hook, key, &inner->key_id, error) : no_memory(error);
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
static sw_code check_value(const Sw__SetSecretRequest *request, const Sw__OneSecret *inner, const char *value,
                           sw_error *error)
{
    if (*value == '\0')
        return sw_fail(error, SW_INVALID_ARGUMENT, "the secret is empty; DeleteSecret removes one");
    if (strlen(value) > SW_SECRET_MAX)
        return sw_fail(error, SW_INVALID_ARGUMENT, "a secret has at most %d bytes", SW_SECRET_MAX);
    return strcmp(request->field, "private_key") == 0
               ? sw_private_key_check(value, inner->certificate, inner->csr, error)
               : check_password(value, error);
}

static sw_code find_sealing_key(const sw_hook_context *hook, const Sw__SetSecretRequest *request,
                                const sw_master_key **key, sw_error *error)
{
    sw_error why;
    if (request->sealed_value.len == 0)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "sealed_value",
                             "required: the secret, sealed for the key of GetSealingKey; `sitewire secret "
                             "set` does that. A plain value is not taken");
    if (request->key_id == NULL || *request->key_id == '\0')
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "key_id", "required: the key_id of GetSealingKey");
    sw_code code = sw_vault_newest(hook->context, key, error); /* whether there are keys at all */
    if (code == SW_OK && sw_vault_find(hook->context, request->key_id, key, &why) != SW_OK)
        return sw_fail_field(error, SW_FAILED_PRECONDITION, "key_id",
                             "this service has no master key `%s`: get the sealing key again, and seal for "
                             "that",
                             request->key_id);
    return code;
}

static bool is_same(const char *a, const char *b)
{
    return strcmp(a != NULL ? a : "", b != NULL ? b : "") == 0;
}

/* The secret in an opened content, NUL-terminated, in the private arena. */
static sw_code read_content(const Sw__SetSecretRequest *request, const ProtobufCBinaryData *bytes,
                            sw_arena *private, char **value, sw_error *error)
{
    const Sw__SecretContent *content =
        sw__secret_content__unpack(sw_arena_allocator(private), bytes->len, bytes->data);
    if (content == NULL)
        return sw_arena_is_short(private)
                   ? no_memory(error)
                   : sw_fail(error, SW_INVALID_ARGUMENT, "what was sealed is not a SecretContent");
    if (!is_same(content->type, request->type) || !is_same(content->key, request->key) ||
        !is_same(content->field, request->field))
        return sw_fail(error, SW_INVALID_ARGUMENT, "it was sealed for another row");
    if (!sw_utf8_valid((const char *)content->value.data, content->value.len))
        return sw_fail(error, SW_INVALID_ARGUMENT, "a secret must be text in UTF-8");
    *value = sw_arena_strndup(private, (const char *)content->value.data, content->value.len);
    return *value != NULL ? SW_OK : no_memory(error);
}

/* Opens the value for this row, and checks it. Errors are those of the field sealed_value. */
static sw_code open_value(const sw_hook_context *hook, const sw_master_key *key, sw_arena *private,
                          char **value, sw_error *error)
{
    const Sw__SetSecretRequest *request = (const Sw__SetSecretRequest *)hook->request;
    ProtobufCBinaryData content;
    sw_error why;
    sw_code code = sw_transit_open(key, &request->sealed_value, private, &content, &why);
    if (code == SW_OK)
        code = read_content(request, &content, private, value, &why);
    if (code == SW_OK)
        code = check_value(request, (const Sw__OneSecret *)hook->inner, *value, &why);
    return code == SW_OK ? SW_OK : sw_fail_field(error, code, "sealed_value", "%s", why.message);
}

static sw_code seal_value(const sw_hook_context *hook, sw_arena *private, sw_error *error)
{
    const Sw__SetSecretRequest *request = (const Sw__SetSecretRequest *)hook->request;
    Sw__OneSecret *inner = (Sw__OneSecret *)hook->inner;
    const sw_subject subject = {request->type, request->field, inner->owner};
    const sw_master_key *key = NULL;
    char *value = NULL;
    sw_code code = find_sealing_key(hook, request, &key, error);
    if (code == SW_OK)
        code = open_value(hook, key, private, &value, error);
    if (code == SW_OK)
        code = sw_vault_newest(hook->context, &key, error);
    if (code == SW_OK)
        code = sw_seal(key, &subject, value, hook->arena, &inner->ciphertext, error);
    inner->has_ciphertext = code == SW_OK;
    return code == SW_OK ? keep_key_id(hook, key, &inner->key_id, error) : code;
}

sw_code sw_secret_seal(const sw_hook_context *hook, sw_error *error)
{
    sw_arena *private = open_private();
    sw_code code = private != NULL ? seal_value(hook, private, error) : no_memory(error);
    close_private(&private);
    return code;
}

/* --- ReadSecret --- */

sw_code sw_secret_check_reader(const sw_hook_context *hook, sw_error *error)
{
    const Sw__ReadSecretRequest *request = (const Sw__ReadSecretRequest *)hook->request;
    if (request->seal_to == NULL || *request->seal_to == '\0')
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "seal_to",
                             "required: the public key that the secret is sealed for; `sitewire secret read` "
                             "gives one, and opens the reply");
    return sw_key_is_valid(request->seal_to)
               ? SW_OK
               : sw_fail_field(error, SW_INVALID_ARGUMENT, "seal_to",
                               "a public key has 40 characters of Z85; `sitewire key new FILE` makes a pair");
}

static sw_code open_stored(const sw_hook_context *hook, sw_arena *private, sw_error *error)
{
    const Sw__ReadSecretRequest *request = (const Sw__ReadSecretRequest *)hook->request;
    const Sw__OneSecret *inner = (const Sw__OneSecret *)hook->inner;
    Sw__ReadSecretResponse *reply = (Sw__ReadSecretResponse *)hook->reply;
    const sw_subject subject = {request->type, request->field, inner->owner};
    const sw_master_key *key = NULL;
    char *text = NULL;
    sw_error why;
    sw_code code = sw_vault_find(hook->context, inner->key_id, &key, error);
    if (code == SW_OK)
        code = sw_unseal(key, &subject, &inner->ciphertext, private, &text, error);
    if (code != SW_OK)
        return code;
    code = sw_transit_seal(request->seal_to, text, hook->arena, &reply->sealed, &why);
    reply->has_sealed = code == SW_OK;
    return code == SW_OK ? SW_OK : sw_fail_field(error, code, "seal_to", "%s", why.message);
}

sw_code sw_secret_open(const sw_hook_context *hook, sw_error *error)
{
    sw_arena *private = open_private();
    sw_code code = private != NULL ? open_stored(hook, private, error) : no_memory(error);
    close_private(&private);
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
static sw_code reseal_in(const sw_hook_context *hook, Sw__SealedSecret *secret, const char *newest,
                         sw_arena *private, sw_error *error)
{
    const sw_subject subject = {secret->type, secret->field, secret->owner};
    const sw_master_key *key = NULL;
    char *text = NULL;
    sw_code code = sw_vault_find(hook->context, secret->key_id, &key, error);
    if (code == SW_OK)
        code = sw_unseal(key, &subject, &secret->ciphertext, private, &text, error);
    if (code == SW_OK)
        code = sw_vault_find(hook->context, newest, &key, error);
    return code == SW_OK ? sw_seal(key, &subject, text, hook->arena, &secret->ciphertext, error) : code;
}

static sw_code reseal(const sw_hook_context *hook, Sw__SealedSecret *secret, const char *newest,
                      sw_error *error)
{
    sw_arena *private = open_private();
    sw_code code = private != NULL ? reseal_in(hook, secret, newest, private, error) : no_memory(error);
    close_private(&private);
    return code;
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

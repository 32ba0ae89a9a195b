/* Secrets sealed on the way (<sitewire/secret.h>): sealed boxes of libsodium, for the service's key
 * when a secret is set, for the client's when it is read. Used by programs and the command line. */
#include "base/clock.h"
#include "base/error.h"
#include "base/utf8.h"
#include "c/client.h"
#include <sitewire/referential/v1/referential.pb-c.h>
#include <sitewire/secret.h>

#include <sodium.h>
#include <stdlib.h>
#include <string.h>

#define GET_KEY   "/sitewire.referential.v1.Referential/GetSealingKey"
#define SET       "/sitewire.referential.v1.Referential/SetSecret"
#define READ      "/sitewire.referential.v1.Referential/ReadSecret"
#define VALUE_MAX (64 * 1024) /* bytes of a secret */
#define TRIES     3

static sw_code no_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

static sw_code start_sodium(sw_error *error)
{
    return sodium_init() >= 0 ? SW_OK : sw_fail(error, SW_INTERNAL, "libsodium cannot be initialised");
}

static void wipe(void *piece, size_t size)
{
    if (piece != NULL)
        sodium_memzero(piece, size);
    free(piece);
}

/* --- Setting --- */

/* The options of several calls with one deadline. */
typedef struct budget {
    sw_call_options options;
    int64_t until_ms;
} budget;

static sw_code start_budget(const sw_client *client, const sw_call_options *options, budget *all,
                            sw_error *error)
{
    *all = (budget){.options = {.size = sizeof(all->options)}};
    if (options != NULL && options->size == 0)
        return sw_fail(error, SW_INVALID_ARGUMENT, "the size of sw_call_options is not set");
    if (options != NULL)
        memcpy(&all->options, options,
               options->size < sizeof(all->options) ? options->size : sizeof(all->options));
    all->options.size = sizeof(all->options);
    if (all->options.timeout_ms <= 0)
        all->options.timeout_ms = client->options.timeout_ms;
    all->until_ms = sw_now_ms() + all->options.timeout_ms;
    return SW_OK;
}

static const sw_call_options *remaining(budget *all)
{
    int64_t left_ms = all->until_ms - sw_now_ms();
    all->options.timeout_ms = left_ms > 0 ? left_ms : 1;
    return &all->options;
}

static sw_code get_key(sw_client *client, budget *all, Sw__SealingKey **key, sw_error *error)
{
    const Sw__GetSealingKeyRequest request = SW__GET_SEALING_KEY_REQUEST__INIT;
    sw_call_options options = *remaining(all);
    options.request_id = NULL; /* it is that of SetSecret */
    return sw_client_call(client, GET_KEY, &request.base, &sw__sealing_key__descriptor,
                          (ProtobufCMessage **)key, &options, error);
}

/* The content of the box, packed; the caller wipes it. */
static sw_code pack(const Sw__SetSecretRequest *request, const void *value, size_t size, uint8_t **bytes,
                    size_t *packed, sw_error *error)
{
    Sw__SecretContent content = SW__SECRET_CONTENT__INIT;
    content.type = request->type;
    content.key = request->key;
    content.field = request->field;
    content.has_value = true;
    content.value = (ProtobufCBinaryData){size, (uint8_t *)value};
    *packed = sw__secret_content__get_packed_size(&content);
    *bytes = malloc(*packed + 1);
    if (*bytes == NULL)
        return no_memory(error);
    sw__secret_content__pack(&content, *bytes);
    return SW_OK;
}

/* malloc'ed for the caller. */
static sw_code seal(const Sw__SetSecretRequest *request, const void *value, size_t size,
                    const Sw__SealingKey *key, ProtobufCBinaryData *sealed, sw_error *error)
{
    uint8_t public_key[crypto_box_PUBLICKEYBYTES], *content = NULL;
    size_t packed = 0;
    if (key->public_key == NULL || !sw_key_from_text(key->public_key, public_key))
        return sw_fail(error, SW_DATA_LOSS, "the service's sealing key is malformed");
    sw_code code = pack(request, value, size, &content, &packed, error);
    if (code == SW_OK) {
        *sealed = (ProtobufCBinaryData){crypto_box_SEALBYTES + packed, malloc(crypto_box_SEALBYTES + packed)};
        if (sealed->data == NULL)
            code = no_memory(error);
        else if (crypto_box_seal(sealed->data, content, packed, public_key) != 0)
            code = sw_fail(error, SW_DATA_LOSS, "the service's sealing key is malformed");
    }
    wipe(content, packed);
    return code;
}

static sw_code set_once(sw_client *client, const Sw__SetSecretRequest *request, const void *value,
                        size_t size, budget *all, Sw__Secret **stored, sw_error *error)
{
    Sw__SealingKey *key = NULL;
    Sw__SetSecretRequest sent = *request;
    sent.sealed_value = (ProtobufCBinaryData){0};
    sw_code code = get_key(client, all, &key, error);
    if (code == SW_OK)
        code = seal(request, value, size, key, &sent.sealed_value, error);
    if (code == SW_OK) {
        sent.has_sealed_value = true;
        sent.key_id = key->key_id;
        code = sw_client_call(client, SET, &sent.base, &sw__secret__descriptor, (ProtobufCMessage **)stored,
                              remaining(all), error);
    }
    free(sent.sealed_value.data);
    if (key != NULL)
        sw__sealing_key__free_unpacked(key, NULL);
    return code;
}

sw_code sw_client_set_secret(sw_client *client, const Sw__SetSecretRequest *request, const void *value,
                             size_t size, const sw_call_options *options, Sw__Secret **stored,
                             sw_error *error)
{
    budget all;
    sw_error why = {0};
    if (stored != NULL)
        *stored = NULL;
    if (size > VALUE_MAX || !sw_utf8_valid(value, size))
        return sw_fail(error, SW_INVALID_ARGUMENT, "a secret must be text in UTF-8, of at most %d bytes",
                       VALUE_MAX);
    sw_code code = start_sodium(&why);
    if (code == SW_OK)
        code = start_budget(client, options, &all, &why);
    if (code == SW_OK)
        code = set_once(client, request, value, size, &all, stored, &why);
    for (int i = 1; i < TRIES && code == SW_FAILED_PRECONDITION && strcmp(why.field, "key_id") == 0; i++)
        code = set_once(client, request, value, size, &all, stored, &why); /* the key has changed */
    if (code != SW_OK && error != NULL)
        *error = why;
    return code;
}

/* --- Reading --- */

typedef struct key_pair {
    uint8_t public_key[crypto_box_PUBLICKEYBYTES], secret_key[crypto_box_SECRETKEYBYTES];
} key_pair;

/* The client's own pair, or a new one. To be wiped. */
static sw_code make_pair(const sw_client *client, key_pair *pair, sw_error *error)
{
    const sw_key_file *own = &client->link.key.file;
    if (!sw_client_key_is_set(&client->link.key)) {
        crypto_box_keypair(pair->public_key, pair->secret_key);
        return SW_OK;
    }
    return sw_key_from_text(own->public_key, pair->public_key) &&
                   sw_key_from_text(own->secret_key, pair->secret_key)
               ? SW_OK
               : sw_fail(error, SW_FAILED_PRECONDITION, "the client's key is malformed");
}

static sw_code open_reply(const Sw__ReadSecretResponse *reply, const key_pair *pair, char **value,
                          size_t *size, sw_error *error)
{
    const ProtobufCBinaryData *sealed = &reply->sealed;
    size_t plain = sealed->len < crypto_box_SEALBYTES ? 0 : sealed->len - crypto_box_SEALBYTES;
    char *text = calloc(1, plain + 1);
    if (text == NULL)
        return no_memory(error);
    if (sealed->len < crypto_box_SEALBYTES ||
        crypto_box_seal_open((uint8_t *)text, sealed->data, sealed->len, pair->public_key,
                             pair->secret_key) != 0 ||
        strlen(text) != plain) {
        wipe(text, plain);
        return sw_fail(error, SW_DATA_LOSS, "the reply was not sealed for this client, or is damaged");
    }
    *value = text;
    if (size != NULL)
        *size = plain;
    return SW_OK;
}

sw_code sw_client_read_secret(sw_client *client, const Sw__ReadSecretRequest *request,
                              const sw_call_options *options, char **value, size_t *size, sw_error *error)
{
    key_pair pair = {0};
    char seal_to[SW_KEY_SIZE];
    Sw__ReadSecretRequest sent = *request;
    Sw__ReadSecretResponse *reply = NULL;
    *value = NULL;
    sw_code code = start_sodium(error);
    if (code == SW_OK)
        code = make_pair(client, &pair, error);
    if (code == SW_OK) {
        sw_key_to_text(pair.public_key, seal_to);
        sent.seal_to = seal_to;
        code = sw_client_call(client, READ, &sent.base, &sw__read_secret_response__descriptor,
                              (ProtobufCMessage **)&reply, options, error);
    }
    if (code == SW_OK)
        code = open_reply(reply, &pair, value, size, error);
    if (reply != NULL)
        sw__read_secret_response__free_unpacked(reply, NULL);
    sodium_memzero(&pair, sizeof(pair));
    return code;
}

void sw_client_drop_secret(char **value)
{
    if (*value != NULL)
        wipe(*value, strlen(*value));
    *value = NULL;
}

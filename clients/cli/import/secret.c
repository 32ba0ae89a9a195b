/* Secrets among the rows of an import: lines of `sitewire export --secrets-to`. They are opened
 * with the secret key and set after the rows that they belong to. */
#include "cli/import/import.h"

#include "base/error.h"
#include "c/json/json_value.h"
#include "cli/run/interrupt.h"
#include "cli/run/secret.h"
#include "cli/schema/value.h"
#include "net/keyfile.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

bool sw_import_is_secret(const json_t *row)
{
    return strcmp(sw_json_text(row, "resource"), "Secret") == 0 && json_object_get(row, "sealed") != NULL;
}

sw_code sw_import_add_secret(sw_import *import, json_t *row, uint32_t origin, sw_error *error)
{
    if (sw_args_value(&import->cli->args, "secrets-key") == NULL)
        return sw_import_bad_row(import, origin, "this is a sealed secret; --secrets-key FILE opens it");
    if (import->secrets == NULL)
        import->secrets = json_array();
    json_t *entry = json_pack("{s:O, s:I}", "row", row, "origin", (json_int_t)origin);
    return json_array_append_new(import->secrets, entry) == 0 ? SW_OK : sw_import_no_memory(error);
}

/* malloc'ed, to be wiped: *plain bytes, and a NUL. */
static sw_code open_sealed(const json_t *row, const sw_key_file *key, char **value, size_t *plain,
                           sw_error *error)
{
    const char *sealed = sw_json_text(row, "sealed");
    uint8_t public_key[crypto_box_PUBLICKEYBYTES], secret_key[crypto_box_SECRETKEYBYTES];
    size_t size = strlen(sealed);
    uint8_t *bytes = malloc(size + 1);
    *value = calloc(1, size + 1);
    if (bytes == NULL || *value == NULL) {
        free(bytes);
        return sw_import_no_memory(error);
    }
    bool good = sw_base64_decode(sealed, size, bytes, &size) && size > crypto_box_SEALBYTES &&
                sw_key_from_text(key->public_key, public_key) &&
                sw_key_from_text(key->secret_key, secret_key) &&
                crypto_box_seal_open((uint8_t *)*value, bytes, size, public_key, secret_key) == 0;
    sodium_memzero(secret_key, sizeof(secret_key));
    *plain = good ? size - crypto_box_SEALBYTES : 0;
    free(bytes);
    return good ? SW_OK
                : sw_fail(error, SW_INVALID_ARGUMENT, "it was sealed for another key than %s, or is damaged",
                          key->public_key);
}

static sw_code set(sw_import *import, const json_t *row, const char *value, size_t size, sw_error *error)
{
    const char *given = sw_args_value(&import->cli->args, "reason");
    Sw__SetSecretRequest request = SW__SET_SECRET_REQUEST__INIT;
    request.type = (char *)sw_json_text(row, "type");
    request.key = (char *)sw_json_text(row, "key");
    request.field = (char *)sw_json_text(row, "field");
    return sw_cli_set_secret(import->cli, &request, value, size, given != NULL ? given : "import", NULL,
                             error);
}

sw_code sw_import_send_secrets(sw_import *import, sw_error *error)
{
    size_t i;
    json_t *entry;
    sw_key_file key = {0};
    if (import->secrets == NULL)
        return SW_OK;
    sw_code code = sodium_init() < 0
                       ? sw_fail(error, SW_INTERNAL, "libsodium cannot be initialised")
                       : sw_key_file_read(sw_args_value(&import->cli->args, "secrets-key"), &key, error);
    if (code != SW_OK)
        return code;
    json_array_foreach(import->secrets, i, entry)
    {
        const json_t *row = json_object_get(entry, "row");
        char *value = NULL;
        size_t plain = 0;
        sw_error why = {0}, told = {0};
        if (sw_cli_stopped() || import->unreachable)
            break;
        code = open_sealed(row, &key, &value, &plain, &why);
        if (code == SW_OK && !import->dry_run)
            code = set(import, row, value, plain, &why);
        import->secrets_set += code == SW_OK;
        if (code != SW_OK) {
            told = why;
            sw_fail(&told, code, "the %s of %s %s: %s", sw_json_text(row, "field"), sw_json_text(row, "type"),
                    sw_json_text(row, "key"), why.message);
            sw_import_fail(import, (uint32_t)json_integer_value(json_object_get(entry, "origin")), NULL, NULL,
                           &told);
        }
        if (value != NULL)
            sodium_memzero(value, plain);
        free(value);
    }
    sw_key_file_wipe(&key);
    import->interrupted = import->interrupted || sw_cli_stopped();
    return SW_OK;
}

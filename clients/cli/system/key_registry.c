/* Keys in the registry: see key.h. */
#include "base/duration.h"
#include "base/error.h"
#include "base/time_text.h"
#include "cli/system/key.h"
#include "enroll/enroll.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static json_t *now_text(void)
{
    char text[SW_TIME_TEXT_SIZE];
    return json_string(sw_timestamp_print(time(NULL), 0, text) ? text : "");
}

/* True for a valid time in the past; the service checks the other texts. */
static bool is_over(const char *text)
{
    int64_t seconds;
    int32_t nanos;
    return sw_timestamp_parse(text, &seconds, &nanos) && seconds <= time(NULL);
}

sw_code sw_key_set_expiry(const sw_cli *cli, json_t *key, sw_error *error)
{
    const char *text = sw_args_value(&cli->args, "expires");
    int64_t left_ms, seconds;
    char at[SW_TIME_TEXT_SIZE];
    if (text == NULL)
        return SW_OK;
    bool is_duration = sw_duration_parse_ms(text, "s", &left_ms);
    if (is_duration || sw_date_parse(text, &seconds)) {
        if (!sw_timestamp_print(is_duration ? time(NULL) + left_ms / 1000 : seconds, 0, at))
            return sw_fail(error, SW_INVALID_ARGUMENT, "--expires: %s is too far away", text);
        text = at;
    }
    if (is_over(text))
        return sw_fail(error, SW_INVALID_ARGUMENT, "--expires: %s is already over",
                       sw_args_value(&cli->args, "expires"));
    if (json_object_set_new(key, "expires_at", json_string(text)) != 0)
        return sw_fail(error, SW_INVALID_ARGUMENT, "--expires takes a time (2027-12-31) or a duration (90d)");
    return SW_OK;
}

sw_code sw_key_create(sw_cli *cli, json_t *key, json_t **stored, sw_error *error)
{
    json_t *request = json_pack("{s:o}", "key", key);
    sw_code code = sw_cli_call(cli, "Users/CreateKey", request, NULL, stored, error);
    json_decref(request);
    return code;
}

/* Adds `user` if there is none, `time` and `proof`. */
static sw_code add_proof(json_t *request, const sw_key_file *key, const json_t *enrolment, sw_error *error)
{
    uint8_t proof[SW_PROOF_MAX];
    char text[sodium_base64_ENCODED_LEN(SW_PROOF_MAX, sodium_base64_VARIANT_ORIGINAL)];
    if (json_string_value(json_object_get(request, "user")) == NULL)
        json_object_set(request, "user", json_object_get(enrolment, "user"));
    const char *registry = json_string_value(json_object_get(enrolment, "public_key"));
    const char *user = json_string_value(json_object_get(request, "user"));
    const json_t *time = json_object_get(enrolment, "time");
    int64_t time_s =
        json_is_string(time) ? strtoll(json_string_value(time), NULL, 10) : json_integer_value(time);
    size_t size = registry == NULL || user == NULL ? 0 : sw_enroll_prove(key, registry, user, time_s, proof);
    if (size == 0)
        return sw_fail(error, SW_INVALID_ARGUMENT, "cannot prove for this user that the key is ours");
    sodium_bin2base64(text, sizeof(text), proof, size, sodium_base64_VARIANT_ORIGINAL);
    json_object_set_new(request, "time", json_integer(time_s));
    json_object_set_new(request, "proof", json_string(text));
    return SW_OK;
}

sw_code sw_key_enroll(sw_cli *cli, json_t *request, const sw_key_file *key, json_t **stored, sw_error *error)
{
    json_t *enrolment = NULL;
    sw_code code = sw_cli_call(cli, "Users/GetEnrolment", NULL, NULL, &enrolment, error);
    if (code == SW_OK)
        code = add_proof(request, key, enrolment, error);
    if (code == SW_OK)
        code = sw_cli_call(cli, "Users/EnrollKey", request, NULL, stored, error);
    json_decref(enrolment);
    json_decref(request);
    return code;
}

sw_code sw_key_invite(sw_cli *cli, const char *user, const char *public_key, json_t **invitation,
                      sw_error *error)
{
    const char *expires = sw_args_value(&cli->args, "expires"), *label = sw_args_value(&cli->args, "label");
    int64_t lifetime_ms = 0;
    if (expires != NULL && !sw_duration_parse_ms(expires, "s", &lifetime_ms))
        return sw_fail(error, SW_INVALID_ARGUMENT, "key invite: --expires takes a duration, such as 1h");
    json_t *request = json_pack("{s:s,s:s,s:s,s:I}", "user", user, "public_key", public_key, "label",
                                label != NULL ? label : "", "lifetime_ms", (json_int_t)lifetime_ms);
    sw_code code = sw_cli_call(cli, "Users/InviteKey", request, NULL, invitation, error);
    json_decref(request);
    return code;
}

static bool is_valid(const json_t *key)
{
    const char *revoked = json_string_value(json_object_get(key, "revoked_at"));
    const char *expires = json_string_value(json_object_get(key, "expires_at"));
    return (revoked == NULL || !is_over(revoked)) && (expires == NULL || !is_over(expires));
}

sw_code sw_key_siblings(sw_cli *cli, const char *user, json_t **siblings, sw_error *error)
{
    json_t *page = NULL, *request = json_pack("{s:[{s:s,s:s,s:[s]}],s:i}", "filters", "field", "user", "op",
                                              "=", "values", user, "page_size", 1000);
    sw_code code = sw_cli_call(cli, "Users/ListKeys", request, NULL, &page, error);
    size_t at;
    json_t *item;
    *siblings = json_array();
    json_array_foreach(json_object_get(page, "items"), at, item) if (is_valid(item))
        json_array_append(*siblings, item);
    json_decref(request);
    json_decref(page);
    return code;
}

static sw_code update_revoked(sw_cli *cli, const char *public_key, json_t *at, json_t **stored,
                              sw_error *error)
{
    json_t *request = json_pack("{s:{s:s,s:o},s:s}", "key", "public_key", public_key, "revoked_at", at,
                                "update_mask", "revoked_at");
    sw_code code = sw_cli_call(cli, "Users/UpdateKey", request, NULL, stored, error);
    json_decref(request);
    return code;
}

sw_code sw_key_revoke(sw_cli *cli, const char *public_key, json_t **stored, sw_error *error)
{
    sw_code code = update_revoked(cli, public_key, now_text(), stored, error);
    if (code != SW_OK)
        return code;
    json_t *theirs = json_object_get(*stored, "updated_at"), *ours = json_object_get(*stored, "revoked_at");
    if (!json_is_string(theirs) || !json_is_string(ours) ||
        strncmp(json_string_value(ours), json_string_value(theirs), strlen("2000-01-01T00:00:00")) <= 0)
        return SW_OK;
    json_t *before = *stored;
    *stored = NULL;
    code = update_revoked(cli, public_key, json_incref(theirs), stored, error);
    json_decref(before);
    return code;
}

sw_code sw_key_find(sw_cli *cli, const char *word, char public_key[SW_KEY_SIZE], sw_error *error)
{
    sw_key_file file;
    if (sw_key_is_valid(word)) {
        memcpy(public_key, word, SW_KEY_SIZE);
        return SW_OK;
    }
    if (access(word, F_OK) == 0) {
        sw_code code = sw_key_file_read(word, &file, error);
        memcpy(public_key, file.public_key, SW_KEY_SIZE);
        sw_key_file_wipe(&file);
        return code;
    }
    json_t *page = NULL, *request = json_pack("{s:[{s:s,s:s,s:[s]}],s:i}", "filters", "field", "label", "op",
                                              "=", "values", word, "page_size", 1000);
    sw_code code = sw_cli_call(cli, "Users/ListKeys", request, NULL, &page, error);
    size_t at, found = 0;
    json_t *item;
    json_array_foreach(json_object_get(page, "items"), at, item)
    {
        const char *key = json_string_value(json_object_get(item, "public_key"));
        if (key == NULL || json_is_string(json_object_get(item, "revoked_at")))
            continue;
        found++;
        snprintf(public_key, SW_KEY_SIZE, "%s", key);
    }
    json_decref(request);
    json_decref(page);
    if (code == SW_OK && found != 1)
        code =
            sw_fail(error, found == 0 ? SW_NOT_FOUND : SW_INVALID_ARGUMENT,
                    found == 0 ? "`%s` is not a public key, not a key file, and not the label of a valid key"
                               : "several keys have the label `%s`; give the public key",
                    word);
    return code;
}

/* Proofs and one-time codes (enroll.h). */
#include "enroll/enroll.h"

#include "base/error.h"
#include "cert/cert.h"
#include "enroll/code.h"
#include "sitewire/user/v1/user.pb-c.h"
#include "wire/enrolment.h"
#include <limits.h>
#include <sitewire/client.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define USERS "/sitewire.user.v1.Users/"

/* --- proofs --- */

size_t sw_enroll_prove(const sw_key_file *key, const char *registry_key, const char *user, int64_t time_s,
                       uint8_t proof[SW_PROOF_MAX])
{
    uint8_t to[crypto_box_PUBLICKEYBYTES], from[crypto_box_SECRETKEYBYTES];
    char text[SW_ENROLMENT_TEXT];
    size_t size = sw_enrolment_text(key->public_key, user, time_s, text);
    if (size == 0 || !sw_key_from_text(registry_key, to) || !sw_key_from_text(key->secret_key, from))
        return 0;
    randombytes_buf(proof, crypto_box_NONCEBYTES);
    int failed = crypto_box_easy(proof + crypto_box_NONCEBYTES, (const uint8_t *)text, size, proof, to, from);
    explicit_bzero(from, sizeof(from));
    return failed ? 0 : crypto_box_NONCEBYTES + crypto_box_MACBYTES + size;
}

_Static_assert(SW_PROOF_MAX >= crypto_box_NONCEBYTES + crypto_box_MACBYTES + SW_ENROLMENT_TEXT,
               "a proof fits");

/* --- codes --- */

/* One that a code needs: it holds the temporary pair while it is in use. */
static sw_code open_with_code(const sw_code_content *content, const char *path, sw_client **client,
                              sw_error *error)
{
    char temporary[PATH_MAX];
    snprintf(temporary, sizeof(temporary), "%.4000s.code", path);
    unlink(temporary); /* of a run that was killed */
    const sw_client_options options = {.size = sizeof(options), .key_file = temporary};
    sw_code code = sw_cert_write(temporary, &content->key, error);
    if (code == SW_OK)
        code = sw_client_open(content->endpoints, &options, client, error);
    unlink(temporary);
    return code;
}

static sw_code get_enrolment(sw_client *client, Sw__Enrolment **enrolment, sw_error *error)
{
    Sw__GetEnrolmentRequest request = SW__GET_ENROLMENT_REQUEST__INIT;
    return sw_client_call(client, USERS "GetEnrolment", &request.base, &sw__enrolment__descriptor,
                          (ProtobufCMessage **)enrolment, NULL, error);
}

static sw_code enroll_with(sw_client *client, const sw_key_file *key, const Sw__Enrolment *enrolment,
                           char **user, sw_error *error)
{
    uint8_t proof[SW_PROOF_MAX];
    Sw__EnrollKeyRequest request = SW__ENROLL_KEY_REQUEST__INIT;
    Sw__Key *stored = NULL;
    request.public_key = (char *)key->public_key;
    request.user = enrolment->user;
    request.label = (char *)key->label;
    request.time = enrolment->time;
    request.has_time = request.has_proof = true;
    request.proof = (ProtobufCBinaryData){
        sw_enroll_prove(key, enrolment->public_key, enrolment->user, enrolment->time, proof), proof};
    sw_code code = sw_client_call(client, USERS "EnrollKey", &request.base, &sw__key__descriptor,
                                  (ProtobufCMessage **)&stored, NULL, error);
    if (code == SW_OK && user != NULL)
        *user = strdup(stored->user != NULL ? stored->user : "");
    if (stored != NULL)
        sw__key__free_unpacked(stored, NULL);
    return code;
}

/* Whether the key is enrolled already: the reply to an earlier run may have been lost. */
static bool is_enrolled(const char *endpoints, const char *path, char **user)
{
    const sw_client_options options = {.size = sizeof(options), .key_file = path};
    Sw__WhoAmIRequest request = SW__WHO_AM_IREQUEST__INIT;
    Sw__Profile *profile = NULL;
    sw_client *client = NULL;
    bool good = sw_client_open(endpoints, &options, &client, NULL) == SW_OK &&
                sw_client_call(client, USERS "WhoAmI", &request.base, &sw__profile__descriptor,
                               (ProtobufCMessage **)&profile, NULL, NULL) == SW_OK;
    if (good && user != NULL)
        *user = strdup(profile->email != NULL ? profile->email : "");
    if (profile != NULL)
        sw__profile__free_unpacked(profile, NULL);
    sw_client_close(&client);
    return good;
}

/* The key in the file, or a new one, which is written there. */
static sw_code take_key(const sw_code_content *content, const char *path, const char *label, sw_key_file *key,
                        bool *made, sw_error *error)
{
    sw_code code = sw_key_file_read(path, key, error);
    *made = code == SW_NOT_FOUND;
    if (!*made)
        return code;
    code = sw_cert_make(key, error);
    memcpy(key->server_key, content->key.server_key, SW_KEY_SIZE);
    memcpy(key->next_server_key, content->key.next_server_key, SW_KEY_SIZE);
    snprintf(key->label, sizeof(key->label), "%s", label != NULL ? label : "");
    return code == SW_OK ? sw_cert_write(path, key, error) : code;
}

static bool may_have_worked(sw_code code)
{
    return code == SW_UNAVAILABLE || code == SW_DEADLINE_EXCEEDED || code == SW_CANCELLED;
}

static sw_code use_code(const sw_code_content *content, const char *path, const sw_key_file *key, char **user,
                        sw_error *error)
{
    sw_client *client = NULL;
    Sw__Enrolment *enrolment = NULL;
    sw_code code = open_with_code(content, path, &client, error);
    if (code == SW_OK)
        code = get_enrolment(client, &enrolment, error);
    if (code == SW_OK)
        code = enroll_with(client, key, enrolment, user, error);
    if (enrolment != NULL)
        sw__enrolment__free_unpacked(enrolment, NULL);
    sw_client_close(&client);
    return code;
}

sw_code sw_enroll_accept(const char *text, const char *path, const char *label, char public_key[SW_KEY_SIZE],
                         char **user, sw_error *error)
{
    sw_code_content content;
    sw_key_file key = {0};
    bool made = false;
    sw_code code = sw_code_read(text, &content, error);
    if (code == SW_OK)
        code = take_key(&content, path, label, &key, &made, error);
    if (code == SW_OK) {
        memcpy(public_key, key.public_key, SW_KEY_SIZE);
        code = use_code(&content, path, &key, user, error);
        if (code == SW_UNAUTHENTICATED && !made && is_enrolled(content.endpoints, path, user))
            code = SW_OK;
        if (code != SW_OK && made && !may_have_worked(code))
            unlink(path);
    }
    sw_key_file_wipe(&key);
    explicit_bzero(&content, sizeof(content));
    return code;
}

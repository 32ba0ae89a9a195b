/* Proofs of possession (enrolment.h). The box can be made only with the new key's secret half, or
 * with the registry's, which never leaves the database and this process. It names the user and the
 * time, so that nobody can use it for another user, or much later. */
#include "service/enrolment.h"

#include "base/clock.h"
#include "base/error.h"
#include "net/keyfile.h"
#include "service/secret.pb-c.h"
#include "sitewire/user/v1/user.pb-c.h"
#include "wire/enrolment.h"
#include <sodium.h>
#include <string.h>

_Static_assert(crypto_box_SECRETKEYBYTES == 32, "a secret key of CURVE is one of a box");

static bool has_secret(const Sw__OneEnrolment *inner)
{
    return inner->has_secret && inner->secret.len == crypto_box_SECRETKEYBYTES;
}

static char *copy(const sw_hook_context *hook, const char *text)
{
    return sw_arena_strndup(hook->arena, text, strlen(text));
}

sw_code sw_enrolment_answer(const sw_hook_context *hook, sw_error *error)
{
    const Sw__OneEnrolment *inner = (const Sw__OneEnrolment *)hook->inner;
    Sw__Enrolment *reply = (Sw__Enrolment *)hook->reply;
    uint8_t public_key[crypto_box_PUBLICKEYBYTES];
    char text[SW_KEY_SIZE];
    if (!has_secret(inner) || crypto_scalarmult_base(public_key, inner->secret.data) != 0)
        return sw_fail(error, SW_INTERNAL, "users.key_setting has no usable enrolment_secret");
    sw_key_to_text(public_key, text);
    reply->public_key = copy(hook, text);
    reply->user = copy(hook, inner->caller != NULL ? inner->caller : "");
    reply->time = sw_wall_us() / 1000000;
    reply->has_time = true;
    return reply->public_key != NULL && reply->user != NULL
               ? SW_OK
               : sw_fail(error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
}

static bool is_proof(const Sw__EnrollKeyRequest *request, const Sw__OneEnrolment *inner,
                     const uint8_t key[32])
{
    char expected[SW_ENROLMENT_TEXT], said[SW_ENROLMENT_TEXT];
    const char *user = request->user != NULL && *request->user != '\0' ? request->user : inner->caller;
    size_t size = sw_enrolment_text(request->public_key, user != NULL ? user : "", request->time, expected);
    const uint8_t *box = request->proof.data;
    return size > 0 && request->proof.len == crypto_box_NONCEBYTES + crypto_box_MACBYTES + size &&
           crypto_box_open_easy((uint8_t *)said, box + crypto_box_NONCEBYTES,
                                request->proof.len - crypto_box_NONCEBYTES, box, key,
                                inner->secret.data) == 0 &&
           sodium_memcmp(expected, said, size) == 0;
}

sw_code sw_enrolment_check(const sw_hook_context *hook, sw_error *error)
{
    const Sw__EnrollKeyRequest *request = (const Sw__EnrollKeyRequest *)hook->request;
    const Sw__OneEnrolment *inner = (const Sw__OneEnrolment *)hook->inner;
    uint8_t key[crypto_box_PUBLICKEYBYTES];
    int64_t age_s = sw_wall_us() / 1000000 - request->time;
    if (request->public_key == NULL || !sw_key_from_text(request->public_key, key))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "public_key",
                             "a public key has 40 characters of Z85; `sitewire key new FILE` makes a pair");
    if (!has_secret(inner))
        return sw_fail(error, SW_INTERNAL, "users.key_setting has no usable enrolment_secret");
    if (age_s < -SW_ENROLMENT_S || age_s > SW_ENROLMENT_S)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "time",
                             "the proof is for another time: call GetEnrolment again");
    if (!request->has_proof || !is_proof(request, inner, key))
        return sw_fail_field(error, SW_PERMISSION_DENIED, "proof",
                             "nothing proves that the caller has the secret half of this key: "
                             "`sitewire key enroll` runs where the key was made");
    return SW_OK;
}

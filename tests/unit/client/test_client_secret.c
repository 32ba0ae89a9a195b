/* Secrets through the client library, against a broker that the test plays: what is sent is sealed,
 * a changed master key is followed, and a reply that was sealed for another is refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "fake_broker.h"
#include "net/keyfile.h"
#include <pthread.h>
#include <sitewire/referential.h>
#include <sitewire/secret.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>
#include <string.h>

#define SECRET "geheim-geheim-geheim"

/* What the broker's thread answers. */
typedef struct script {
    fake_broker *fake;
    atomic_bool is_over;
    int refusals; /* of SetSecret, because of its key */
    int keys, sets, reads;
    char key_id[16];            /* of the last SetSecret */
    bool is_wrong;              /* reads are sealed for somebody else */
    Sw__SecretContent *content; /* of the last SetSecret */
    uint8_t public_key[crypto_box_PUBLICKEYBYTES], secret_key[crypto_box_SECRETKEYBYTES];
} script;

static void answer_message(script *s, const fake_request *request, const ProtobufCMessage *message)
{
    uint8_t bytes[4096];
    fake_reply(s->fake, request, bytes, protobuf_c_message_pack(message, bytes));
}

static void give_key(script *s, const fake_request *request)
{
    char public_key[SW_KEY_SIZE], id[16];
    Sw__SealingKey key = SW__SEALING_KEY__INIT;
    sw_key_to_text(s->public_key, public_key);
    snprintf(id, sizeof(id), "k-%d", ++s->keys);
    key.key_id = id;
    key.public_key = public_key;
    answer_message(s, request, &key.base);
}

static void refuse_key(script *s, const fake_request *request)
{
    const sw_reply_header header = {.call_id = request->header.call_id,
                                    .code = SW_FAILED_PRECONDITION,
                                    .message = sw_view_of("get it again"),
                                    .detail_count = 1,
                                    .details = {{.kind = SW_DETAIL_FIELD, .field = sw_view_of("key_id")}}};
    fake_send(s->fake, request, true, &header, NULL, 0);
}

static void take_secret(script *s, const fake_request *request)
{
    uint8_t plain[1024];
    Sw__Secret stored = SW__SECRET__INIT;
    Sw__SetSecretRequest *sent =
        sw__set_secret_request__unpack(NULL, request->payload_size, (const uint8_t *)request->payload);
    assert_non_null(sent);
    snprintf(s->key_id, sizeof(s->key_id), "%s", sent->key_id);
    assert_int_equal(crypto_box_seal_open(plain, sent->sealed_value.data, sent->sealed_value.len,
                                          s->public_key, s->secret_key),
                     0);
    if (s->content != NULL)
        sw__secret_content__free_unpacked(s->content, NULL);
    s->content = sw__secret_content__unpack(NULL, sent->sealed_value.len - crypto_box_SEALBYTES, plain);
    stored.type = sent->type;
    if (s->sets++ < s->refusals)
        refuse_key(s, request);
    else
        answer_message(s, request, &stored.base);
    sw__set_secret_request__free_unpacked(sent, NULL);
}

static void give_secret(script *s, const fake_request *request)
{
    uint8_t sealed[sizeof(SECRET) + crypto_box_SEALBYTES], reader[crypto_box_PUBLICKEYBYTES];
    Sw__ReadSecretResponse reply = SW__READ_SECRET_RESPONSE__INIT;
    Sw__ReadSecretRequest *asked =
        sw__read_secret_request__unpack(NULL, request->payload_size, (const uint8_t *)request->payload);
    assert_true(sw_key_from_text(asked->seal_to, reader));
    crypto_box_seal(sealed, (const uint8_t *)SECRET, sizeof(SECRET) - 1,
                    s->is_wrong ? s->public_key : reader);
    reply.has_sealed = true;
    reply.sealed = (ProtobufCBinaryData){sizeof(SECRET) - 1 + crypto_box_SEALBYTES, sealed};
    s->reads++;
    answer_message(s, request, &reply.base);
    sw__read_secret_request__free_unpacked(asked, NULL);
}

static void *serve(void *context)
{
    script *s = context;
    fake_request request;
    while (!atomic_load(&s->is_over)) {
        if (!fake_next(s->fake, NULL, &request, 10))
            continue;
        assert_null(memmem(request.payload, request.payload_size, SECRET, sizeof(SECRET) - 1));
        if (memmem(request.header.method.data, request.header.method.size, "GetSealingKey", 13) != NULL)
            give_key(s, &request);
        else if (memmem(request.header.method.data, request.header.method.size, "SetSecret", 9) != NULL)
            take_secret(s, &request);
        else
            give_secret(s, &request);
    }
    return NULL;
}

typedef struct fixture {
    fake_broker fake;
    sw_client *client;
    pthread_t thread;
    script script;
} fixture;

static void begin(fixture *f, int refusals, bool is_wrong)
{
    sw_error error;
    assert_true(sodium_init() >= 0);
    fake_open(&f->fake, FAKE_COMPACT);
    f->script = (script){.fake = &f->fake, .refusals = refusals, .is_wrong = is_wrong};
    crypto_box_keypair(f->script.public_key, f->script.secret_key);
    const sw_client_options options = {.size = sizeof(options), .key_file = "off"};
    assert_int_equal(sw_client_open(f->fake.endpoint, &options, &f->client, &error), SW_OK);
    assert_int_equal(pthread_create(&f->thread, NULL, serve, &f->script), 0);
}

static void end(fixture *f)
{
    atomic_store(&f->script.is_over, true);
    pthread_join(f->thread, NULL);
    sw_client_close(&f->client);
    if (f->script.content != NULL)
        sw__secret_content__free_unpacked(f->script.content, NULL);
    fake_close(&f->fake);
}

static sw_code set(fixture *f, const char *value, size_t size, Sw__Secret **stored, sw_error *error)
{
    Sw__SetSecretRequest request = SW__SET_SECRET_REQUEST__INIT;
    request.type = (char *)"Certificate";
    request.key = (char *)"isover";
    request.field = (char *)"private_key";
    return sw_client_set_secret(f->client, &request, value, size, NULL, stored, error);
}

static void test_set(void **state)
{
    (void)state;
    fixture f;
    sw_error error;
    Sw__Secret *stored = NULL;
    begin(&f, 0, false);
    assert_int_equal(set(&f, SECRET, strlen(SECRET), &stored, &error), SW_OK);
    assert_string_equal(stored->type, "Certificate");
    sw__secret__free_unpacked(stored, NULL);
    assert_string_equal(f.script.key_id, "k-1");
    assert_string_equal(f.script.content->type, "Certificate");
    assert_string_equal(f.script.content->key, "isover");
    assert_string_equal(f.script.content->field, "private_key");
    assert_memory_equal(f.script.content->value.data, SECRET, f.script.content->value.len);
    assert_int_equal(set(&f, "a\0b", 3, NULL, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(set(&f, "\xff", 1, NULL, &error), SW_INVALID_ARGUMENT);
    end(&f);
    assert_int_equal(f.script.sets, 1);
}

/* The master key is replaced between the two calls: once, and again and again. */
static void test_rotation(void **state)
{
    (void)state;
    fixture f;
    sw_error error;
    begin(&f, 2, false);
    assert_int_equal(set(&f, SECRET, strlen(SECRET), NULL, &error), SW_OK);
    assert_string_equal(f.script.key_id, "k-3");
    end(&f);
    begin(&f, 100, false);
    assert_int_equal(set(&f, SECRET, strlen(SECRET), NULL, &error), SW_FAILED_PRECONDITION);
    assert_string_equal(error.field, "key_id");
    end(&f);
    assert_int_equal(f.script.sets, 3);
}

static void test_read(void **state)
{
    (void)state;
    fixture f;
    sw_error error;
    char *value;
    size_t size;
    Sw__ReadSecretRequest request = SW__READ_SECRET_REQUEST__INIT;
    begin(&f, 0, false);
    assert_int_equal(sw_client_read_secret(f.client, &request, NULL, &value, &size, &error), SW_OK);
    assert_string_equal(value, SECRET);
    assert_int_equal(size, strlen(SECRET));
    sw_client_drop_secret(&value);
    assert_null(value);
    sw_client_drop_secret(&value);
    end(&f);
    begin(&f, 0, true);
    assert_int_equal(sw_client_read_secret(f.client, &request, NULL, &value, &size, &error), SW_DATA_LOSS);
    assert_null(value);
    end(&f);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_set),
        cmocka_unit_test(test_rotation),
        cmocka_unit_test(test_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

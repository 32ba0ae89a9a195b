/* The services' own parts when memory runs out: each allocation in turn fails. A secret is sealed
 * and opened whole or not at all, and a good certificate is never called a bad one. What libcrypto
 * and libsodium allocate themselves is left alone. */
#include "base/error.h"
#include "heap.h"
#include "service/certificate.h"
#include "service/private_key.h"
#include "service/transit.h"
#include "service/vault.h"
#include "sitewire/referential/v1/referential.pb-c.h"
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <setjmp.h>
#include <sodium.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

/* True for success; a failure is RESOURCE_EXHAUSTED, with a message. */
static bool is_good(sw_code code, const sw_error *error)
{
    if (code == SW_OK)
        return true;
    if (code != SW_RESOURCE_EXHAUSTED)
        fail_msg("code %d: %s", code, error->message);
    assert_int_equal(error->code, code);
    assert_true(error->message[0] != '\0');
    return false;
}

/* --- secrets --- */

static void seal_and_open(void *context)
{
    static const sw_master_key key = {"k-1", {1, 2, 3}};
    static const sw_subject subject = {"Certificate", "private_key", 7};
    (void)context;
    sw_arena *arena = sw_arena_new_with(16, 0);
    ProtobufCBinaryData sealed = {0};
    sw_error error = {0};
    char *text = NULL;
    if (arena == NULL)
        return;
    if (is_good(sw_seal(&key, &subject, "geheim", arena, &sealed, &error), &error)) {
        if (is_good(sw_unseal(&key, &subject, &sealed, arena, &text, &error), &error))
            assert_string_equal(text, "geheim");
        else
            assert_null(text);
    } else {
        assert_null(sealed.data);
    }
    sw_arena_destroy(&arena);
}

/* What a client seals is opened, and sealed for a reader. */
static void pass_on(void *context)
{
    static const sw_master_key key = {"k-1", {1, 2, 3}};
    (void)context;
    char public_key[SW_KEY_SIZE];
    sw_arena *arena = sw_arena_new_with(16, 0);
    ProtobufCBinaryData sealed = {0}, content = {0};
    sw_error error = {0};
    if (arena == NULL)
        return;
    sw_transit_public_key(&key, public_key);
    if (is_good(sw_transit_seal(public_key, "geheim", arena, &sealed, &error), &error) &&
        is_good(sw_transit_open(&key, &sealed, arena, &content, &error), &error))
        assert_memory_equal(content.data, "geheim", 7);
    sw_arena_destroy(&arena);
}

static char key_file[] = "/tmp/test-service-memory.XXXXXX";

static void open_vault(void *context)
{
    const char *newest = context;
    sw_vault *vault;
    const sw_master_key *key;
    sw_error error = {0};
    sw_code code = sw_vault_new(key_file, &vault, &error);
    assert_int_equal(code == SW_OK, vault != NULL);
    if (!is_good(code, &error))
        return;
    assert_int_equal(sw_vault_newest(vault, &key, &error), SW_OK);
    assert_string_equal(key->id, newest);
    assert_int_equal(sw_vault_find(vault, newest, &key, &error), SW_OK);
    sw_vault_destroy(&vault);
}

static void test_secrets(void **state)
{
    (void)state;
    char id[SW_MASTER_KEY_ID];
    sw_error error;
    assert_true(sodium_init() >= 0);
    assert_true(sw_heap_each(seal_and_open, NULL) > 4);
    assert_int_equal(sw_heap_each(pass_on, NULL), 5);
    close(mkstemp(key_file)); /* a name of our own */
    unlink(key_file);
    assert_int_equal(sw_keyring_add(key_file, id, &error), SW_OK);
    int runs = sw_heap_each(open_vault, id);
    unlink(key_file);
    assert_int_equal(runs, 3);
}

/* --- certificates --- */

static char certificate[4096], private_key[4096];

static void read_text(BIO *bio, char *to, size_t room)
{
    int size = BIO_read(bio, to, (int)room - 1);
    assert_true(size > 0);
    to[size] = '\0';
    BIO_free(bio);
}

static void make_certificate(EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    ASN1_TIME_set_string(X509_getm_notBefore(x), "20260102030405Z");
    ASN1_TIME_set_string(X509_getm_notAfter(x), "20991231235959Z");
    X509_set_pubkey(x, key);
    X509_NAME_add_entry_by_txt(X509_get_subject_name(x), "CN", MBSTRING_UTF8,
                               (const unsigned char *)"île.example", -1, -1, 0);
    X509_EXTENSION *names =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:a.example,DNS:b.example,IP:10.0.0.1");
    assert_non_null(names);
    X509_add_ext(x, names, -1);
    X509_EXTENSION_free(names);
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x);
    X509_free(x);
    read_text(bio, certificate, sizeof(certificate));
}

static int make_both(void **state)
{
    (void)state;
    EVP_PKEY *key = EVP_EC_gen("P-256");
    BIO *bio = BIO_new(BIO_s_mem());
    if (key == NULL || bio == NULL)
        return -1;
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    read_text(bio, private_key, sizeof(private_key));
    make_certificate(key);
    EVP_PKEY_free(key);
    return 0;
}

/* `filled` bytes of the arena are used before, so that each of its pieces is once the first in a
 * new block. */
static void read_certificate(void *context)
{
    const size_t *filled = context;
    sw_arena *arena = sw_arena_new_with(512, 0);
    sw_error error = {0};
    Sw__Certificate message = SW__CERTIFICATE__INIT;
    message.certificate = certificate;
    if (arena == NULL)
        return;
    sw_arena_alloc(arena, *filled);
    if (is_good(sw_certificate_read(&message.base, arena, &error), &error)) {
        assert_string_equal(message.subject, "CN=île.example");
        assert_int_equal(message.not_before->seconds, 1767323045);
        assert_int_equal(message.n_alternative_names, 3);
        assert_string_equal(message.alternative_names[2], "10.0.0.1");
    }
    sw_arena_destroy(&arena);
}

static void check_key(void *context)
{
    (void)context;
    sw_error error = {0};
    is_good(sw_private_key_check(private_key, certificate, NULL, &error), &error);
}

static void test_certificates(void **state)
{
    (void)state;
    for (size_t filled = 16; filled <= 512; filled += 16)
        assert_in_range(sw_heap_each(read_certificate, &filled), 3, 4);
    assert_int_equal(sw_heap_each(check_key, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_secrets),
        cmocka_unit_test_setup(test_certificates, make_both),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

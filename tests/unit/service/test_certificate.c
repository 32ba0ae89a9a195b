/* Reading certificates: those that libcrypto makes here, and what is none. */
#include "service/certificate.h"
#include "sitewire/referential/v1/referential.pb-c.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static EVP_PKEY *key;

static char *text_of(BIO *bio)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    char *text = strndup(data, (size_t)size);
    BIO_free(bio);
    return text;
}

/* A self-signed certificate of 2026-01-02 03:04:05 to 2099-12-31 23:59:59. */
static char *make_certificate(const char *common_name, const char *alternative_names)
{
    X509 *x = X509_new();
    X509_set_version(x, 2);
    ASN1_INTEGER_set(X509_get_serialNumber(x), 1);
    ASN1_TIME_set_string(X509_getm_notBefore(x), "20260102030405Z");
    ASN1_TIME_set_string(X509_getm_notAfter(x), "20991231235959Z");
    X509_set_pubkey(x, key);
    X509_NAME *name = X509_get_subject_name(x);
    X509_NAME_add_entry_by_txt(name, "O", MBSTRING_UTF8, (const unsigned char *)"Île, Inc.", -1, -1, 0);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8, (const unsigned char *)common_name, -1, -1, 0);
    X509_set_issuer_name(x, name);
    if (alternative_names) {
        X509_EXTENSION *extension = X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, alternative_names);
        assert_non_null(extension);
        X509_add_ext(x, extension, -1);
        X509_EXTENSION_free(extension);
    }
    assert_true(X509_sign(x, key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x);
    X509_free(x);
    return text_of(bio);
}

static char *make_request(void)
{
    X509_REQ *request = X509_REQ_new();
    X509_REQ_set_pubkey(request, key);
    assert_true(X509_REQ_sign(request, key, EVP_sha256()) > 0);
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_REQ(bio, request);
    X509_REQ_free(request);
    return text_of(bio);
}

static char *make_private_key(void)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, NULL, NULL, 0, NULL, NULL);
    return text_of(bio);
}

static char *join(const char *one, const char *two)
{
    char *text;
    assert_true(asprintf(&text, "%s%s", one, two) > 0);
    return text;
}

static sw_code read_one(Sw__Certificate *message, sw_arena *arena, sw_error *error)
{
    *error = (sw_error){0};
    return sw_certificate_read(&message->base, arena, error);
}

static void test_read(void **state)
{
    sw_arena *arena = *state;
    sw_error error;
    Sw__Certificate message = SW__CERTIFICATE__INIT;
    char *pem =
        make_certificate("isover.fr", "DNS:isover.fr,DNS:WWW.isover.fr,IP:10.0.0.1,IP:fe80::1,email:a@b.fr");
    message.certificate = pem;
    assert_int_equal(read_one(&message, arena, &error), SW_OK);
    assert_int_equal(message.not_before->seconds, 1767323045);
    assert_int_equal(message.not_after->seconds, 4102444799);
    assert_string_equal(message.subject, "CN=isover.fr,O=Île\\, Inc.");
    assert_int_equal(message.n_alternative_names, 4);
    static const char *const names[] = {"isover.fr", "www.isover.fr", "10.0.0.1", "fe80::1"};
    for (size_t i = 0; i < 4; i++)
        assert_string_equal(message.alternative_names[i], names[i]);
    free(pem);
    /* None. */
    message = (Sw__Certificate)SW__CERTIFICATE__INIT;
    message.certificate = pem = make_certificate("x", NULL);
    assert_int_equal(read_one(&message, arena, &error), SW_OK);
    assert_int_equal(message.n_alternative_names, 0);
    free(pem);
}

static void test_cleared(void **state)
{
    sw_error error;
    Sw__Certificate message = SW__CERTIFICATE__INIT;
    assert_int_equal(read_one(&message, *state, &error), SW_OK);
    assert_null(message.subject); /* not named: left alone */
    message.certificate = (char[]){""};
    assert_int_equal(read_one(&message, *state, &error), SW_OK);
    assert_string_equal(message.subject, "");
    assert_null(message.not_before);
    assert_null(message.not_after);
    assert_int_equal(message.n_alternative_names, 0);
}

static void test_chain_and_request(void **state)
{
    sw_error error;
    Sw__Certificate message = SW__CERTIFICATE__INIT;
    char *one = make_certificate("one", NULL), *two = make_certificate("two", NULL), *csr = make_request();
    message.intermediates = join(one, two);
    message.csr = csr;
    assert_int_equal(read_one(&message, *state, &error), SW_OK);
    assert_null(message.subject);
    /* One in the place of the other. */
    char *chain = message.intermediates;
    message.intermediates = csr;
    assert_int_equal(read_one(&message, *state, &error), SW_INVALID_ARGUMENT);
    assert_string_equal(error.field, "certificate.intermediates");
    message.intermediates = NULL;
    message.csr = one;
    assert_int_equal(read_one(&message, *state, &error), SW_INVALID_ARGUMENT);
    assert_string_equal(error.field, "certificate.csr");
    message.csr = NULL;
    message.certificate = chain;
    assert_int_equal(read_one(&message, *state, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "intermediates"));
    free(chain);
    free(one);
    free(two);
    free(csr);
}

static void test_refused(void **state)
{
    char *pem = make_certificate("x", NULL), *private_key = make_private_key(),
         *both = join(pem, private_key);
    char *wild = make_certificate("x", "DNS:a b");
    char *cut = strdup(pem), *flipped = strdup(pem);
    cut[strlen(cut) / 2] = '\0';
    flipped[strlen("-----BEGIN CERTIFICATE-----\n") + 1] ^= 1;
    char *large = malloc(300 * 1024);
    memset(large, 'x', 300 * 1024 - 1);
    large[300 * 1024 - 1] = '\0';
    const struct {
        char *pem;
        const char *message;
    } rows[] = {
        {private_key, "private key"},
        {both, "private key"},
        {cut, "damaged"},
        {flipped, "no X.509 certificate"},
        {large, "bytes are too many"},
        {wild, "alternative names is no DNS name"},
        {(char[]){"hello"}, "there is no certificate"},
        {(char[]){"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n"}, "no X.509 certificate"},
        {(char[]){"-----BEGIN CERTIFICATE-----\n!!!!\n-----END CERTIFICATE-----\n"}, "damaged"},
        {(char[]){"-----BEGIN CERTIFICATE-----\nProc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\nAAAA\n"
                  "-----END CERTIFICATE-----\n"},
         "encrypted"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sw_error error;
        Sw__Certificate message = SW__CERTIFICATE__INIT;
        message.certificate = rows[i].pem;
        assert_int_equal(read_one(&message, *state, &error), SW_INVALID_ARGUMENT);
        assert_string_equal(error.field, "certificate.certificate");
        if (!strstr(error.message, rows[i].message))
            fail_msg("row %zu: %s", i, error.message);
    }
    free(pem);
    free(private_key);
    free(both);
    free(wild);
    free(cut);
    free(flipped);
    free(large);
}

/* Wherever a private key stands, it is not kept where everybody reads it. */
static void test_private_keys(void **state)
{
    char *pem = make_certificate("x", NULL), *csr = make_request(), *private_key = make_private_key();
    char *indented = join(" ", private_key), *texts[] = {private_key, indented};
    for (size_t i = 0; i < 2; i++) {
        char *with_pem = join(pem, texts[i]), *with_csr = join(csr, texts[i]), *before = join(texts[i], csr);
        const struct {
            Sw__Certificate message;
            const char *field;
        } rows[] = {
            {{.base = PROTOBUF_C_MESSAGE_INIT(&sw__certificate__descriptor), .certificate = with_pem},
             "certificate.certificate"},
            {{.base = PROTOBUF_C_MESSAGE_INIT(&sw__certificate__descriptor), .intermediates = with_pem},
             "certificate.intermediates"},
            {{.base = PROTOBUF_C_MESSAGE_INIT(&sw__certificate__descriptor), .csr = with_csr},
             "certificate.csr"},
            {{.base = PROTOBUF_C_MESSAGE_INIT(&sw__certificate__descriptor), .csr = before},
             "certificate.csr"},
        };
        for (size_t n = 0; n < sizeof(rows) / sizeof(rows[0]); n++) {
            sw_error error;
            Sw__Certificate message = rows[n].message;
            assert_int_equal(read_one(&message, *state, &error), SW_INVALID_ARGUMENT);
            assert_string_equal(error.field, rows[n].field);
            assert_non_null(strstr(error.message, "private key"));
        }
        free(with_pem);
        free(with_csr);
        free(before);
    }
    free(pem);
    free(csr);
    free(private_key);
    free(indented);
}

static int set_up(void **state)
{
    *state = sw_arena_new(0);
    return *state ? 0 : -1;
}

static int tear_down(void **state)
{
    sw_arena *arena = *state;
    sw_arena_destroy(&arena);
    return 0;
}

int main(void)
{
    key = EVP_EC_gen("P-256");
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_read, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_cleared, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_chain_and_request, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_refused, set_up, tear_down),
        cmocka_unit_test_setup_teardown(test_private_keys, set_up, tear_down),
    };
    int failures = cmocka_run_group_tests(tests, NULL, NULL);
    EVP_PKEY_free(key);
    return failures;
}

/* Private keys: those of a certificate or a request, those of another, and what is none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "service/private_key.h"
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static EVP_PKEY *rsa, *ec;

static int set_up(void **state)
{
    (void)state;
    rsa = EVP_RSA_gen(2048);
    ec = EVP_EC_gen("P-256");
    return rsa != NULL && ec != NULL ? 0 : -1;
}

static int tear_down(void **state)
{
    (void)state;
    EVP_PKEY_free(rsa);
    EVP_PKEY_free(ec);
    return 0;
}

static char *text_of(BIO *bio)
{
    char *data;
    long size = BIO_get_mem_data(bio, &data);
    char *text = strndup(data, (size_t)size);
    BIO_free(bio);
    return text;
}

static char *private_of(EVP_PKEY *key, const EVP_CIPHER *cipher)
{
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_PrivateKey(bio, key, cipher, (const unsigned char *)"pass", cipher ? 4 : 0, NULL, NULL);
    return text_of(bio);
}

static char *certificate_of(EVP_PKEY *key)
{
    X509 *x = X509_new();
    X509_gmtime_adj(X509_getm_notBefore(x), 0);
    X509_gmtime_adj(X509_getm_notAfter(x), 1000);
    X509_set_pubkey(x, key);
    X509_sign(x, key, EVP_sha256());
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509(bio, x);
    X509_free(x);
    return text_of(bio);
}

static char *request_of(EVP_PKEY *key)
{
    X509_REQ *request = X509_REQ_new();
    X509_REQ_set_pubkey(request, key);
    X509_REQ_sign(request, key, EVP_sha256());
    BIO *bio = BIO_new(BIO_s_mem());
    PEM_write_bio_X509_REQ(bio, request);
    X509_REQ_free(request);
    return text_of(bio);
}

static void test_whose(void **state)
{
    (void)state;
    sw_error error;
    EVP_PKEY *keys[] = {rsa, ec};
    for (int i = 0; i < 2; i++) {
        char *mine = private_of(keys[i], NULL), *certificate = certificate_of(keys[i]),
             *request = request_of(keys[i]);
        char *others = certificate_of(keys[!i]), *others_request = request_of(keys[!i]);
        assert_int_equal(sw_private_key_check(mine, certificate, NULL, &error), SW_OK);
        assert_int_equal(sw_private_key_check(mine, NULL, request, &error), SW_OK);
        assert_int_equal(sw_private_key_check(mine, "", "", &error), SW_OK);
        assert_int_equal(sw_private_key_check(mine, certificate, others_request, &error),
                         SW_OK); /* the former counts */
        assert_int_equal(sw_private_key_check(mine, others, request, &error), SW_FAILED_PRECONDITION);
        assert_non_null(strstr(error.message, "certificate"));
        assert_int_equal(sw_private_key_check(mine, "", others_request, &error), SW_FAILED_PRECONDITION);
        assert_non_null(strstr(error.message, "request"));
        assert_int_equal(sw_private_key_check(mine, "no PEM", NULL, &error), SW_FAILED_PRECONDITION);
        assert_int_equal(sw_private_key_check(certificate, certificate, NULL, &error), SW_INVALID_ARGUMENT);
        free(mine), free(certificate), free(request), free(others), free(others_request);
    }
}

static void test_none(void **state)
{
    (void)state;
    sw_error error;
    char *mine = private_of(rsa, NULL), *locked = private_of(rsa, EVP_aes_256_cbc()), *two = NULL,
         *text = NULL;
    assert_int_equal(sw_private_key_check(locked, NULL, NULL, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "pass phrase"));
    assert_true(asprintf(&two, "%s%s", mine, mine) > 0);
    assert_int_equal(sw_private_key_check(two, NULL, NULL, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "several"));
    assert_true(asprintf(&text, "Bag Attributes\n  name: x\n%s\n", mine) > 0);
    assert_int_equal(sw_private_key_check(text, NULL, NULL, &error), SW_OK);
    static const char *const none[] = {"", "x", "-----BEGIN PRIVATE KEY-----\n",
                                       "-----BEGIN PRIVATE KEY-----\nAAAA\n"
                                       "-----END PRIVATE KEY-----\n"};
    for (size_t i = 0; i < sizeof(none) / sizeof(*none); i++)
        assert_int_equal(sw_private_key_check(none[i], NULL, NULL, &error), SW_INVALID_ARGUMENT);
    size_t size = strlen(mine);
    for (size_t i = 0; i < size; i += 7) { /* damaged in any place: no crash, and no leak of it */
        char kept = mine[i];
        mine[i] = '#';
        if (sw_private_key_check(mine, NULL, NULL, &error) != SW_OK)
            assert_int_equal(error.code, SW_INVALID_ARGUMENT);
        mine[i] = kept;
    }
    free(mine), free(locked), free(two), free(text);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_whose), cmocka_unit_test(test_none)};
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

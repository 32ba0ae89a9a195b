/* Reads a private key with libcrypto and compares its public half (private_key.h). The PEM of the
 * key is hostile input; the certificate was checked before it was stored (certificate.c). */
#include "service/private_key.h"

#include "base/error.h"
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <string.h>

static int no_pass_phrase(char *buffer, int size, int writes, void *asked)
{
    (void)buffer;
    (void)size;
    (void)writes;
    *(bool *)asked = true;
    return -1;
}

static EVP_PKEY *read_private(BIO *text, bool *encrypted)
{
    EVP_PKEY *key = PEM_read_bio_PrivateKey(text, NULL, no_pass_phrase, encrypted);
    ERR_clear_error();
    return key;
}

/* The public key of a certificate or of a request; NULL if it cannot be read. */
static EVP_PKEY *read_public(const char *pem, bool is_request)
{
    BIO *text = BIO_new_mem_buf(pem, -1);
    EVP_PKEY *key = NULL;
    if (text == NULL)
        return NULL;
    if (is_request) {
        X509_REQ *request = PEM_read_bio_X509_REQ(text, NULL, NULL, NULL);
        key = request != NULL ? X509_REQ_get_pubkey(request) : NULL;
        X509_REQ_free(request);
    } else {
        X509 *x = PEM_read_bio_X509(text, NULL, NULL, NULL);
        key = x != NULL ? X509_get_pubkey(x) : NULL;
        X509_free(x);
    }
    BIO_free(text);
    ERR_clear_error();
    return key;
}

static sw_code compare(const EVP_PKEY *key, const char *certificate, const char *csr, sw_error *error)
{
    bool is_request = certificate == NULL || *certificate == '\0';
    const char *pem = is_request ? csr : certificate;
    if (pem == NULL || *pem == '\0')
        return SW_OK;
    EVP_PKEY *other = read_public(pem, is_request);
    bool same = other != NULL && EVP_PKEY_eq(key, other) == 1;
    EVP_PKEY_free(other);
    ERR_clear_error();
    return same ? SW_OK
                : sw_fail(error, SW_FAILED_PRECONDITION,
                          "this is not the private key of the %s that is stored: store that first, or give "
                          "its own key",
                          is_request ? "request" : "certificate");
}

sw_code sw_private_key_check(const char *pem, const char *certificate, const char *csr, sw_error *error)
{
    bool encrypted = false;
    BIO *text = BIO_new_mem_buf(pem, -1);
    if (text == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    EVP_PKEY *key = read_private(text, &encrypted);
    bool several = false;
    if (key != NULL) {
        bool ignored;
        EVP_PKEY *next = read_private(text, &ignored);
        several = next != NULL;
        EVP_PKEY_free(next);
    }
    BIO_free(text);
    sw_code code = SW_OK;
    if (encrypted)
        code = sw_fail(error, SW_INVALID_ARGUMENT,
                       "the key has a pass phrase; give it without: openssl pkey -in FILE");
    else if (key == NULL)
        code = sw_fail(error, SW_INVALID_ARGUMENT,
                       "this is no private key; PEM begins with -----BEGIN PRIVATE KEY-----");
    else if (several)
        code = sw_fail(error, SW_INVALID_ARGUMENT,
                       "there are several private keys; give the one of the certificate");
    else
        code = compare(key, certificate, csr, error);
    EVP_PKEY_free(key);
    return code;
}

/* Reads X.509 certificates, chains and requests with libcrypto (certificate.h). The input is
 * hostile:
 * sizes are bounded, no pass phrase is asked for, and every text is checked to be valid UTF-8. */
#include "service/certificate.h"
#include "base/error.h"
#include "base/utf8.h"
#include "sitewire/referential/v1/referential.pb-c.h"
#include <arpa/inet.h>
#include <ctype.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <string.h>
#include <time.h>

#define PEM_SIZE_MAX (256 * 1024) /* also in sitewire.is_pem */
#define YEAR_FIRST   1            /* of a protobuf Timestamp; the last one, 9999, is also that of X.509 */

/* One PEM block. Empty when it has been read to the end. */
typedef struct block {
    char *name, *header;
    unsigned char *data;
    long size;
} block;

static void block_clear(block *b)
{
    OPENSSL_free(b->name);
    OPENSSL_free(b->header);
    OPENSSL_free(b->data);
    *b = (block){0};
}

/* The next block, of the type wanted. At the end of the text b->name is NULL. */
static sw_code block_next(BIO *text, const char *field, const char *wanted, block *b, sw_error *error)
{
    ERR_clear_error();
    if (!PEM_read_bio(text, &b->name, &b->header, &b->data, &b->size)) {
        bool end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
        ERR_clear_error();
        *b = (block){0};
        return end ? SW_OK
                   : sw_fail_field(error, SW_INVALID_ARGUMENT, field,
                                   "the PEM is damaged; copy it again, whole");
    }
    if (strcmp(b->name, wanted) != 0 &&
        (strncmp(b->name, "NEW ", 4) != 0 || strcmp(b->name + 4, wanted) != 0)) {
        return sw_fail_field(error, SW_INVALID_ARGUMENT, field, "a PEM block is a %.64s; it should be a %s",
                             b->name, wanted);
    }
    if (*b->header) {
        return sw_fail_field(error, SW_INVALID_ARGUMENT, field, "the PEM is encrypted; give it in the clear");
    }
    return SW_OK;
}

static sw_code open_text(const char *field, const char *pem, BIO **text, sw_error *error)
{
    size_t size = strlen(pem);
    if (size > PEM_SIZE_MAX) {
        return sw_fail_field(error, SW_INVALID_ARGUMENT, field, "%zu bytes are too many; %d are the most",
                             size, PEM_SIZE_MAX);
    }
    /* Anywhere in the text, also outside of blocks: it is stored unchanged, and everybody may read
     * it. */
    if (strstr(pem, "PRIVATE KEY-----")) {
        return sw_fail_field(error, SW_INVALID_ARGUMENT, field,
                             "this holds a private key: take it out, and keep it by `sitewire secret set`");
    }
    *text = BIO_new_mem_buf(pem, (int)size);
    return *text ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

static X509 *parse_certificate(const block *b)
{
    const unsigned char *at = b->data;
    X509 *x = d2i_X509(NULL, &at, b->size);
    if (x && at != b->data + b->size) {
        X509_free(x);
        x = NULL;
    }
    return x;
}

static bool parse_request(const block *b)
{
    const unsigned char *at = b->data;
    X509_REQ *request = d2i_X509_REQ(NULL, &at, b->size);
    bool good = request && at == b->data + b->size;
    X509_REQ_free(request);
    return good;
}

/* Reads the certificates of a text, at most `most`. If `first` is not NULL, it gets the first one,
 * which the caller frees. */
static sw_code read_certificates(const char *field, const char *pem, int most, X509 **first, sw_error *error)
{
    BIO *text = NULL;
    block b = {0};
    sw_code code = open_text(field, pem, &text, error);
    int count = 0;
    while (!code) {
        code = block_next(text, field, "CERTIFICATE", &b, error);
        if (code || !b.name) {
            break;
        }
        X509 *x = parse_certificate(&b);
        if (!x) {
            code = sw_fail_field(error, SW_INVALID_ARGUMENT, field,
                                 "certificate %d of the PEM is no X.509 certificate", count + 1);
        } else if (count == most) {
            code =
                sw_fail_field(error, SW_INVALID_ARGUMENT, field,
                              most == 1 ? "there are several certificates; put the chain into intermediates"
                                        : "there are too many certificates");
        }
        if (!code && first && count == 0) {
            *first = x;
        } else {
            X509_free(x);
        }
        count++;
        block_clear(&b);
    }
    if (!code && count == 0) {
        code = sw_fail_field(error, SW_INVALID_ARGUMENT, field,
                             "there is no certificate; PEM begins with -----BEGIN CERTIFICATE-----");
    }
    block_clear(&b);
    BIO_free(text);
    return code;
}

static sw_code check_request(const char *field, const char *pem, sw_error *error)
{
    BIO *text = NULL;
    block b = {0};
    sw_code code = open_text(field, pem, &text, error);
    if (!code) {
        code = block_next(text, field, "CERTIFICATE REQUEST", &b, error);
    }
    if (!code && (!b.name || !parse_request(&b))) {
        code = sw_fail_field(
            error, SW_INVALID_ARGUMENT, field,
            "there is no certificate request; PEM begins with -----BEGIN CERTIFICATE REQUEST-----");
    }
    block_clear(&b);
    BIO_free(text);
    return code;
}

static sw_code out_of_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

static sw_code read_time(const ASN1_TIME *from, Google__Protobuf__Timestamp **to, sw_arena *arena,
                         sw_error *error)
{
    struct tm tm = {0};
    if (!from || !ASN1_TIME_to_tm(from, &tm) || tm.tm_year + 1900 < YEAR_FIRST) {
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "certificate.certificate",
                             "its time of validity cannot be read");
    }
    *to = sw_arena_alloc(arena, sizeof(**to));
    if (!*to) {
        return out_of_memory(error);
    }
    google__protobuf__timestamp__init(*to);
    (*to)->seconds = timegm(&tm);
    return SW_OK;
}

/* In the form of RFC 2253: in UTF-8 or, if the name is not valid UTF-8, escaped beyond ASCII. */
static sw_code read_subject(const X509 *x, char **to, sw_arena *arena, sw_error *error)
{
    static const unsigned long forms[] = {XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB,
                                          XN_FLAG_RFC2253};
    bool is_short = false;
    *to = NULL;
    for (size_t i = 0; !*to && !is_short && i < sizeof(forms) / sizeof(forms[0]); i++) {
        BIO *out = BIO_new(BIO_s_mem());
        char *text = NULL;
        if (out && X509_NAME_print_ex(out, X509_get_subject_name(x), 0, forms[i]) >= 0) {
            long size = BIO_get_mem_data(out, &text);
            if (size >= 0 && sw_utf8_valid(text, (size_t)size)) {
                *to = sw_arena_strndup(arena, size ? text : "", (size_t)size);
                is_short = !*to;
            }
        }
        BIO_free(out);
    }
    ERR_clear_error();
    if (is_short) {
        return out_of_memory(error);
    }
    return *to ? SW_OK
               : sw_fail_field(error, SW_INVALID_ARGUMENT, "certificate.certificate",
                               "its subject cannot be read");
}

/* A DNS name in lower case or an IP address; *to stays NULL for other kinds of names. */
static sw_code read_name(const GENERAL_NAME *name, char **to, sw_arena *arena, sw_error *error)
{
    int type;
    const ASN1_STRING *value = GENERAL_NAME_get0_value(name, &type);
    *to = NULL;
    if (type != GEN_DNS && type != GEN_IPADD) {
        return SW_OK;
    }
    const unsigned char *data = ASN1_STRING_get0_data(value);
    int size = ASN1_STRING_length(value);
    if (type == GEN_IPADD && (size == 4 || size == 16)) {
        char address[INET6_ADDRSTRLEN];
        inet_ntop(size == 4 ? AF_INET : AF_INET6, data, address, sizeof(address));
        *to = sw_arena_strndup(arena, address, strlen(address));
        return *to ? SW_OK : out_of_memory(error);
    }
    bool good = type == GEN_DNS && size > 0 && size <= 255;
    for (int i = 0; good && i < size; i++) {
        good = data[i] > ' ' && data[i] < 0x7f;
    }
    if (!good) {
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "certificate.certificate",
                             "one of its alternative names is no DNS name or address");
    }
    *to = sw_arena_strndup(arena, (const char *)data, (size_t)size);
    for (char *c = *to; c && *c; c++) {
        *c = (char)tolower((unsigned char)*c);
    }
    return *to ? SW_OK : out_of_memory(error);
}

static sw_code read_names(const X509 *x, Sw__Certificate *to, sw_arena *arena, sw_error *error)
{
    int critical;
    GENERAL_NAMES *names = X509_get_ext_d2i(x, NID_subject_alt_name, &critical, NULL);
    if (!names) {
        ERR_clear_error();
        return critical == -1 ? SW_OK /* it has none */
                              : sw_fail_field(error, SW_INVALID_ARGUMENT, "certificate.certificate",
                                              "its alternative names cannot be read");
    }
    int count = sk_GENERAL_NAME_num(names);
    sw_code code = SW_OK;
    to->alternative_names = sw_arena_alloc(arena, ((size_t)count + 1) * sizeof(char *));
    if (!to->alternative_names) {
        code = out_of_memory(error);
    }
    for (int i = 0; !code && i < count; i++) {
        char **slot = &to->alternative_names[to->n_alternative_names];
        code = read_name(sk_GENERAL_NAME_value(names, i), slot, arena, error);
        to->n_alternative_names += !code && *slot;
    }
    GENERAL_NAMES_free(names);
    return code;
}

static sw_code read_all(const X509 *x, Sw__Certificate *to, sw_arena *arena, sw_error *error)
{
    sw_code code = read_time(X509_get0_notBefore(x), &to->not_before, arena, error);
    if (!code) {
        code = read_time(X509_get0_notAfter(x), &to->not_after, arena, error);
    }
    if (!code) {
        code = read_subject(x, &to->subject, arena, error);
    }
    return code ? code : read_names(x, to, arena, error);
}

sw_code sw_certificate_read(ProtobufCMessage *resource, sw_arena *arena, sw_error *error)
{
    Sw__Certificate *certificate = (Sw__Certificate *)resource;
    sw_code code = SW_OK;
    if (certificate->intermediates && *certificate->intermediates) {
        code = read_certificates("certificate.intermediates", certificate->intermediates, 16, NULL, error);
    }
    if (!code && certificate->csr && *certificate->csr) {
        code = check_request("certificate.csr", certificate->csr, error);
    }
    if (code || !certificate->certificate) {
        return code;
    }
    certificate->not_before = certificate->not_after = NULL;
    certificate->n_alternative_names = 0;
    certificate->subject = sw_arena_strndup(arena, "", 0);
    if (!certificate->subject) {
        return out_of_memory(error);
    }
    if (!*certificate->certificate) {
        return SW_OK;
    }
    X509 *x = NULL;
    code = read_certificates("certificate.certificate", certificate->certificate, 1, &x, error);
    if (!code) {
        code = read_all(x, certificate, arena, error);
    }
    X509_free(x);
    return code;
}

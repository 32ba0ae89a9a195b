/* Certificates: what we write CZMQ and our own reader take, what CZMQ writes we take, and no key is
 * ever overwritten. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cert/cert.h"
#include <czmq.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/sw-cert-XXXXXX", path[64];

static int make_folder(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/key", folder);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

static int remove_file(void **state)
{
    (void)state;
    unlink(path);
    return 0;
}

static void make(sw_key_file *key)
{
    sw_error error;
    assert_int_equal(sw_cert_make(key, &error), SW_OK);
    strcpy(key->label, "a laptop = # 1");
    memcpy(key->server_key, key->public_key, SW_KEY_SIZE);
}

static mode_t mode_of(const char *file)
{
    struct stat status;
    assert_int_equal(stat(file, &status), 0);
    return status.st_mode & 07777;
}

static void test_round(void **state)
{
    (void)state;
    sw_key_file made, read;
    sw_error error;
    make(&made);
    umask(0);
    assert_int_equal(sw_cert_write(path, &made, &error), SW_OK);
    assert_int_equal(mode_of(path), 0600);
    assert_int_equal(sw_key_file_read(path, &read, &error), SW_OK);
    assert_memory_equal(&read, &made, sizeof(read));
    zcert_t *cert = zcert_load(path);
    assert_non_null(cert);
    assert_string_equal(zcert_public_txt(cert), made.public_key);
    assert_string_equal(zcert_secret_txt(cert), made.secret_key);
    assert_string_equal(zcert_meta(cert, "label"), made.label);
    zcert_destroy(&cert);
}

/* The folder must be empty afterwards, or remove_folder fails. */
static void test_no_overwrite(void **state)
{
    (void)state;
    sw_key_file made, other, read;
    sw_error error;
    make(&made);
    make(&other);
    assert_string_not_equal(made.public_key, other.public_key);
    assert_int_equal(sw_cert_write(path, &made, &error), SW_OK);
    assert_int_equal(sw_cert_write(path, &other, &error), SW_ALREADY_EXISTS);
    assert_int_equal(sw_key_file_read(path, &read, &error), SW_OK);
    assert_string_equal(read.public_key, made.public_key);
    unlink(path);
    for (size_t i = 0; i < 2; i++) {
        strcpy(other.label, i == 0 ? "two\nlines" : "a \"quote\"");
        assert_int_equal(sw_cert_write(path, &other, &error), SW_INVALID_ARGUMENT);
        assert_string_equal(error.field, "label");
    }
    assert_int_equal(sw_key_file_read(path, &read, &error), SW_NOT_FOUND);
    assert_int_equal(sw_cert_write("/nowhere/at/all", &made, &error), SW_FAILED_PRECONDITION);
}

/* A file that could not be written whole, as on a full disk, is not left behind. */
static void test_full(void **state)
{
    (void)state;
    sw_key_file made, read;
    sw_error error;
    struct rlimit before, small;
    make(&made);
    getrlimit(RLIMIT_FSIZE, &before);
    small = (struct rlimit){.rlim_cur = 64, .rlim_max = before.rlim_max};
    signal(SIGXFSZ, SIG_IGN);
    assert_int_equal(setrlimit(RLIMIT_FSIZE, &small), 0);
    sw_code code = sw_cert_write(path, &made, &error);
    setrlimit(RLIMIT_FSIZE, &before);
    assert_int_equal(code, SW_FAILED_PRECONDITION);
    assert_int_equal(sw_key_file_read(path, &read, &error), SW_NOT_FOUND);
}

static void test_public(void **state)
{
    (void)state;
    sw_key_file made, read;
    sw_error error;
    char text[2048];
    make(&made);
    assert_int_equal(sw_cert_write_public(path, &made, &error), SW_OK);
    assert_int_equal(mode_of(path), 0644);
    int fd = open(path, O_RDONLY);
    ssize_t size = pread(fd, text, sizeof(text) - 1, 0);
    close(fd);
    assert_true(size > 0);
    text[size] = '\0';
    assert_non_null(strstr(text, made.public_key));
    assert_null(strstr(text, made.secret_key));
    chmod(path, 0600);
    assert_int_equal(sw_key_file_read(path, &read, &error), SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, "no secret-key"));
}

/* A file of CZMQ's own, with a name in its metadata that we do not know. */
static void test_of_czmq(void **state)
{
    (void)state;
    sw_key_file read;
    sw_error error;
    zcert_t *cert = zcert_new();
    zcert_set_meta(cert, "organization", "%s", "x");
    assert_int_equal(zcert_save_secret(cert, path), 0);
    chmod(path, 0600);
    assert_int_equal(sw_key_file_read(path, &read, &error), SW_OK);
    assert_string_equal(read.public_key, zcert_public_txt(cert));
    assert_string_equal(read.label, "");
    zcert_destroy(&cert);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_teardown(test_round, remove_file),
                                       cmocka_unit_test_teardown(test_no_overwrite, remove_file),
                                       cmocka_unit_test_teardown(test_full, remove_file),
                                       cmocka_unit_test_teardown(test_public, remove_file),
                                       cmocka_unit_test_teardown(test_of_czmq, remove_file)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

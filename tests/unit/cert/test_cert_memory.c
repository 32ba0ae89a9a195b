/* Certificates when memory runs out: each allocation of ours in turn fails. (CZMQ's own are left
 * alone: it ends the process without memory.) A store that could not be opened is not there, and
 * the folder is as it was. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cert/cert.h"
#include "cert/cert_store.h"
#include "heap.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char folder[] = "/tmp/sw-cert-XXXXXX", path[64], other[64];
static sw_key_file key;

/* Writes a certificate unless memory runs out; then nothing is left. */
static bool write_other(void)
{
    sw_key_file made;
    sw_error error = {0};
    sw_code code = sw_cert_make(&made, &error);
    if (code == SW_OK)
        code = sw_cert_write_public(other, &made, &error);
    sw_key_file_wipe(&made);
    if (code != SW_OK) {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
        assert_int_not_equal(access(other, F_OK), 0);
    }
    return code == SW_OK;
}

static void use_store(void *context)
{
    sw_cert_store *store;
    sw_error error = {0};
    (void)context;
    sw_code code = sw_cert_store_new(folder, &store, &error);
    assert_int_equal(code == SW_OK, store != NULL);
    if (code != SW_OK) {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
        assert_int_equal(error.code, SW_RESOURCE_EXHAUSTED);
        return;
    }
    assert_int_equal(sw_cert_store_find(store, key.public_key, &error), SW_OK);
    if (write_other())
        assert_int_equal(unlink(other), 0);
    assert_int_equal(sw_cert_store_find(store, key.public_key, &error), SW_OK);
    sw_cert_store_destroy(&store);
    assert_null(store);
}

/* The store and the name of its folder. */
static void test_store(void **state)
{
    (void)state;
    assert_int_equal(sw_heap_each(use_store, NULL), 3);
}

static int begin(void **state)
{
    (void)state;
    if (mkdtemp(folder) == NULL)
        return 1;
    snprintf(path, sizeof(path), "%s/first", folder);
    snprintf(other, sizeof(other), "%s/other", folder);
    return sw_cert_make(&key, NULL) != SW_OK || sw_cert_write_public(path, &key, NULL) != SW_OK;
}

static int end(void **state)
{
    (void)state;
    unlink(path);
    return rmdir(folder);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_store)};
    return cmocka_run_group_tests(tests, begin, end);
}

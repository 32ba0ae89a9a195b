/* The folder of certificates: what is in it counts at once, and nobody else may write there. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "cert/cert.h"
#include "cert/cert_store.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[32];
static sw_cert_store *store;
static sw_error error;

static const char *in(const char *name)
{
    static char paths[4][128];
    static int next;
    char *path = paths[next++ % 4];
    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

static int begin(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/sw-certs-XXXXXX");
    return mkdtemp(folder) != NULL ? 0 : -1;
}

static int end(void **state)
{
    (void)state;
    static const char *const names[] = {"a", "b", "c", "note", "link", ".hidden"};
    sw_cert_store_destroy(&store);
    chmod(folder, 0700);
    for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++)
        unlink(in(names[i]));
    rmdir(in("sub"));
    return rmdir(folder);
}

static sw_key_file put(const char *name)
{
    sw_key_file key;
    assert_int_equal(sw_cert_make(&key, &error), SW_OK);
    assert_int_equal(sw_cert_write_public(in(name), &key, &error), SW_OK);
    return key;
}

static void put_text(const char *name, const char *text)
{
    int fd = open(in(name), O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

static void expect(const sw_key_file *key, sw_code code)
{
    assert_int_equal(sw_cert_store_find(store, key->public_key, &error), code);
}

static void test_find(void **state)
{
    (void)state;
    sw_key_file a = put("a"), b;
    assert_int_equal(sw_cert_store_new(folder, &store, &error), SW_OK);
    expect(&a, SW_OK);
    b = put("b");
    expect(&b, SW_OK);
    unlink(in("a"));
    expect(&a, SW_NOT_FOUND);
    expect(&b, SW_OK);
    /* Replaced within the same second, at the same size. */
    unlink(in("b"));
    sw_key_file c = put("b");
    expect(&b, SW_NOT_FOUND);
    expect(&c, SW_OK);
}

/* A broken file is refused at the start, and does not stop a program that runs. Neither prints its
 * lines. */
static void test_broken(void **state)
{
    (void)state;
    sw_key_file a = put("a");
    put_text("note", "not = a\" certificate\n");
    assert_int_equal(sw_cert_store_new(folder, &store, &error), SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, in("note")));
    assert_null(store);
    unlink(in("note"));
    put_text(".hidden", "not = a\" certificate\n");
    assert_int_equal(sw_cert_store_new(folder, &store, &error), SW_OK);
    put_text("note", "not = a\" certificate\n");
    expect(&a, SW_OK);
}

static void test_writable(void **state)
{
    (void)state;
    sw_key_file a = put("a");
    assert_int_equal(sw_cert_store_new(folder, &store, &error), SW_OK);
    chmod(in("a"), 0666);
    expect(&a, SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, "chmod go-w"));
    chmod(in("a"), 0644);
    expect(&a, SW_OK);
    chmod(folder, 0775);
    expect(&a, SW_FAILED_PRECONDITION);
    chmod(folder, 0755);
    expect(&a, SW_OK);
    assert_int_equal(symlink("/tmp", in("link")), 0);
    expect(&a, SW_FAILED_PRECONDITION);
    unlink(in("link"));
    assert_int_equal(mkdir(in("sub"), 0700), 0);
    expect(&a, SW_FAILED_PRECONDITION);
    if (geteuid() == 0) {
        rmdir(in("sub"));
        assert_int_equal(chown(in("a"), 4711, 4711), 0);
        expect(&a, SW_FAILED_PRECONDITION);
    }
}

static void test_no_folder(void **state)
{
    (void)state;
    put_text("note", "x");
    assert_int_equal(sw_cert_store_new(in("note"), &store, &error), SW_FAILED_PRECONDITION);
    assert_int_equal(sw_cert_store_new(in("absent"), &store, &error), SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, in("absent")));
}

/* A key may have two files, and may offer what either names. */
static void test_two_files_of_a_key(void **state)
{
    (void)state;
    sw_key_file key;
    assert_int_equal(sw_cert_make(&key, &error), SW_OK);
    strcpy(key.services, "a.B");
    assert_int_equal(sw_cert_write_public(in("a"), &key, &error), SW_OK);
    assert_int_equal(sw_cert_store_new(folder, &store, &error), SW_OK);
    assert_true(sw_cert_store_changed(store)); /* the first time */
    assert_false(sw_cert_store_changed(store));
    strcpy(key.services, "c.D");
    assert_int_equal(sw_cert_write_public(in("b"), &key, &error), SW_OK);
    assert_true(sw_cert_store_changed(store));
    assert_false(sw_cert_store_changed(store));
    assert_int_equal(sw_cert_store_find(store, key.public_key, &error), SW_OK);
    assert_non_null(strstr(sw_cert_store_services(store, key.public_key), "a.B"));
    assert_non_null(strstr(sw_cert_store_services(store, key.public_key), "c.D"));
    unlink(in("a"));
    assert_true(sw_cert_store_changed(store));
    assert_string_equal(sw_cert_store_services(store, key.public_key), "c.D");
    chmod(folder, 0777); /* others could have put something there */
    assert_false(sw_cert_store_changed(store));
    sw_key_file_wipe(&key);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test_setup_teardown(test_find, begin, end),
                                       cmocka_unit_test_setup_teardown(test_broken, begin, end),
                                       cmocka_unit_test_setup_teardown(test_writable, begin, end),
                                       cmocka_unit_test_setup_teardown(test_no_folder, begin, end),
                                       cmocka_unit_test_setup_teardown(test_two_files_of_a_key, begin, end)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}

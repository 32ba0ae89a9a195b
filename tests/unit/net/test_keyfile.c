/* Key files: both forms are read; a file that others could have read, or that is not a key file, is
 * refused. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "net/keyfile.h"
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zmq.h>

static char folder[] = "/tmp/sw-key-XXXXXX", path[64];

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

static void put(const char *text, size_t size)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, size), (ssize_t)size);
    close(fd);
}

static void make(sw_key_file *key)
{
    memset(key, 0, sizeof(*key));
    assert_int_equal(zmq_curve_keypair(key->public_key, key->secret_key), 0);
}

static void put_pair(const sw_key_file *key)
{
    char text[256];
    int size = snprintf(text, sizeof(text), "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
                        key->public_key, key->secret_key);
    put(text, (size_t)size);
}

/* A certificate as CZMQ writes it, and the lines that sitewire 0.1 wrote. */
static void test_forms(void **state)
{
    (void)state;
    sw_key_file made, read;
    sw_error error;
    char text[1024];
    make(&made);
    for (int i = 0; i < 2; i++) {
        int size =
            i == 0
                ? snprintf(text, sizeof(text),
                           "# x\nmetadata\n    label = \"a laptop = # 1\"\n    server-key = \"%s\"\n"
                           "    name = \"other\"\ncurve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
                           made.public_key, made.public_key, made.secret_key)
                : snprintf(text, sizeof(text),
                           "label = \"a laptop = # 1\"\nserver_key = \"%s\"\npublic_key = \"%s\"\n"
                           "secret_key = \"%s\"\n",
                           made.public_key, made.public_key, made.secret_key);
        put(text, (size_t)size);
        assert_int_equal(sw_key_file_read(path, &read, &error), SW_OK);
        assert_string_equal(read.label, "a laptop = # 1");
        assert_string_equal(read.server_key, made.public_key);
        assert_string_equal(read.public_key, made.public_key);
        assert_string_equal(read.secret_key, made.secret_key);
    }
    unlink(path);
    assert_int_equal(sw_key_file_read(path, &read, &error), SW_NOT_FOUND);
}

static void test_mode(void **state)
{
    (void)state;
    sw_key_file made, read;
    sw_error error;
    make(&made);
    put_pair(&made);
    static const mode_t loose[] = {0640, 0604, 0660, 0644, 0601, 0700};
    for (size_t i = 0; i < sizeof(loose) / sizeof(*loose); i++) {
        chmod(path, loose[i]);
        assert_int_equal(sw_key_file_read(path, &read, &error), SW_FAILED_PRECONDITION);
        assert_non_null(strstr(error.message, "chmod 600"));
        assert_string_equal(read.secret_key, "");
    }
    chmod(path, 0400);
    assert_int_equal(sw_key_file_read(path, &read, &error), SW_OK);
    if (geteuid() == 0) {
        assert_int_equal(chown(path, 4711, 4711), 0);
        assert_int_equal(sw_key_file_read(path, &read, &error), SW_FAILED_PRECONDITION);
        assert_non_null(strstr(error.message, "4711"));
    }
    assert_int_equal(sw_key_file_read(folder, &read, &error), SW_FAILED_PRECONDITION);
    assert_int_equal(sw_key_file_read("/dev/null", &read, &error), SW_FAILED_PRECONDITION);
}

static void test_broken(void **state)
{
    (void)state;
    sw_key_file made, other, read;
    sw_error error;
    char text[8192];
    make(&made);
    make(&other);
    const char *const lines[] = {"public_key = \"short\"", "two words",   "= \"x\"",
                                 "public_key = x",         "label = \"a", "label = \"a\" b"};
    for (size_t i = 0; i < sizeof(lines) / sizeof(*lines); i++) {
        int size = snprintf(text, sizeof(text), "public_key = \"%s\"\nsecret_key = \"%s\"\n%s\n",
                            made.public_key, made.secret_key, lines[i]);
        put(text, (size_t)size);
        assert_int_equal(sw_key_file_read(path, &read, &error), SW_FAILED_PRECONDITION);
        assert_non_null(strstr(error.message, "line 3"));
        assert_null(strstr(error.message, made.secret_key));
    }
    int size = snprintf(text, sizeof(text), "public_key = \"%s\"\nsecret_key = \"%s\"\n", made.public_key,
                        other.secret_key);
    put(text, (size_t)size);
    assert_int_equal(sw_key_file_read(path, &read, &error), SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, "damaged"));
    put("", 0);
    assert_int_equal(sw_key_file_read(path, &read, &error), SW_FAILED_PRECONDITION);
    put("a\0b", 3);
    assert_int_equal(sw_key_file_read(path, &read, &error), SW_FAILED_PRECONDITION);
    memset(text, '\n', sizeof(text));
    put(text, sizeof(text));
    assert_int_equal(sw_key_file_read(path, &read, &error), SW_FAILED_PRECONDITION);
    /* What a later version adds is no failure. */
    size = snprintf(text, sizeof(text), "# mine\r\n\n public_key=\"%s\" \r\nsecret_key = \"%s\"\nnew = \"x\"",
                    made.public_key, made.secret_key);
    put(text, (size_t)size);
    assert_int_equal(sw_key_file_read(path, &read, &error), SW_OK);
}

static void put_client_pair(const sw_key_file *key)
{
    char text[512];
    int size = snprintf(text, sizeof(text),
                        "metadata\n    server-key = \"%s\"\n    next-server-key = \"%s\"\n"
                        "curve\n    public-key = \"%s\"\n    secret-key = \"%s\"\n",
                        key->server_key, key->next_server_key, key->public_key, key->secret_key);
    put(text, (size_t)size);
}

/* A file that was replaced is noticed; one that cannot be used changes nothing. */
static void test_refresh(void **state)
{
    (void)state;
    sw_key_file first, second, other, key;
    sw_file_stamp stamp = {0};
    make(&first);
    make(&second);
    make(&other);
    memcpy(first.server_key, other.public_key, SW_KEY_SIZE);
    memcpy(first.next_server_key, second.public_key, SW_KEY_SIZE);
    put_client_pair(&first);
    assert_int_equal(sw_key_file_read(path, &key, NULL), SW_OK);
    assert_string_equal(key.next_server_key, second.public_key);
    assert_true(sw_file_stamp_changed(path, &stamp));
    assert_false(sw_file_stamp_changed(path, &stamp));
    assert_false(sw_key_file_refresh(path, &key));
    memcpy(first.next_server_key, first.public_key, SW_KEY_SIZE); /* trusts another broker key */
    put_client_pair(&first);
    assert_true(sw_file_stamp_changed(path, &stamp));
    assert_true(sw_key_file_refresh(path, &key));
    assert_string_equal(key.next_server_key, first.public_key);
    put("nonsense", 8);
    assert_false(sw_key_file_refresh(path, &key));
    put_pair(&second); /* trusts no broker */
    assert_false(sw_key_file_refresh(path, &key));
    assert_string_equal(key.public_key, first.public_key);
    memcpy(second.server_key, other.public_key, SW_KEY_SIZE);
    memcpy(second.next_server_key, other.public_key, SW_KEY_SIZE);
    put_client_pair(&second);
    assert_true(sw_key_file_refresh(path, &key));
    assert_string_equal(key.secret_key, second.secret_key);
    unlink(path);
    assert_false(sw_file_stamp_changed(path, &stamp));
    assert_false(sw_key_file_refresh(path, &key));
    sw_key_file_wipe(&key);
}

/* After a hang-up the other key is tried, once at once. */
static void test_two_server_keys(void **state)
{
    (void)state;
    sw_key_file key, other;
    sw_server_choice choice = {0};
    void *context = zmq_ctx_new(), *socket = zmq_socket(context, ZMQ_DEALER);
    char used[SW_KEY_SIZE];
    size_t size = sizeof(used);
    make(&key);
    memcpy(key.server_key, key.public_key, SW_KEY_SIZE);
    assert_true(sw_key_use_as_client(socket, &key, &choice));
    assert_false(sw_server_choice_failed(&choice)); /* there is no other */
    make(&other);
    memcpy(key.next_server_key, other.public_key, SW_KEY_SIZE);
    assert_true(sw_key_use_as_client(socket, &key, &choice));
    assert_true(sw_server_choice_failed(&choice));
    assert_true(sw_key_use_as_client(socket, &key, &choice));
    assert_int_equal(zmq_getsockopt(socket, ZMQ_CURVE_SERVERKEY, used, &size), 0);
    assert_string_equal(used, key.next_server_key);
    sw_server_choice_worked(&choice);
    assert_true(sw_server_choice_failed(&choice)); /* the first one again */
    assert_false(sw_server_choice_failed(&choice));
    assert_true(sw_key_use_as_client(socket, &key, NULL));
    assert_int_equal(zmq_getsockopt(socket, ZMQ_CURVE_SERVERKEY, used, &size), 0);
    assert_string_equal(used, key.server_key);
    sw_key_file_wipe(&key);
    zmq_close(socket);
    zmq_ctx_term(context);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_forms), cmocka_unit_test(test_mode),
                                       cmocka_unit_test(test_broken), cmocka_unit_test(test_refresh),
                                       cmocka_unit_test(test_two_server_keys)};
    return cmocka_run_group_tests(tests, make_folder, remove_folder);
}

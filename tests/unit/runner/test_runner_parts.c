/* The runner's pure parts: the mask of secrets, the spool of output, the directory of a docroot
 * environment. */
#include "base/error.h"
#include "runner/environment.h"
#include "runner/secrets.h"
#include "runner/spool.h"

#include <fcntl.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

static sw_code load(const char *text, mode_t mode, sw_secrets **secrets, sw_error *error)
{
    char path[] = "/tmp/test-runner.XXXXXX";
    int fd = mkstemp(path);
    assert_true(fd >= 0 && write(fd, text, strlen(text)) == (ssize_t)strlen(text) && fchmod(fd, mode) == 0);
    close(fd);
    sw_code code = sw_secrets_load(path, secrets, error);
    unlink(path);
    return code;
}

static void test_file_of_secrets(void **state)
{
    (void)state;
    static const struct {
        const char *text, *words;
        mode_t mode;
    } bad[] = {
        {"A = \"secret\"\n", "mode 0644", 0644},
        {"A = \"abc\"\n", "has 3 bytes", 0600},
        {"PATH = \"/tmp/evil\"\n", "PATH", 0600},
        {"SITEWIRE_VERSION = \"9999\"\n", "SITEWIRE_VERSION", 0600},
        {"LD_PRELOAD = \"/tmp/evil.so\"\n", "LD_PRELOAD", 0600},
        {"1A = \"secret\"\n", "1A", 0600},
    };
    sw_secrets *secrets;
    sw_error error;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(load(bad[i].text, bad[i].mode, &secrets, &error), SW_FAILED_PRECONDITION);
        assert_null(secrets);
        if (strstr(error.message, bad[i].words) == NULL)
            fail_msg("%s: %s", bad[i].text, error.message);
    }
    assert_int_equal(load("# for deployments\nDB_PASSWORD = \"correct horse\"\n\nTOKEN = \"abcd\"\n", 0600,
                          &secrets, &error),
                     SW_OK);
    assert_int_equal(secrets->count, 2);
    assert_string_equal(secrets->secrets[0].name, "DB_PASSWORD");
    assert_string_equal(secrets->secrets[0].value, "correct horse");
    sw_secrets_destroy(&secrets);
    assert_int_equal(sw_secrets_load("", &secrets, &error), SW_OK);
    assert_int_equal(secrets->count, 0);
    sw_secrets_destroy(&secrets);
}

/* Masks `text` in pieces of `step` bytes. */
static void mask(const sw_secrets *secrets, const char *text, size_t step, char *out)
{
    uint8_t buffer[256];
    size_t held = 0, length = strlen(text), to = 0;
    for (size_t at = 0;;) {
        size_t size = length - at < step ? length - at : step;
        memcpy(buffer + held, text + at, size);
        size_t final = sw_secrets_mask(secrets, buffer, held + size, size == 0, &held);
        memcpy(out + to, buffer, final);
        to += final;
        memmove(buffer, buffer + final, held);
        if (size == 0)
            break;
        at += size;
    }
    out[to] = '\0';
}

static void test_mask(void **state)
{
    (void)state;
    static const struct {
        const char *in, *out;
    } cases[] = {
        {"", ""},
        {"nothing here", "nothing here"},
        {"secret", "***"},
        {"a secret, and secrets12, secret1!", "a ***, and ***s12, ***!"},
        {"secret12secret1secret", "*********"},
        {"secre", "secre"},
        {"ssecret secresecret", "s*** secre***"},
        {"aaaab aaaaab", "*** a***"},
    };
    sw_secrets *secrets;
    sw_error error;
    assert_int_equal(
        load("A = \"secret\"\nB = \"secret1\"\nC = \"secret12\"\nD = \"aaaab\"\n", 0600, &secrets, &error),
        SW_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++)
        for (size_t step = 1; step <= 40; step++) {
            char out[256];
            mask(secrets, cases[i].in, step, out);
            if (strcmp(out, cases[i].out) != 0)
                fail_msg("'%s' in pieces of %zu is '%s'", cases[i].in, step, out);
        }
    sw_secrets_destroy(&secrets);
}

static Sw__AppendLogRequest *take(sw_spool *spool)
{
    size_t size;
    uint8_t *packed = sw_spool_take(spool, 7, 2, &size);
    assert_non_null(packed);
    Sw__AppendLogRequest *request = sw__append_log_request__unpack(NULL, size, packed);
    free(packed);
    assert_non_null(request);
    assert_int_equal(request->id, 7);
    assert_int_equal(request->fence, 2);
    return request;
}

static void test_output(void **state)
{
    (void)state;
    sw_spool spool;
    static uint8_t bytes[SW_SPOOL_BATCH_SIZE];
    memset(bytes, 'x', sizeof(bytes));
    assert_int_equal(sw_spool_init(&spool, 1000, NULL), SW_OK);
    assert_true(sw_spool_is_empty(&spool));
    sw_spool_add(&spool, 1, 1, 0, (const uint8_t *)"ab", 2);
    sw_spool_add(&spool, 1, 1, 0, (const uint8_t *)"c", 1);
    sw_spool_add(&spool, 1, 1, 1, (const uint8_t *)"err", 3);
    assert_false(sw_spool_is_empty(&spool)); /* it waits */
    Sw__AppendLogRequest *request = take(&spool);
    assert_false(sw_spool_is_empty(&spool)); /* it is in flight */
    assert_int_equal(request->n_chunks, 2);
    assert_int_equal(request->chunks[0]->offset, 1000);
    assert_memory_equal(request->chunks[0]->bytes.data, "abc", 3);
    assert_string_equal(request->chunks[0]->stream, "stdout");
    assert_int_equal(request->chunks[1]->offset, 1003);
    assert_string_equal(request->chunks[1]->stream, "stderr");
    sw__append_log_request__free_unpacked(request, NULL);
    /* While that is in flight, one more batch has room, which may be a single chunk. */
    assert_int_equal(sw_spool_room(&spool), SW_SPOOL_BATCH_SIZE);
    sw_spool_add(&spool, 1, 2, 0, bytes, sizeof(bytes));
    assert_int_equal(sw_spool_room(&spool), 0);
    assert_false(sw_spool_is_empty(&spool));
    sw_spool_acknowledge(&spool);
    request = take(&spool);
    assert_int_equal(request->n_chunks, 1);
    assert_int_equal(request->chunks[0]->offset, 1006);
    assert_int_equal(request->chunks[0]->bytes.len, SW_SPOOL_BATCH_SIZE);
    assert_int_equal(request->chunks[0]->attempt, 2);
    sw__append_log_request__free_unpacked(request, NULL);
    sw_spool_acknowledge(&spool);
    /* Streams that alternate with each byte are bounded, too. */
    int added = 0;
    while (sw_spool_room(&spool) > 0)
        sw_spool_add(&spool, 1, 1, added++ % 2, bytes, 1);
    assert_in_range(added, SW_SPOOL_CHUNKS_MAX / 2, SW_SPOOL_CHUNKS_MAX);
    request = take(&spool);
    assert_int_equal(request->n_chunks, added);
    for (int i = 0; i < added; i++) /* nothing is left of the batch that was there before */
        assert_int_equal(request->chunks[i]->bytes.len, 1);
    sw__append_log_request__free_unpacked(request, NULL);
    sw_spool_acknowledge(&spool);
    assert_true(sw_spool_is_empty(&spool));
    assert_int_equal(spool.stored, 6 + (int64_t)SW_SPOOL_BATCH_SIZE + added);
    sw_spool_clear(&spool);
}

/* Each stream, attempt and command has chunks of its own, so that nobody mistakes one attempt's
 * output for another's. */
static void test_chunks(void **state)
{
    (void)state;
    static const sw_spool_chunk added[] = {
        {1, 1, 0, 2}, {1, 2, 0, 3}, {2, 2, 0, 1}, {2, 2, 1, 4}, {2, 3, 1, 5}};
    sw_spool spool;
    assert_int_equal(sw_spool_init(&spool, 0, NULL), SW_OK);
    for (size_t i = 0; i < 5; i++)
        sw_spool_add(&spool, added[i].command, added[i].attempt, added[i].stream, (const uint8_t *)"abcde",
                     added[i].size);
    Sw__AppendLogRequest *request = take(&spool);
    assert_int_equal(request->n_chunks, 5);
    int64_t offset = 0;
    for (size_t i = 0; i < 5; i++) {
        assert_int_equal(request->chunks[i]->command, added[i].command);
        assert_int_equal(request->chunks[i]->attempt, added[i].attempt);
        assert_string_equal(request->chunks[i]->stream, sw_spool_stream_names[added[i].stream]);
        assert_int_equal(request->chunks[i]->bytes.len, added[i].size);
        assert_int_equal(request->chunks[i]->offset, offset);
        offset += (int64_t)added[i].size;
    }
    sw__append_log_request__free_unpacked(request, NULL);
    sw_spool_acknowledge(&spool);
    sw_spool_clear(&spool);
}

static void test_directory(void **state)
{
    (void)state;
    char path[64];
    sw_error error;
    assert_int_equal(sw_environment_directory("/srv/{docroot}/x-{environment}", "main", "prod", path,
                                              sizeof(path), &error),
                     SW_OK);
    assert_string_equal(path, "/srv/main/x-prod");
    assert_int_equal(sw_environment_directory("/srv/{docroot}", "..", "prod", path, sizeof(path), &error),
                     SW_FAILED_PRECONDITION);
    assert_string_equal(error.message, "the docroot `..` cannot be the name of a folder");
    assert_int_equal(
        sw_environment_directory("/srv/{docroot}/{environment}", "main", ".", path, sizeof(path), &error),
        SW_FAILED_PRECONDITION);
    assert_string_equal(error.message, "the environment `.` cannot be the name of a folder");
    assert_int_equal(sw_environment_directory("/srv/{website}", "main", "prod", path, sizeof(path), &error),
                     SW_INVALID_ARGUMENT);
    assert_int_equal(sw_environment_directory("/{docroot}/{docroot}", "twenty-eight-characters-long", "prod",
                                              path, 40, &error),
                     SW_FAILED_PRECONDITION);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_file_of_secrets), cmocka_unit_test(test_mask),
        cmocka_unit_test(test_output),          cmocka_unit_test(test_chunks),
        cmocka_unit_test(test_directory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

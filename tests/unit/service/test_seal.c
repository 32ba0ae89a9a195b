/* Secrets at rest and on the way: what is sealed opens with its key, for its row, and nowhere else;
 * the file of master keys. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "base/error.h"
#include "service/transit.h"
#include "service/vault.h"
#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static char folder[] = "/tmp/sw-seal-XXXXXX", path[64], fresh[80];
static sw_arena *arena;

static int set_up(void **state)
{
    (void)state;
    arena = sw_arena_new(0);
    if (sodium_init() < 0 || mkdtemp(folder) == NULL || arena == NULL)
        return -1;
    snprintf(path, sizeof(path), "%s/secrets", folder);
    snprintf(fresh, sizeof(fresh), "%s.new", path);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    sw_arena_destroy(&arena);
    unlink(path);
    return rmdir(folder);
}

static const sw_master_key key = {"k-1", {1, 2, 3}}, other_key = {"k-1", {1, 2, 4}},
                           renamed_key = {"k-2", {1, 2, 3}};
static const sw_subject subject = {"Certificate", "private_key", 7};

/* --- sealing --- */

static void test_round(void **state)
{
    (void)state;
    sw_error error;
    ProtobufCBinaryData sealed, again;
    char *text = NULL, *large = malloc(SW_SECRET_MAX + 2);
    memset(large, 'x', SW_SECRET_MAX + 1);
    large[SW_SECRET_MAX + 1] = '\0';
    assert_int_equal(sw_seal(&key, &subject, large, arena, &sealed, &error), SW_INVALID_ARGUMENT);
    large[SW_SECRET_MAX] = '\0';
    const char *const texts[] = {"", "p", "geheim", "pässwörd", large};
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        assert_int_equal(sw_seal(&key, &subject, texts[i], arena, &sealed, &error), SW_OK);
        assert_int_equal(sw_unseal(&key, &subject, &sealed, arena, &text, &error), SW_OK);
        assert_string_equal(text, texts[i]);
        if (strlen(texts[i]) > 4) /* one byte is found in anything */
            assert_null(memmem(sealed.data, sealed.len, texts[i], strlen(texts[i])));
        sw_arena_reset(arena);
    }
    free(large);
    /* Each time another one; and how long a password is cannot be seen. */
    sw_seal(&key, &subject, "a", arena, &sealed, &error);
    sw_seal(&key, &subject, "a password of forty characters, or so....", arena, &again, &error);
    assert_int_equal(sealed.len, again.len);
    sw_seal(&key, &subject, "a", arena, &again, &error);
    assert_memory_not_equal(sealed.data, again.data, sealed.len);
}

static void refused(const sw_master_key *with, const sw_subject *whose, const ProtobufCBinaryData *sealed)
{
    sw_error error;
    char *text = NULL;
    assert_int_equal(sw_unseal(with, whose, sealed, arena, &text, &error), SW_DATA_LOSS);
    assert_null(text);
    assert_non_null(strstr(error.message, with->id));
}

static void test_nowhere_else(void **state)
{
    (void)state;
    sw_error error;
    ProtobufCBinaryData sealed;
    assert_int_equal(sw_seal(&key, &subject, "geheim", arena, &sealed, &error), SW_OK);
    refused(&other_key, &subject, &sealed);
    refused(&renamed_key, &subject, &sealed);
    static const sw_subject others[] = {{"Certificate", "private_key", 8},
                                        {"Certificate", "private_ke", 7},
                                        {"DocrootEnvironment", "private_key", 7},
                                        {"Certificat", "eprivate_key", 7},
                                        {"Certificate", "private_key", -7}};
    for (size_t i = 0; i < sizeof(others) / sizeof(*others); i++)
        refused(&key, &others[i], &sealed);
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.data[i] ^= 1;
        refused(&key, &subject, &sealed);
        sealed.data[i] ^= 1;
    }
    for (size_t size = 0; size < sealed.len; size++)
        refused(&key, &subject, &(ProtobufCBinaryData){size, sealed.data});
}

static void test_wiped(void **state)
{
    (void)state;
    sw_arena *memory = sw_arena_new(0);
    char *kept = sw_arena_strndup(memory, "geheim", 6);
    sw_arena_reset(memory); /* an arena like any other */
    assert_string_equal(kept, "geheim");
    kept = sw_arena_strndup(memory, "geheim", 6);
    sw_arena_alloc(memory, 100000);
    sw_arena_wipe_on_reset(memory);
    sw_arena_reset(memory);
    assert_memory_equal(kept, "\0\0\0\0\0\0", 6);
    sw_arena_destroy(&memory);
}

/* --- on the way --- */

/* Known answers: all instances, of every version, derive the same pair. */
static void test_sealing_key(void **state)
{
    (void)state;
    char first[SW_KEY_SIZE], again[SW_KEY_SIZE];
    sw_transit_public_key(&key, first);
    assert_string_equal(first, "i7#t&npiJJya^uA{Fexo7CrNnH)*1u0w5P[n7Cpu");
    sw_transit_public_key(&renamed_key, again); /* the id is a name, no part of the key */
    assert_string_equal(first, again);
    sw_transit_public_key(&other_key, again);
    assert_string_not_equal(first, again);
}

static ProtobufCBinaryData seal_for(const sw_master_key *with, const char *text)
{
    char public_key[SW_KEY_SIZE];
    ProtobufCBinaryData sealed;
    sw_error error;
    sw_transit_public_key(with, public_key);
    assert_int_equal(sw_transit_seal(public_key, text, arena, &sealed, &error), SW_OK);
    assert_int_equal(sealed.len, crypto_box_SEALBYTES + strlen(text));
    return sealed;
}

static void test_transit(void **state)
{
    (void)state;
    static const char *const texts[] = {"", "p", "geheim", "pässwörd"};
    ProtobufCBinaryData content;
    sw_error error;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        const ProtobufCBinaryData sealed = seal_for(&key, texts[i]);
        assert_int_equal(sw_transit_open(&key, &sealed, arena, &content, &error), SW_OK);
        assert_int_equal(content.len, strlen(texts[i]));
        assert_string_equal((char *)content.data, texts[i]);
    }
}

static void not_opened(const sw_master_key *with, const ProtobufCBinaryData *sealed)
{
    ProtobufCBinaryData content;
    sw_error error;
    assert_int_equal(sw_transit_open(with, sealed, arena, &content, &error), SW_INVALID_ARGUMENT);
    assert_null(memmem(content.data, content.len, "geheim", 6));
    assert_non_null(strstr(error.message, with->id));
}

static void test_transit_refused(void **state)
{
    (void)state;
    static const char *const weak[] = {"0000000000000000000000000000000000000000", "short", ""};
    ProtobufCBinaryData sealed = seal_for(&key, "geheim"), content;
    sw_error error;
    not_opened(&other_key, &sealed);
    for (size_t i = 0; i < sealed.len; i++) {
        sealed.data[i] ^= 1;
        not_opened(&key, &sealed);
        sealed.data[i] ^= 1;
    }
    for (size_t size = 0; size < sealed.len; size++)
        not_opened(&key, &(ProtobufCBinaryData){size, sealed.data});
    const ProtobufCBinaryData large = {SW_SECRET_MAX * 2, sw_arena_alloc(arena, SW_SECRET_MAX * 2)};
    assert_int_equal(sw_transit_open(&key, &large, arena, &content, &error), SW_INVALID_ARGUMENT);
    for (size_t i = 0; i < sizeof(weak) / sizeof(*weak); i++)
        assert_int_equal(sw_transit_seal(weak[i], "geheim", arena, &sealed, &error), SW_INVALID_ARGUMENT);
}

/* --- the file --- */

static void put(const char *text)
{
    unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    close(fd);
}

#define HEX "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f"

static void test_file(void **state)
{
    (void)state;
    sw_error error;
    sw_keyring ring;
    struct stat status;
    char first[SW_MASTER_KEY_ID], second[SW_MASTER_KEY_ID], none[SW_MASTER_KEY_ID];
    unlink(path);
    umask(0);
    assert_int_equal(sw_keyring_read(path, &ring, &error), SW_NOT_FOUND);
    assert_int_equal(sw_keyring_add(path, first, &error), SW_OK);
    assert_int_equal(stat(path, &status), 0);
    assert_int_equal(status.st_mode & 07777, 0600);
    assert_int_equal(sw_keyring_add(path, second, &error), SW_OK);
    assert_int_equal(sw_keyring_read(path, &ring, &error), SW_OK);
    assert_int_equal(ring.count, 2);
    assert_string_equal(ring.keys[0].id, first);
    assert_string_equal(ring.keys[1].id, second);
    assert_memory_not_equal(ring.keys[0].bytes, ring.keys[1].bytes, SW_MASTER_KEY_BYTES);
    assert_ptr_equal(sw_keyring_find(&ring, second), &ring.keys[1]);
    assert_null(sw_keyring_find(&ring, "k"));
    /* One that others could have read is not used, and not written to. */
    static const mode_t loose[] = {0640, 0604, 0660, 0644, 0601, 0700};
    for (size_t i = 0; i < sizeof(loose) / sizeof(*loose); i++) {
        chmod(path, loose[i]);
        assert_int_equal(sw_keyring_read(path, &ring, &error), SW_FAILED_PRECONDITION);
        assert_non_null(strstr(error.message, "chmod 600"));
        assert_int_equal(ring.count, 0);
        assert_int_equal(sw_keyring_add(path, none, &error), SW_FAILED_PRECONDITION);
    }
    chmod(path, 0600);
    /* The newest stays. */
    assert_int_equal(sw_keyring_remove(path, second, &error), SW_FAILED_PRECONDITION);
    assert_int_equal(sw_keyring_remove(path, "k", &error), SW_NOT_FOUND);
    assert_int_equal(sw_keyring_remove(path, first, &error), SW_OK);
    assert_int_equal(sw_keyring_read(path, &ring, &error), SW_OK);
    assert_int_equal(ring.count, 1);
    assert_string_equal(ring.keys[0].id, second);
    assert_int_equal(sw_keyring_add(path, first, &error), SW_OK);
    /* Nor is another writer's work thrown away. */
    close(open(fresh, O_WRONLY | O_CREAT, 0600));
    assert_int_equal(sw_keyring_add(path, none, &error), SW_ALREADY_EXISTS);
    unlink(fresh);
    assert_int_equal(sw_keyring_read(path, &ring, &error), SW_OK);
    for (int i = 2; i < SW_MASTER_KEYS_MAX; i++)
        assert_int_equal(sw_keyring_add(path, none, &error), SW_OK);
    assert_int_equal(sw_keyring_add(path, none, &error), SW_FAILED_PRECONDITION);
    assert_int_equal(sw_keyring_read(path, &ring, &error), SW_OK);
}

static void test_file_is_none(void **state)
{
    (void)state;
    static const char *const bad[] = {
        "",
        "# a = \"" HEX "\"\n",
        "a = " HEX "\n",
        "a = \"" HEX "0\"\n",
        "a = \"0" HEX "\"\n",
        "a = \"A" HEX "\"\n",
        "a = \"\"\n",
        "A = \"" HEX "\"\n",
        "a-key-whose-name-is-longer-than-32 = \"" HEX "\"\n",
        "a = \"" HEX "\"\na = \"" HEX "\"\n",
        "a = \"" HEX "\"\nb\n",
    };
    sw_error error;
    sw_keyring ring;
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        put(bad[i]);
        assert_int_equal(sw_keyring_read(path, &ring, &error), SW_FAILED_PRECONDITION);
        assert_null(strstr(error.message, "0102"));
        assert_int_equal(ring.count, 0);
    }
    put("# ours\n\n  a=\"" HEX "\" \r\nb =\t\"" HEX "\"");
    assert_int_equal(sw_keyring_read(path, &ring, &error), SW_OK);
    assert_int_equal(ring.count, 2);
    assert_int_equal(ring.keys[0].bytes[31], 0x1f);
}

/* --- the vault --- */

static void test_vault(void **state)
{
    (void)state;
    sw_error error;
    sw_vault *vault = NULL;
    const sw_master_key *found = NULL;
    unlink(path);
    assert_int_equal(sw_vault_new(path, &vault, &error), SW_FAILED_PRECONDITION);
    assert_null(vault);
    put("a = \"" HEX "\"\n");
    assert_int_equal(sw_vault_new(path, &vault, &error), SW_OK);
    assert_int_equal(sw_vault_newest(vault, &found, &error), SW_OK);
    assert_string_equal(found->id, "a");
    assert_int_equal(sw_vault_find(vault, "b", &found, &error), SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, "`b`"));
    /* A change counts at once: another key, one taken out, a mode that is too wide, no file. */
    put("a = \"" HEX "\"\nb = \"" HEX "\"\n");
    assert_int_equal(sw_vault_newest(vault, &found, &error), SW_OK);
    assert_string_equal(found->id, "b");
    assert_int_equal(sw_vault_find(vault, "a", &found, &error), SW_OK);
    put("b = \"" HEX "\"\n");
    assert_int_equal(sw_vault_find(vault, "a", &found, &error), SW_FAILED_PRECONDITION);
    chmod(path, 0644);
    assert_int_equal(sw_vault_find(vault, "b", &found, &error), SW_FAILED_PRECONDITION);
    chmod(path, 0600);
    assert_int_equal(sw_vault_find(vault, "b", &found, &error), SW_OK);
    unlink(path);
    assert_int_equal(sw_vault_newest(vault, &found, &error), SW_FAILED_PRECONDITION);
    assert_int_equal(sw_vault_newest(vault, &found, &error), SW_FAILED_PRECONDITION);
    put("b = \"" HEX "\"\n");
    assert_int_equal(sw_vault_newest(vault, &found, &error), SW_OK);
    sw_vault_destroy(&vault);
    /* Without a file a service runs, and says what it lacks. */
    assert_int_equal(sw_vault_new("", &vault, &error), SW_OK);
    assert_int_equal(sw_vault_newest(vault, &found, &error), SW_FAILED_PRECONDITION);
    assert_non_null(strstr(error.message, "--secret-key"));
    sw_vault_destroy(&vault);
    sw_vault_destroy(&vault);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round),   cmocka_unit_test(test_nowhere_else),
        cmocka_unit_test(test_wiped),   cmocka_unit_test(test_sealing_key),
        cmocka_unit_test(test_transit), cmocka_unit_test(test_transit_refused),
        cmocka_unit_test(test_file),    cmocka_unit_test(test_file_is_none),
        cmocka_unit_test(test_vault),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

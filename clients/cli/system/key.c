/* `sitewire key`: key pairs of clients, and their public halves in the registry (key.h). The secret
 * key is made here and stays here; only the public key is sent. */
#include "cli/system/key.h"
#include "base/duration.h"
#include "base/error.h"
#include "cert/cert.h"
#include "cli/registry/list.h"
#include "cli/run/cli.h"
#include "cli/schema/output.h"
#include "cli/system/commands.h"
#include "enroll/code.h"
#include "enroll/enroll.h"
#include "net/keyfile.h"
#include <errno.h>
#include <limits.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define OVERLAP_MS 3600000 /* how long a replaced key still works */

/* --- Files --- */

/* The file to work on: --file, else the key that calls use. */
static sw_code file_path(const sw_cli *cli, char path[PATH_MAX], sw_error *error)
{
    const char *given = sw_args_value(&cli->args, "file"), *home = getenv("HOME");
    if (given == NULL)
        given = cli->key_file != NULL ? cli->key_file : getenv("SITEWIRE_KEY");
    bool none = given == NULL || *given == '\0' || strcmp(given, "off") == 0;
    if (none && home == NULL)
        return sw_fail(error, SW_INVALID_ARGUMENT, "which file? Give --file FILE, or set SITEWIRE_KEY");
    int size = none ? snprintf(path, PATH_MAX, "%s/.config/sitewire/key", home)
                    : snprintf(path, PATH_MAX, "%s", given);
    return size < PATH_MAX - 8 ? SW_OK
                               : sw_fail(error, SW_INVALID_ARGUMENT, "the path %.100s... is too long", path);
}

/* Creates the missing folders of a path, with mode 0700. */
static sw_code make_folders(const char *path, sw_error *error)
{
    char folder[PATH_MAX];
    for (const char *slash = strchr(path + 1, '/'); slash != NULL; slash = strchr(slash + 1, '/')) {
        snprintf(folder, sizeof(folder), "%.*s", (int)(slash - path), path);
        if (mkdir(folder, 0700) != 0 && errno != EEXIST)
            return sw_fail(error, SW_FAILED_PRECONDITION, "cannot make %s: %s", folder, strerror(errno));
    }
    return SW_OK;
}

static sw_code no_server_key(sw_error *error)
{
    return sw_fail(error, SW_INVALID_ARGUMENT,
                   "name the broker that the key is for: give --server-key KEY, the broker's public key; "
                   "DIR/env of `sitewire up` sets it as SITEWIRE_SERVER_KEY");
}

/* Finds the broker's public key: from --server-key, from DIR/env, or from the key in use, which may
 * have two. */
static sw_code find_server_keys(const sw_cli *cli, sw_key_file *key, sw_error *error)
{
    const char *given = sw_args_value(&cli->args, "server-key");
    const char *used = cli->key_file != NULL ? cli->key_file : getenv("SITEWIRE_KEY");
    sw_key_file in_use = {0};
    if (given == NULL)
        given = getenv("SITEWIRE_SERVER_KEY");
    if ((given == NULL || *given == '\0') && used != NULL && sw_key_file_read(used, &in_use, NULL) == SW_OK) {
        memcpy(key->server_key, in_use.server_key, SW_KEY_SIZE);
        memcpy(key->next_server_key, in_use.next_server_key, SW_KEY_SIZE);
        sw_key_file_wipe(&in_use);
        return key->server_key[0] != '\0' ? SW_OK : no_server_key(error);
    }
    if (given == NULL || *given == '\0')
        return no_server_key(error);
    if (!sw_key_is_valid(given))
        return sw_fail(error, SW_INVALID_ARGUMENT, "--server-key: a public key has 40 characters of Z85");
    snprintf(key->server_key, SW_KEY_SIZE, "%s", given);
    return SW_OK;
}

static void default_label(char label[SW_KEY_LABEL_SIZE])
{
    char host[64] = "";
    gethostname(host, sizeof(host) - 1);
    snprintf(label, SW_KEY_LABEL_SIZE, "%s", host);
}

/* Makes a key for the brokers of `servers`, and writes its file. */
static sw_code make_file(const sw_cli *cli, const char *path, const sw_key_file *servers, sw_key_file *key,
                         sw_error *error)
{
    const char *label = sw_args_value(&cli->args, "label");
    sw_code code = sw_cert_make(key, error);
    memcpy(key->server_key, servers->server_key, SW_KEY_SIZE);
    memcpy(key->next_server_key, servers->next_server_key, SW_KEY_SIZE);
    if (label == NULL)
        default_label(key->label);
    else if (snprintf(key->label, sizeof(key->label), "%s", label) >= (int)sizeof(key->label))
        code = sw_fail(error, SW_INVALID_ARGUMENT, "--label: at most %d bytes", SW_KEY_LABEL_SIZE - 1);
    if (code == SW_OK)
        code = make_folders(path, error);
    return code == SW_OK ? sw_cert_write(path, key, error) : code;
}

/* --- The commands --- */

static sw_code who_am_i(sw_cli *cli, json_t **email, sw_error *error)
{
    json_t *profile = NULL;
    sw_code code = sw_cli_call(cli, "Users/WhoAmI", NULL, NULL, &profile, error);
    if (code == SW_OK)
        *email = json_incref(json_object_get(profile, "email"));
    json_decref(profile);
    return code;
}

static sw_code key_new(sw_cli *cli, sw_error *error)
{
    char path[PATH_MAX];
    sw_key_file key = {0}, servers = {0};
    if (cli->args.word_count > 2)
        return sw_cli_usage(cli, error, "key new takes one FILE");
    sw_code code = file_path(cli, path, error);
    if (cli->args.word_count == 2)
        snprintf(path, sizeof(path), "%s", cli->args.words[1]);
    /* A broker's own key file names no broker, so it need not be known. */
    if (code == SW_OK && find_server_keys(cli, &servers, error) != SW_OK &&
        sw_args_has(&cli->args, "server-key"))
        code = error->code;
    if (code == SW_OK)
        code = make_file(cli, path, &servers, &key, error);
    if (code == SW_OK && cli->json)
        printf("{\"public_key\":\"%s\"}\n", key.public_key); /* Z85 needs no escaping */
    else if (code == SW_OK) {
        printf("%s\n", key.public_key);
        fprintf(stderr, "the secret key is in %s; it stays there\n", path);
    }
    sw_key_file_wipe(&key);
    return code;
}

/* `key public`: writes the public key as a certificate, for a broker's --service-keys. */
static sw_code key_public(sw_cli *cli, sw_error *error)
{
    sw_key_file key = {0};
    const sw_args *args = &cli->args;
    if (args->word_count != 3)
        return sw_cli_usage(cli, error, "key public takes a KEY (a key file or a public key) and a FILE");
    sw_code code = SW_OK;
    if (sw_key_is_valid(args->words[1]))
        memcpy(key.public_key, args->words[1], SW_KEY_SIZE);
    else
        code = sw_key_file_read(args->words[1], &key, error);
    const char *label = sw_args_value(args, "label"), *services = sw_args_value(args, "services");
    if (code == SW_OK && label != NULL &&
        snprintf(key.label, sizeof(key.label), "%s", label) >= (int)sizeof(key.label))
        code = sw_fail(error, SW_INVALID_ARGUMENT, "--label: at most %d bytes", SW_KEY_LABEL_SIZE - 1);
    if (code == SW_OK && services != NULL &&
        snprintf(key.services, sizeof(key.services), "%s", services) >= (int)sizeof(key.services))
        code = sw_fail(error, SW_INVALID_ARGUMENT, "--services: at most %d bytes", SW_KEY_SERVICES_SIZE - 1);
    if (code == SW_OK)
        code = sw_cert_write_public(args->words[2], &key, error);
    sw_key_file_wipe(&key);
    return code;
}

/* The public key to enroll: given, read from the file, or of a new pair (*made). */
static sw_code key_to_enroll(sw_cli *cli, const char *path, sw_key_file *key, bool *made, sw_error *error)
{
    const char *given = sw_args_value(&cli->args, "public-key");
    sw_key_file servers = {0};
    memset(key, 0, sizeof(*key));
    if (given != NULL && !sw_key_is_valid(given))
        return sw_fail(error, SW_INVALID_ARGUMENT, "--public-key: a public key has 40 characters of Z85");
    if (given != NULL) {
        memcpy(key->public_key, given, SW_KEY_SIZE);
        return SW_OK;
    }
    sw_code code = sw_key_file_read(path, key, error);
    if (code != SW_NOT_FOUND)
        return code;
    code = find_server_keys(cli, &servers, error);
    if (code == SW_OK)
        code = make_file(cli, path, &servers, key, error);
    *made = code == SW_OK;
    return code;
}

static sw_code key_enroll(sw_cli *cli, sw_error *error)
{
    char path[PATH_MAX];
    sw_key_file key;
    bool made = false;
    json_t *row = json_object(), *stored = NULL, *user = NULL;
    const char *label = sw_args_value(&cli->args, "label"), *given = sw_args_value(&cli->args, "user");
    sw_code code = file_path(cli, path, error);
    if (code == SW_OK && given != NULL)
        user = json_string(given);
    else if (code == SW_OK)
        code = who_am_i(cli, &user, error);
    if (code == SW_OK)
        code = sw_key_set_expiry(cli, row, error);
    if (code == SW_OK)
        code = key_to_enroll(cli, path, &key, &made, error);
    if (code == SW_OK) {
        json_object_set_new(row, "public_key", json_string(key.public_key));
        json_object_set(row, "user", user);
        json_object_set_new(row, "label", json_string(label != NULL ? label : key.label));
        /* Without the secret half nothing proves that the key is theirs: admins vouch for it. */
        code = key.secret_key[0] == '\0' ? sw_key_create(cli, json_incref(row), &stored, error)
                                         : sw_key_enroll(cli, json_incref(row), &key, &stored, error);
        sw_key_file_wipe(&key);
        if (code != SW_OK && made)
            unlink(path); /* it was not enrolled, so it is useless */
    }
    if (code == SW_OK)
        code = sw_print_resource(cli, "key", stored, error);
    if (code == SW_OK && made && !cli->json)
        fprintf(stderr, "the secret key is in %s; it stays there. SITEWIRE_KEY=%s uses it\n", path, path);
    json_decref(row);
    json_decref(stored);
    json_decref(user);
    return code;
}

/* `sitewire list key`, by another name. */
static sw_code key_list(sw_cli *cli, sw_error *error)
{
    static const char *const of_others[] = {"user", "expires", "file", "label", "public-key"};
    for (size_t i = 0; i < sizeof(of_others) / sizeof(*of_others); i++)
        if (sw_args_has(&cli->args, of_others[i]))
            return sw_cli_usage(cli, error,
                                "--%s does not go with key list; a filter does: user=ann@example.com",
                                of_others[i]);
    const sw_listing listing = {.resource = "key", .first_filter = 1};
    return sw_list(cli, &listing, error);
}

/* Shows the other valid keys of the user, and revokes them if the caller wants that: who lost one
 * key to a thief may have lost them all. */
static sw_code look_at_siblings(sw_cli *cli, const json_t *revoked, sw_error *error)
{
    json_t *siblings = NULL;
    const char *user = json_string_value(json_object_get(revoked, "user"));
    sw_code code = sw_key_siblings(cli, user != NULL ? user : "", &siblings, error);
    size_t at, count = json_array_size(siblings);
    json_t *each;
    bool all = sw_args_has(&cli->args, "siblings");
    if (code == SW_OK && count > 0 && !all) {
        fprintf(stderr, "%s has %zu other valid key%s:\n", user, count, count == 1 ? "" : "s");
        json_array_foreach(siblings, at, each)
            fprintf(stderr, "  %s  %s\n", json_string_value(json_object_get(each, "public_key")),
                    json_string_value(json_object_get(each, "label")));
        all = isatty(STDIN_FILENO) && cli->err_terminal && !sw_args_has(&cli->args, "yes") &&
              sw_cli_confirm(cli, "Revoke these, too?");
        if (!all && !isatty(STDIN_FILENO))
            fprintf(stderr, "--siblings revokes these, too\n");
    }
    json_array_foreach(siblings, at, each)
    {
        json_t *stored = NULL;
        if (code == SW_OK && all)
            code = sw_key_revoke(cli, json_string_value(json_object_get(each, "public_key")), &stored, error);
        if (code == SW_OK && all)
            code = sw_print_resource(cli, "key", stored, error);
        json_decref(stored);
    }
    json_decref(siblings);
    return code;
}

static sw_code key_revoke(sw_cli *cli, sw_error *error)
{
    char public_key[SW_KEY_SIZE];
    if (cli->args.word_count != 2)
        return sw_cli_usage(cli, error, "key revoke takes one KEY: a public key, a key file or a label");
    json_t *stored = NULL;
    sw_code code = sw_key_find(cli, cli->args.words[1], public_key, error);
    if (code == SW_OK)
        code = sw_key_revoke(cli, public_key, &stored, error);
    if (code == SW_OK)
        code = sw_print_resource(cli, "key", stored, error);
    if (code == SW_OK)
        code = look_at_siblings(cli, stored, error);
    json_decref(stored);
    return code;
}

/* --- One-time codes --- */

/* Those of our endpoints that another machine can reach; --at names others. */
static void reachable_endpoints(const sw_cli *cli, char to[SW_CODE_ENDPOINTS])
{
    const char *given = sw_args_value(&cli->args, "at"), *from = cli->endpoints;
    if (given != NULL) {
        snprintf(to, SW_CODE_ENDPOINTS, "%s", given);
        return;
    }
    *to = '\0';
    for (size_t size; from != NULL && *from != '\0'; from += size + (from[size] == ',')) {
        size_t used = strlen(to);
        size = strcspn(from, ",");
        if (strncmp(from, "tcp://", 6) == 0)
            snprintf(to + used, SW_CODE_ENDPOINTS - used, "%s%.*s", used > 0 ? "," : "", (int)size, from);
    }
}

static sw_code fill_code(const sw_cli *cli, sw_code_content *content, sw_error *error)
{
    sw_key_file servers = {0};
    reachable_endpoints(cli, content->endpoints);
    if (*content->endpoints == '\0')
        return sw_fail(
            error, SW_INVALID_ARGUMENT,
            "where does the new machine connect? Give --at tcp://HOST:PORT, the broker's frontend");
    sw_code code = find_server_keys(cli, &servers, error);
    if (code == SW_OK)
        code = sw_cert_make(&content->key, error);
    memcpy(content->key.server_key, servers.server_key, SW_KEY_SIZE);
    memcpy(content->key.next_server_key, servers.next_server_key, SW_KEY_SIZE);
    return code;
}

static void print_code(const sw_cli *cli, const json_t *invitation, const char *code)
{
    const char *user = json_string_value(json_object_get(invitation, "user"));
    const char *until = json_string_value(json_object_get(invitation, "expires_at"));
    if (cli->json) {
        printf("{\"user\":\"%s\",\"expires_at\":\"%s\",\"code\":\"%s\"}\n", user, until, code);
        return;
    }
    fprintf(stderr,
            "whoever has this code can enroll one key for %s, until %s. On the new machine:\n"
            "sitewire key accept CODE --key FILE\n",
            user, until);
    printf("%s\n", code);
}

static sw_code key_invite(sw_cli *cli, sw_error *error)
{
    sw_code_content content = {0};
    char text[SW_CODE_SIZE];
    json_t *invitation = NULL;
    if (cli->args.word_count != 2)
        return sw_cli_usage(cli, error, "key invite takes one E-MAIL, whose key it will be");
    sw_code code = fill_code(cli, &content, error);
    if (code == SW_OK)
        code = sw_code_write(&content, text, error);
    if (code == SW_OK)
        code = sw_key_invite(cli, cli->args.words[1], content.key.public_key, &invitation, error);
    if (code == SW_OK)
        print_code(cli, invitation, text);
    json_decref(invitation);
    explicit_bzero(&content, sizeof(content));
    explicit_bzero(text, sizeof(text));
    return code;
}

/* The code, or with `-` the first line of stdin: other users see the words of a command. */
static sw_code read_code(const char *word, char text[SW_CODE_SIZE], sw_error *error)
{
    if (strcmp(word, "-") != 0)
        snprintf(text, SW_CODE_SIZE, "%s", word);
    else if (fgets(text, SW_CODE_SIZE, stdin) == NULL)
        return sw_fail(error, SW_INVALID_ARGUMENT, "there is no code on stdin");
    text[strcspn(text, "\r\n")] = '\0';
    return SW_OK;
}

static sw_code key_accept(sw_cli *cli, sw_error *error)
{
    char path[PATH_MAX], text[SW_CODE_SIZE], public_key[SW_KEY_SIZE], label[SW_KEY_LABEL_SIZE], *user = NULL;
    const char *given = sw_args_value(&cli->args, "label");
    if (cli->args.word_count != 2)
        return sw_cli_usage(cli, error, "key accept takes one CODE, or - for stdin");
    default_label(label);
    sw_code code = file_path(cli, path, error);
    if (code == SW_OK)
        code = make_folders(path, error);
    if (code == SW_OK)
        code = read_code(cli->args.words[1], text, error);
    if (code == SW_OK)
        code = sw_enroll_accept(text, path, given != NULL ? given : label, public_key, &user, error);
    if (code == SW_OK && cli->json)
        printf("{\"public_key\":\"%s\",\"user\":\"%s\"}\n", public_key, user != NULL ? user : "");
    else if (code == SW_OK) {
        printf("%s\n", public_key);
        fprintf(stderr, "the secret key of %s is in %s; it stays there. SITEWIRE_KEY=%s uses it\n", user,
                path, path);
    }
    explicit_bzero(text, sizeof(text));
    free(user);
    return code;
}

/* --- Rotation --- */

/* The key that replaces `old`: a new one, or the one that an interrupted rotation left. */
static sw_code make_successor(const char *path, const sw_key_file *old, sw_key_file *fresh, sw_error *error)
{
    sw_code code = sw_key_file_read(path, fresh, error);
    if (code != SW_NOT_FOUND)
        return code;
    code = sw_cert_make(fresh, error);
    memcpy(fresh->server_key, old->server_key, SW_KEY_SIZE);
    memcpy(fresh->next_server_key, old->next_server_key, SW_KEY_SIZE);
    memcpy(fresh->label, old->label, SW_KEY_LABEL_SIZE);
    return code == SW_OK ? sw_cert_write(path, fresh, error) : code;
}

/* Enrolls it for the user of the old key. */
static sw_code enroll_successor(sw_cli *cli, const sw_key_file *old, const sw_key_file *fresh,
                                sw_error *error)
{
    json_t *request = json_pack("{s:s}", "public_key", old->public_key), *before = NULL, *row = json_object(),
           *stored = NULL;
    sw_code code = sw_cli_call(cli, "Users/GetKey", request, NULL, &before, error);
    if (code == SW_PERMISSION_DENIED) /* no right on any project yet: it can still be only our own */
        code = SW_OK;
    if (code == SW_OK && json_is_string(json_object_get(before, "revoked_at")))
        code = sw_fail(error, SW_FAILED_PRECONDITION,
                       "the key is revoked and has no successor; make a new one with `sitewire key enroll`");
    if (code == SW_OK)
        code = sw_key_set_expiry(cli, row, error);
    int64_t overlap_ms = OVERLAP_MS;
    const char *overlap = sw_args_value(&cli->args, "overlap");
    if (code == SW_OK && overlap != NULL && !sw_duration_parse_ms(overlap, "s", &overlap_ms))
        code = sw_fail(error, SW_INVALID_ARGUMENT, "--overlap takes a duration, such as 1h or 0s");
    if (code == SW_OK) {
        json_object_set_new(row, "public_key", json_string(fresh->public_key));
        json_object_set(row, "user", json_object_get(before, "user"));
        json_object_set_new(row, "label", json_string(old->label));
        json_object_set(row, "label", json_object_get(before, "label"));
        json_object_set_new(row, "replaces", json_string(old->public_key));
        json_object_set_new(row, "overlap_ms", json_integer(overlap_ms));
        code = sw_key_enroll(cli, json_incref(row), fresh, &stored, error);
    }
    json_decref(request);
    json_decref(before);
    json_decref(row);
    json_decref(stored);
    return code;
}

/* Uses the new key from here on; the first call proves that it works. */
static sw_code change_over(sw_cli *cli, const char *path, sw_error *error)
{
    json_t *profile = NULL;
    sw_client_close(&cli->client);
    cli->key_file = path;
    sw_code code = sw_cli_call(cli, "Users/WhoAmI", NULL, NULL, &profile, error);
    json_decref(profile);
    return code;
}

static sw_code key_rotate(sw_cli *cli, sw_error *error)
{
    char path[PATH_MAX], next[PATH_MAX + 8];
    sw_key_file old = {0}, fresh = {0};
    sw_code code = file_path(cli, path, error);
    const char *used = cli->key_file != NULL ? cli->key_file : getenv("SITEWIRE_KEY");
    if (code == SW_OK)
        code = sw_key_file_read(path, &old, error);
    if (used == NULL || *used == '\0')
        cli->key_file = path; /* with --file: the old key in it enrolls the new one */
    snprintf(next, sizeof(next), "%s.new", path);
    if (code == SW_OK)
        code = make_successor(next, &old, &fresh, error);
    if (code == SW_OK)
        code = enroll_successor(cli, &old, &fresh, error);
    if (code == SW_OK)
        code = change_over(cli, next, error);
    if (code == SW_OK && rename(next, path) != 0)
        code = sw_fail(error, SW_FAILED_PRECONDITION, "cannot rename %s: %s", next, strerror(errno));
    if (code == SW_OK && cli->json)
        printf("{\"public_key\":\"%s\",\"replaces\":\"%s\"}\n", fresh.public_key, old.public_key);
    else if (code == SW_OK)
        printf("%s\n", fresh.public_key);
    sw_key_file_wipe(&old);
    sw_key_file_wipe(&fresh);
    return code;
}

/* --- The broker's keys --- */

/* `key trust`: another key of the broker is trusted beside the one in the file, or --only that. */
static void add_server_key(sw_key_file *key, const char *server_key, bool only)
{
    bool is_first = only || key->server_key[0] == '\0' || strcmp(key->server_key, server_key) == 0;
    snprintf(is_first ? key->server_key : key->next_server_key, SW_KEY_SIZE, "%s", server_key);
    if (only)
        key->next_server_key[0] = '\0';
}

/* Writes a new file and puts it in the place of the old one, so that readers see a whole one. */
static sw_code replace_file(const char *path, const sw_key_file *key, sw_error *error)
{
    char fresh[PATH_MAX + 8];
    snprintf(fresh, sizeof(fresh), "%s.trust", path);
    unlink(fresh); /* of a run that was killed */
    sw_code code = sw_cert_write(fresh, key, error);
    if (code == SW_OK && rename(fresh, path) != 0)
        code = sw_fail(error, SW_FAILED_PRECONDITION, "cannot rename %s: %s", fresh, strerror(errno));
    if (code != SW_OK)
        unlink(fresh);
    return code;
}

static sw_code key_trust(sw_cli *cli, sw_error *error)
{
    char path[PATH_MAX];
    sw_key_file key = {0};
    if (cli->args.word_count != 2)
        return sw_cli_usage(cli, error, "key trust takes one KEY, a public key of the broker");
    if (!sw_key_is_valid(cli->args.words[1]))
        return sw_fail(error, SW_INVALID_ARGUMENT, "KEY: a public key has 40 characters of Z85");
    sw_code code = file_path(cli, path, error);
    if (code == SW_OK)
        code = sw_key_file_read(path, &key, error);
    if (code == SW_OK) {
        add_server_key(&key, cli->args.words[1], sw_args_has(&cli->args, "only"));
        code = replace_file(path, &key, error);
    }
    if (code == SW_OK && cli->json)
        printf("{\"server_key\":\"%s\",\"next_server_key\":\"%s\"}\n", key.server_key, key.next_server_key);
    else if (code == SW_OK)
        printf("%s\n%s%s", key.server_key, key.next_server_key, key.next_server_key[0] != '\0' ? "\n" : "");
    sw_key_file_wipe(&key);
    return code;
}

sw_code sw_cmd_key(sw_cli *cli, sw_error *error)
{
    static const struct {
        const char *word;
        sw_code (*run)(sw_cli *cli, sw_error *error);
        bool takes_word;
    } verbs[] = {{"accept", key_accept, true}, {"enroll", key_enroll, false}, {"invite", key_invite, true},
                 {"list", key_list, true},     {"new", key_new, true},        {"public", key_public, true},
                 {"revoke", key_revoke, true}, {"rotate", key_rotate, false}, {"trust", key_trust, true}};
    const sw_args *args = &cli->args;
    for (size_t i = 0; args->word_count > 0 && i < sizeof(verbs) / sizeof(*verbs); i++)
        if (strcmp(verbs[i].word, args->words[0]) == 0) {
            if (args->word_count > 1 && !verbs[i].takes_word)
                return sw_cli_usage(cli, error, "key %s takes no further words", args->words[0]);
            return verbs[i].run(cli, error);
        }
    return sw_cli_usage(cli, error,
                        "which one? key accept, enroll, invite, list, new, public, revoke, rotate or trust");
}

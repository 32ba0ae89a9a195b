/* `sitewire secret`: secrets of the registry's rows, and the master keys that seal them. A value
 * is read from stdin or typed without being shown, never given on the command line, which others
 * can see. */
#include "cli/run/secret.h"
#include "base/error.h"
#include "base/folder.h"
#include "base/keyring.h"
#include "c/json/json.h"
#include "cli/registry/commands.h"
#include "cli/registry/list.h"
#include "cli/run/interrupt.h"
#include "cli/schema/name.h"
#include "cli/schema/output.h"
#include "cli/schema/resource.h"
#include "cli/schema/value.h"
#include "cli/term/grid.h"
#include "program/account.h"
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#define VALUE_MAX  (64 * 1024)     /* bytes; the service accepts no more */
#define VALUE_SIZE (VALUE_MAX + 2) /* a newline at the end, and a NUL */

/* --- words --- */

/* What a secret belongs to: RESOURCE KEY FIELD. */
typedef struct target {
    char *type, *key;
    const char *field;
} target;

static void clear_target(target *of)
{
    free(of->type);
    free(of->key);
}

static sw_code read_key(sw_cli *cli, const sw_schema_resource *resource, target *of, sw_error *error)
{
    const sw_args *args = &cli->args;
    size_t used = 0;
    json_t *key = json_object();
    sw_code code =
        sw_schema_resource_read_key(resource, args->words + 2, args->word_count - 3, &used, key, error);
    if (code == SW_OK && used != args->word_count - 3)
        code = sw_cli_usage(cli, error, "secret %s takes one RESOURCE KEY FIELD", args->words[0]);
    if (code == SW_OK) {
        of->type = strdup(sw_short_name(resource->message->name));
        of->key = sw_schema_resource_key_text(resource, key);
        if (of->type == NULL || of->key == NULL)
            code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    json_decref(key);
    return code;
}

/* To be cleared, also after a failure. */
static sw_code read_target(sw_cli *cli, target *of, sw_error *error)
{
    const sw_args *args = &cli->args;
    const sw_schema *schema;
    sw_schema_resource resource;
    *of = (target){0};
    if (args->word_count < 4)
        return sw_cli_usage(cli, error,
                            "secret %s takes RESOURCE KEY FIELD, such as certificate isover-2027 private_key",
                            args->words[0]);
    of->field = args->words[args->word_count - 1];
    sw_code code = sw_cli_schema(cli, &schema, error);
    if (code == SW_OK)
        code = sw_schema_resource_find(schema, args->words[1], &resource, error);
    return code == SW_OK ? read_key(cli, &resource, of, error) : code;
}

/* --- values --- */

/* Reads one line from the terminal without showing it. */
static sw_code read_hidden(const char *prompt, char *value, size_t size, sw_error *error)
{
    struct termios before, hidden;
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    sw_code code = SW_OK;
    ssize_t got = 0;
    if (tcgetattr(STDIN_FILENO, &before) != 0)
        return sw_fail(error, SW_INTERNAL, "cannot switch off the echo of the terminal: %s", strerror(errno));
    hidden = before;
    hidden.c_lflag &= ~(tcflag_t)(ECHO | ECHONL);
    tcsetattr(STDIN_FILENO, TCSAFLUSH,
              &hidden); /* before the prompt: TCSAFLUSH discards what was typed earlier */
    fputs(prompt, stderr);
    while (!sw_cli_stopped() && poll(&input, 1, 200) <= 0)
        continue;
    if (!sw_cli_stopped())
        got = read(STDIN_FILENO, value, size - 1);
    tcsetattr(STDIN_FILENO, TCSAFLUSH, &before);
    fputc('\n', stderr);
    value[got > 0 ? got : 0] = '\0';
    if (got <= 0)
        code = sw_fail(error, SW_CANCELLED, "no value was given; nothing was changed");
    value[strcspn(value, "\n")] = '\0';
    return code;
}

static sw_code ask(char *value, sw_error *error)
{
    char again[1025] = "";
    sw_code code = read_hidden("value: ", value, sizeof(again), error);
    if (code == SW_OK)
        code = read_hidden("once more: ", again, sizeof(again), error);
    if (code == SW_OK && strcmp(value, again) != 0)
        code = sw_fail(error, SW_INVALID_ARGUMENT, "the two values differ; nothing was changed");
    sodium_memzero(again, sizeof(again));
    return code;
}

static void drop_value(char **value, size_t size)
{
    if (*value != NULL)
        sodium_memzero(*value, size);
    free(*value);
    *value = NULL;
}

/* All of stdin, without a buffer in between that would keep a copy. */
static sw_code read_stdin(char *value, size_t room, size_t *size, sw_error *error)
{
    ssize_t got = 1;
    for (*size = 0; got > 0 && *size < room;) {
        got = read(STDIN_FILENO, value + *size, room - *size);
        if (got < 0 && errno == EINTR && !sw_cli_stopped())
            got = 1;
        else if (got > 0)
            *size += (size_t)got;
    }
    if (got < 0)
        return sw_fail(error, SW_INVALID_ARGUMENT, "cannot read stdin: %s", strerror(errno));
    return *size < room ? SW_OK
                        : sw_fail(error, SW_INVALID_ARGUMENT, "a secret has at most %d bytes", VALUE_MAX);
}

/* malloc'ed, VALUE_SIZE bytes; free it with drop_value, which wipes it. A newline at the end is
 * dropped. */
static sw_code read_value(char **value, size_t *size, sw_error *error)
{
    *value = calloc(1, VALUE_SIZE);
    if (*value == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    sw_code code = isatty(STDIN_FILENO) ? ask(*value, error) : read_stdin(*value, VALUE_SIZE, size, error);
    if (isatty(STDIN_FILENO))
        *size = strlen(*value);
    if (code == SW_OK && *size > 0 && (*value)[*size - 1] == '\n')
        (*value)[--*size] = '\0';
    return code;
}

/* --- the commands --- */

static sw_code print_stored(sw_cli *cli, const Sw__Secret *stored, sw_error *error)
{
    json_t *json = sw_json_from_message(&stored->base);
    sw_code code = json != NULL ? sw_print_resource(cli, "secret", json, error)
                                : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    json_decref(json);
    return code;
}

static sw_code secret_set(sw_cli *cli, sw_error *error)
{
    target of;
    char *value = NULL;
    size_t size = 0;
    Sw__Secret *stored = NULL;
    sw_code code = read_target(cli, &of, error);
    if (code == SW_OK)
        code = read_value(&value, &size, error);
    sw_cli_renew_deadline(cli);
    if (code == SW_OK) {
        Sw__SetSecretRequest request = SW__SET_SECRET_REQUEST__INIT;
        request.type = of.type;
        request.key = of.key;
        request.field = (char *)of.field;
        sw_cli_set_blocking(true);
        code = sw_cli_set_secret(cli, &request, value, size, NULL, &stored, error);
        sw_cli_set_blocking(false);
    }
    drop_value(&value, VALUE_SIZE);
    if (code == SW_OK)
        code = print_stored(cli, stored, error);
    if (stored != NULL)
        sw__secret__free_unpacked(stored, NULL);
    clear_target(&of);
    return code;
}

/* Writes to stdout, past its buffer. */
static sw_code write_all(const char *text, size_t size, sw_error *error)
{
    fflush(stdout);
    while (size > 0) {
        ssize_t put = write(STDOUT_FILENO, text, size);
        if (put < 0 && errno == EINTR)
            continue;
        if (put < 0)
            return sw_fail(error, SW_INTERNAL, "cannot write the secret: %s", strerror(errno));
        text += put;
        size -= (size_t)put;
    }
    return SW_OK;
}

/* Appends to a text that has room. */
static int append(const char *piece, size_t size, void *context)
{
    char **end = context;
    memcpy(*end, piece, size);
    *end += size;
    return 0;
}

/* {"value": ...}, where a character becomes six bytes at most. jansson's copy is wiped. */
static char *as_json(const char *value)
{
    static const char begin[] = "{\"value\":";
    json_t *json = json_string(value);
    char *text = calloc(1, sizeof(begin) + 6 * strlen(value) + 4), *end = text;
    if (json != NULL && text != NULL) {
        append(begin, sizeof(begin) - 1, &end);
        json_dump_callback(json, append, &end, JSON_ENCODE_ANY);
        append("}", 1, &end);
    }
    if (json == NULL)
        sw_client_drop_secret(&text);
    else
        sodium_memzero((char *)json_string_value(json), json_string_length(json));
    json_decref(json);
    return text;
}

/* What is printed; on a terminal, what could control it is made visible. malloc'ed;
 * sw_client_drop_secret wipes it. */
static char *shown(const sw_cli *cli, const char *value)
{
    if (cli->json)
        return as_json(value);
    return cli->out_terminal ? sw_text_safe(value, true) : strdup(value);
}

static sw_code print_value(const sw_cli *cli, const char *value, sw_error *error)
{
    char *text = shown(cli, value);
    if (text == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    sw_code code = write_all(text, strlen(text), error);
    if (code == SW_OK)
        code = write_all("\n", 1, error);
    sw_client_drop_secret(&text);
    return code;
}

static sw_code secret_read(sw_cli *cli, sw_error *error)
{
    target of;
    char *value = NULL;
    sw_code code = read_target(cli, &of, error);
    if (code == SW_OK) {
        Sw__ReadSecretRequest request = SW__READ_SECRET_REQUEST__INIT;
        request.type = of.type;
        request.key = of.key;
        request.field = (char *)of.field;
        sw_cli_set_blocking(true);
        code = sw_cli_read_secret(cli, &request, &value, error);
        sw_cli_set_blocking(false);
    }
    if (code == SW_OK)
        code = print_value(cli, value, error);
    sw_client_drop_secret(&value);
    clear_target(&of);
    return code;
}

static sw_code secret_delete(sw_cli *cli, sw_error *error)
{
    target of;
    json_t *request = NULL;
    sw_code code = read_target(cli, &of, error);
    if (code == SW_OK && !sw_cli_confirm(cli, "delete it permanently?"))
        code = sw_fail(error, SW_CANCELLED, "nothing was deleted");
    if (code == SW_OK) {
        request = json_pack("{s:s, s:s, s:s}", "type", of.type, "key", of.key, "field", of.field);
        code = sw_cli_call(cli, "Referential/DeleteSecret", request, NULL, NULL, error);
    }
    if (code == SW_OK && !cli->json)
        printf("deleted the %s of %s\n", of.field, of.key);
    json_decref(request);
    clear_target(&of);
    return code;
}

/* `sitewire list secrets`. */
static sw_code secret_list(sw_cli *cli, sw_error *error)
{
    const sw_listing listing = {.resource = "secret", .first_filter = 1};
    return sw_list(cli, &listing, error);
}

/* --- rotation --- */

static size_t print_failures(const json_t *reply)
{
    size_t i;
    json_t *failure;
    json_array_foreach(json_object_get(reply, "failures"), i, failure)
        fprintf(stderr, "%s\n", json_string_value(failure));
    return json_array_size(json_object_get(reply, "failures"));
}

/* One batch per call. The next run continues after an interruption. */
static sw_code secret_rotate(sw_cli *cli, sw_error *error)
{
    long long rotated = 0, remaining = 0, next = 0;
    size_t failures = 0;
    char key_id[SW_MASTER_KEY_ID] = "";
    sw_code code = SW_OK;
    do {
        json_t *reply = NULL, *request = json_pack("{s:I}", "after", (json_int_t)next);
        code = sw_cli_call(cli, "Referential/RotateSecrets", request, NULL, &reply, error);
        if (code == SW_OK) {
            sw_cli_renew_deadline(cli);
            const char *id = json_string_value(json_object_get(reply, "key_id"));
            rotated += (long long)sw_json_number(reply, "rotated");
            remaining = (long long)sw_json_number(reply, "remaining");
            next = (long long)sw_json_number(reply, "next");
            failures += print_failures(reply);
            snprintf(key_id, sizeof(key_id), "%s", id != NULL ? id : "");
        }
        json_decref(request);
        json_decref(reply);
    } while (code == SW_OK && next != 0 && !sw_cli_stopped());
    if (code != SW_OK)
        return code;
    if (cli->json)
        printf("{\"key_id\":\"%s\",\"rotated\":%lld,\"remaining\":%lld}\n", key_id, rotated, remaining);
    else
        printf("%lld sealed with %s; %lld are still sealed with other keys\n", rotated, key_id, remaining);
    if (failures > 0)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "%zu secrets cannot be opened and were left as they are", failures);
    return next != 0 ? sw_fail(error, SW_CANCELLED, "interrupted; run it again to continue") : SW_OK;
}

/* --- master keys --- */

/* The file of master keys: a word, or what the environment says. */
static sw_code find_file(sw_cli *cli, size_t word, char path[PATH_MAX], sw_error *error)
{
    const char *given = getenv("SITEWIRE_SECRET_KEY"), *data = getenv("SITEWIRE_DATA");
    if (cli->args.word_count > word + 1)
        return sw_cli_usage(cli, error, "secret %s takes one FILE", cli->args.words[0]);
    if (cli->args.word_count == word + 1)
        given = cli->args.words[word];
    if (given != NULL && *given != '\0')
        snprintf(path, PATH_MAX, "%s", given);
    else if (data != NULL && *data != '\0')
        snprintf(path, PATH_MAX, "%s/keys/secrets", data);
    else
        return sw_cli_usage(
            cli, error, "which file? Give the one of the services' --secret-key, or set SITEWIRE_SECRET_KEY");
    return SW_OK;
}

/* Root changes the file as its owner, so that the service can still read it. */
static sw_code act_as_owner(const char *path, sw_error *error)
{
    sw_folder folder = {.fd = -1};
    sw_account account;
    struct stat about;
    char name[NAME_MAX + 1];
    if (geteuid() != 0)
        return SW_OK;
    sw_code code = sw_folder_of_file(path, &folder, name, error);
    if (code != SW_OK)
        return code;
    uid_t owner = fstatat(folder.fd, name, &about, AT_SYMLINK_NOFOLLOW) == 0 ? about.st_uid : folder.owner;
    sw_folder_close(&folder);
    if (owner == 0)
        return SW_OK;
    code = sw_account_find_uid(owner, &account, error);
    return code != SW_OK ? code : sw_account_enter(&account, error);
}

static sw_code secret_new_key(sw_cli *cli, sw_error *error)
{
    char path[PATH_MAX], id[SW_MASTER_KEY_ID];
    sw_code code = find_file(cli, 1, path, error);
    if (code == SW_OK)
        code = act_as_owner(path, error);
    if (code == SW_OK)
        code = sw_keyring_add(path, id, error);
    if (code == SW_OK && cli->json)
        printf("{\"key_id\":\"%s\"}\n", id);
    else if (code == SW_OK)
        printf("%s\n", id);
    return code;
}

/* Refuses while a secret needs the key. Only an admin can check that, because others do not see
 * all secrets. */
static sw_code secret_drop_key(sw_cli *cli, sw_error *error)
{
    char path[PATH_MAX];
    if (cli->args.word_count < 2)
        return sw_cli_usage(cli, error, "secret drop-key takes the ID of a master key");
    const char *id = cli->args.words[1];
    json_t *profile = NULL, *found = NULL,
           *request = json_pack("{s:[{s:s, s:s, s:[s]}], s:i, s:b}", "filters", "field", "key_id", "op", "=",
                                "values", id, "page_size", 1, "show_total_size", 1);
    sw_code code = find_file(cli, 2, path, error);
    if (code == SW_OK)
        code = sw_cli_call(cli, "Users/WhoAmI", NULL, NULL, &profile, error);
    const char *kind = json_string_value(json_object_get(profile, "profile"));
    if (code == SW_OK && (kind == NULL || strcmp(kind, "ADMIN") != 0))
        code = sw_fail(error, SW_PERMISSION_DENIED, "only an admin can see whether a secret needs the key");
    if (code == SW_OK)
        code = sw_cli_call(cli, "Referential/ListSecrets", request, NULL, &found, error);
    long long needed = (long long)sw_json_number(found, "total_size");
    if (code == SW_OK && needed > 0)
        code = sw_fail(error, SW_FAILED_PRECONDITION,
                       "%lld secret%s sealed with `%s`: `sitewire secret rotate` seals again with the newest "
                       "key; if this is the newest, add another one first with `sitewire secret new-key`",
                       needed, needed == 1 ? " is" : "s are", id);
    if (code == SW_OK)
        code = act_as_owner(path, error);
    if (code == SW_OK)
        code = sw_keyring_remove(path, id, error);
    json_decref(profile);
    json_decref(request);
    json_decref(found);
    return code;
}

sw_code sw_cmd_secret(sw_cli *cli, sw_error *error)
{
    static const struct {
        const char *word;
        sw_code (*run)(sw_cli *cli, sw_error *error);
    } verbs[] = {{"set", secret_set},          {"read", secret_read},     {"delete", secret_delete},
                 {"list", secret_list},        {"rotate", secret_rotate}, {"new-key", secret_new_key},
                 {"drop-key", secret_drop_key}};
    for (size_t i = 0; cli->args.word_count > 0 && i < sizeof(verbs) / sizeof(*verbs); i++)
        if (strcmp(verbs[i].word, cli->args.words[0]) == 0)
            return verbs[i].run(cli, error);
    return sw_cli_usage(cli, error, "which one? secret set, read, delete, list, rotate, new-key or drop-key");
}

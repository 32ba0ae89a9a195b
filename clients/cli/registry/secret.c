/* `sitewire secret`: secrets of the registry's rows, and the master keys that seal them. A value
 * is read from stdin or typed without being shown, never given on the command line, which others
 * can see. */
#include "base/error.h"
#include "base/folder.h"
#include "base/keyring.h"
#include "cli/registry/commands.h"
#include "cli/registry/list.h"
#include "cli/run/file.h"
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

#define VALUE_MAX (64 * 1024) /* bytes; the service accepts no more */

/* --- words --- */

/* Sets the fields of a request from RESOURCE KEY FIELD. */
static sw_code read_target(sw_cli *cli, json_t *request, sw_error *error)
{
    const sw_args *args = &cli->args;
    const sw_schema *schema;
    sw_schema_resource resource;
    size_t used = 0;
    if (args->word_count < 4)
        return sw_cli_usage(cli, error,
                            "secret %s takes RESOURCE KEY FIELD, such as certificate isover-2027 private_key",
                            args->words[0]);
    sw_code code = sw_cli_schema(cli, &schema, error);
    if (code == SW_OK)
        code = sw_schema_resource_find(schema, args->words[1], &resource, error);
    if (code != SW_OK)
        return code;
    json_t *key = json_object();
    code = sw_schema_resource_read_key(&resource, args->words + 2, args->word_count - 3, &used, key, error);
    if (code == SW_OK && used != args->word_count - 3)
        code = sw_cli_usage(cli, error, "secret %s takes one RESOURCE KEY FIELD", args->words[0]);
    char *text = code == SW_OK ? sw_schema_resource_key_text(&resource, key) : NULL;
    json_decref(key);
    if (code == SW_OK && text == NULL)
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    if (code == SW_OK) {
        json_object_set_new(request, "type", json_string(sw_short_name(resource.message->name)));
        json_object_set_new(request, "key", json_string(text));
        json_object_set_new(request, "field", json_string(args->words[args->word_count - 1]));
    }
    free(text);
    return code;
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

static sw_code ask(char **value, sw_error *error)
{
    char again[1025] = "";
    *value = calloc(1, sizeof(again));
    if (*value == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    sw_code code = read_hidden("value: ", *value, sizeof(again), error);
    if (code == SW_OK)
        code = read_hidden("once more: ", again, sizeof(again), error);
    if (code == SW_OK && strcmp(*value, again) != 0)
        code = sw_fail(error, SW_INVALID_ARGUMENT, "the two values differ; nothing was changed");
    sodium_memzero(again, sizeof(again));
    return code;
}

/* malloc'ed; free it with drop_value, which wipes it. A newline at the end is dropped. */
static sw_code read_value(char **value, sw_error *error)
{
    size_t size = 0;
    if (isatty(STDIN_FILENO))
        return ask(value, error);
    sw_code code = sw_cli_read_file("-", value, &size, error);
    if (code != SW_OK)
        return code;
    if (size > VALUE_MAX || memchr(*value, '\0', size) != NULL)
        return sw_fail(error, SW_INVALID_ARGUMENT, "a secret must be text of at most %d bytes", VALUE_MAX);
    if (size > 0 && (*value)[size - 1] == '\n')
        (*value)[size - 1] = '\0';
    return SW_OK;
}

static void drop_value(char *value)
{
    if (value != NULL)
        sodium_memzero(value, strlen(value));
    free(value);
}

/* --- the commands --- */

static sw_code secret_set(sw_cli *cli, sw_error *error)
{
    json_t *request = json_object(), *stored = NULL;
    char *value = NULL;
    sw_code code = read_target(cli, request, error);
    if (code == SW_OK)
        code = read_value(&value, error);
    if (code == SW_OK && json_object_set_new(request, "value", json_string(value)) != 0)
        code = sw_fail(error, SW_INVALID_ARGUMENT, "a secret must be text in UTF-8");
    if (code == SW_OK)
        code = sw_cli_call(cli, "Referential/SetSecret", request, NULL, &stored, error);
    if (code == SW_OK)
        code = sw_print_resource(cli, "secret", stored, error);
    drop_value(value);
    json_decref(request);
    json_decref(stored);
    return code;
}

static sw_code secret_read(sw_cli *cli, sw_error *error)
{
    json_t *request = json_object(), *reply = NULL;
    sw_code code = read_target(cli, request, error);
    if (code == SW_OK)
        code = sw_cli_call(cli, "Referential/ReadSecret", request, NULL, &reply, error);
    const char *value = json_string_value(json_object_get(reply, "value"));
    if (code == SW_OK && cli->json)
        sw_print_json_line(reply);
    else if (code == SW_OK && value != NULL) {
        char *safe = cli->out_terminal ? sw_text_safe(value, true) : NULL;
        puts(safe != NULL ? safe : value);
        drop_value(safe);
    }
    json_decref(request);
    json_decref(reply);
    return code;
}

static sw_code secret_delete(sw_cli *cli, sw_error *error)
{
    json_t *request = json_object();
    sw_code code = read_target(cli, request, error);
    if (code == SW_OK && !sw_cli_confirm(cli, "delete it permanently?"))
        code = sw_fail(error, SW_CANCELLED, "nothing was deleted");
    if (code == SW_OK)
        code = sw_cli_call(cli, "Referential/DeleteSecret", request, NULL, NULL, error);
    if (code == SW_OK && !cli->json)
        printf("deleted the %s of %s\n", json_string_value(json_object_get(request, "field")),
               json_string_value(json_object_get(request, "key")));
    json_decref(request);
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

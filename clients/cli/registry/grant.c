/* `sitewire group` and `sitewire grant`: who belongs to a group, and which roles users and groups
 * hold on what. Short forms of create, delete and list of these resources. */
#include "base/error.h"
#include "cli/registry/commands.h"
#include "cli/registry/list.h"
#include "cli/schema/method.h"
#include "cli/schema/output.h"
#include "cli/schema/resource.h"
#include "cli/schema/value.h"
#include <string.h>
#include <time.h>

#define CODE_MAX 128 /* characters of a grant's code */

static sw_code call(sw_cli *cli, const char *name, const json_t *request, json_t **reply, sw_error *error)
{
    const sw_schema *schema;
    const sw_schema_method *method;
    sw_code code = sw_cli_schema(cli, &schema, error);
    if (code == SW_OK)
        code = sw_cli_method(schema, name, &method, error);
    return code == SW_OK ? sw_cli_call(cli, method->path, request, NULL, reply, error) : code;
}

/* Prints what a method returned: one row of a resource. */
static sw_code create(sw_cli *cli, const char *method, const char *resource, json_t *request, sw_error *error)
{
    json_t *item = NULL;
    sw_code code = request == NULL ? sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory")
                                   : call(cli, method, request, &item, error);
    if (code == SW_OK)
        code = sw_print_resource(cli, resource, item, error);
    json_decref(item);
    json_decref(request);
    return code;
}

static void say(const sw_cli *cli, const char *done, const char *one, const char *of)
{
    if (cli->json)
        return;
    printf("%s ", done);
    sw_print_safe(one);
    if (of != NULL) {
        printf(" from ");
        sw_print_safe(of);
    }
    putchar('\n');
}

/* Lists the rows of a resource; only those with `field` = `value`, unless it is NULL. */
static sw_code list(sw_cli *cli, const char *resource, const char *field, const char *value, sw_error *error)
{
    json_t *filters =
        field == NULL ? NULL : json_pack("[{s:s, s:s, s:[s]}]", "field", field, "op", "=", "values", value);
    const sw_listing listing = {
        .resource = resource, .first_filter = field == NULL ? 1 : cli->args.word_count, .filters = filters};
    sw_code code = sw_list(cli, &listing, error);
    json_decref(filters);
    return code;
}

/* --- groups --- */

/* Creates the group if it does not exist. Says nothing if it does. */
static sw_code need_group(sw_cli *cli, const char *group, bool *is_new, sw_error *error)
{
    sw_error absent = {0};
    json_t *request = json_pack("{s:s}", "code", group), *found = NULL;
    sw_code code = call(cli, "GetGroup", request, &found, &absent);
    json_decref(request);
    json_decref(found);
    *is_new = code == SW_NOT_FOUND;
    if (*is_new)
        return create(cli, "CreateGroup", "group", json_pack("{s:{s:s}}", "group", "code", group), error);
    if (code != SW_OK && error != NULL)
        *error = absent;
    return code;
}

static sw_code group_add(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    bool is_new;
    if (args->word_count < 2)
        return sw_cli_usage(cli, error, "group add takes a GROUP and its new members: USER...");
    sw_code code = need_group(cli, args->words[1], &is_new, error);
    for (size_t i = 2; code == SW_OK && i < args->word_count; i++)
        code = create(
            cli, "CreateGroupMember", "group-member",
            json_pack("{s:{s:s, s:s}}", "group_member", "group", args->words[1], "user", args->words[i]),
            error);
    return code;
}

static sw_code group_remove(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    const char *group = args->words[1];
    if (args->word_count < 2)
        return sw_cli_usage(cli, error, "group remove takes a GROUP, and the members to remove: USER...");
    if (args->word_count == 2 && !sw_cli_confirm(cli, "delete the group itself?"))
        return sw_fail(error, SW_CANCELLED, "nothing was deleted");
    sw_code code = SW_OK;
    if (args->word_count == 2) {
        json_t *request = json_pack("{s:s}", "code", group);
        code = call(cli, "DeleteGroup", request, NULL, error);
        json_decref(request);
        if (code == SW_OK)
            say(cli, "deleted group", group, NULL);
    }
    for (size_t i = 2; code == SW_OK && i < args->word_count; i++) {
        json_t *request = json_pack("{s:s, s:s}", "group", group, "user", args->words[i]);
        code = call(cli, "DeleteGroupMember", request, NULL, error);
        json_decref(request);
        if (code == SW_OK)
            say(cli, "removed", args->words[i], group);
    }
    return code;
}

static sw_code group_list(sw_cli *cli, sw_error *error)
{
    return list(cli, "group", NULL, NULL, error);
}

/* The group, its members and its grants. */
static sw_code group_show(sw_cli *cli, sw_error *error)
{
    if (cli->args.word_count != 2)
        return sw_cli_usage(cli, error, "group show takes one GROUP");
    const char *group = cli->args.words[1];
    sw_code code = create(cli, "GetGroup", "group", json_pack("{s:s}", "code", group), error);
    if (code == SW_OK)
        code = list(cli, "group-member", "group", group, error);
    return code == SW_OK ? list(cli, "grant", "group", group, error) : code;
}

/* --- grants --- */

/* A code for a grant without --code: its words, with `-` for what a code cannot contain. */
static void make_code(const sw_args *args, char code[CODE_MAX + 1])
{
    size_t size = 0;
    for (size_t i = 1; i < args->word_count; i++) {
        const char *word = args->words[i], *value = strchr(word, '=');
        if (size > 0 && size < CODE_MAX)
            code[size++] = '-';
        for (const char *c = value != NULL ? value + 1 : word; *c != '\0' && size < CODE_MAX; c++) {
            bool fits =
                (*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') || (*c >= '0' && *c <= '9') || *c == '.';
            code[size++] = fits ? *c : '-';
        }
    }
    code[size] = '\0';
}

/* Reads the words of a scope into the grant: `everything`, or assignments. */
static sw_code read_scope(sw_cli *cli, const sw_schema_resource *resource, json_t *grant, sw_error *error)
{
    const sw_args *args = &cli->args;
    sw_code code = SW_OK;
    for (size_t i = 3; code == SW_OK && i < args->word_count; i++) {
        const ProtobufCFieldDescriptor *field;
        if (strcmp(args->words[i], "everything") == 0)
            json_object_set_new(grant, "everything", json_true());
        else if (sw_word_is_assignment(args->words[i]))
            code = sw_word_assign(resource->message, args->words[i], grant, &field, error);
        else
            code = sw_cli_usage(cli, error,
                                "'%s' is no scope: give everything, organization=NAME, docroot=CODE or "
                                "environment=CODE",
                                args->words[i]);
    }
    return code;
}

/* --until as RFC 3339: a time, or a duration from now. */
static sw_code read_end(const sw_args *args, char text[SW_TIME_TEXT], sw_error *error)
{
    const char *value = sw_args_value(args, "until");
    int64_t left_ms;
    *text = '\0';
    if (value == NULL || strlen(value) != strspn(value, "0123456789smhd"))
        return sw_args_time(args, "until", text, error);
    sw_code code = sw_args_duration_ms(args, "until", 1, 0, &left_ms, error);
    time_t end = time(NULL) + (time_t)(left_ms / 1000);
    struct tm utc;
    if (code == SW_OK && (gmtime_r(&end, &utc) == NULL || strftime(text, SW_TIME_TEXT, "%FT%TZ", &utc) == 0))
        code = sw_fail(error, SW_INVALID_ARGUMENT, "--until %s is too far away", value);
    return code;
}

static sw_code grant_add(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    const sw_schema *schema;
    sw_schema_resource resource;
    char name[CODE_MAX + 1], until[SW_TIME_TEXT] = "";
    if (args->word_count < 4)
        return sw_cli_usage(cli, error, "grant add takes a ROLE, its holder (USER or GROUP) and a SCOPE");
    sw_code code = sw_cli_schema(cli, &schema, error);
    if (code == SW_OK)
        code = sw_schema_resource_find(schema, "grant", &resource, error);
    if (code == SW_OK)
        code = read_end(args, until, error);
    if (code != SW_OK)
        return code;
    make_code(args, name);
    json_t *grant = json_pack(
        "{s:s, s:s, s:s}", "code", sw_args_has(args, "code") ? sw_args_value(args, "code") : name, "role",
        args->words[1], strchr(args->words[2], '@') != NULL ? "user" : "group", args->words[2]);
    code = read_scope(cli, &resource, grant, error);
    if (code == SW_OK && *until != '\0')
        json_object_set_new(grant, "expires_at", json_string(until));
    if (code == SW_OK)
        code = create(cli, "CreateGrant", "grant", json_pack("{s:O}", "grant", grant), error);
    json_decref(grant);
    return code;
}

static sw_code grant_remove(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    if (args->word_count < 2)
        return sw_cli_usage(cli, error, "grant remove takes the CODE of at least one grant");
    if (!sw_cli_confirm(cli, "end these grants?"))
        return sw_fail(error, SW_CANCELLED, "nothing was deleted");
    sw_code code = SW_OK;
    for (size_t i = 1; code == SW_OK && i < args->word_count; i++) {
        json_t *request = json_pack("{s:s}", "code", args->words[i]);
        code = call(cli, "DeleteGrant", request, NULL, error);
        json_decref(request);
        if (code == SW_OK)
            say(cli, "deleted grant", args->words[i], NULL);
    }
    return code;
}

static sw_code grant_list(sw_cli *cli, sw_error *error)
{
    return list(cli, "grant", NULL, NULL, error);
}

static sw_code grant_show(sw_cli *cli, sw_error *error)
{
    if (cli->args.word_count != 2)
        return sw_cli_usage(cli, error, "grant show takes the CODE of one grant");
    return create(cli, "GetGrant", "grant", json_pack("{s:s}", "code", cli->args.words[1]), error);
}

/* --- verbs --- */

typedef struct verb {
    const char *word;
    sw_code (*run)(sw_cli *cli, sw_error *error);
} verb;

static sw_code run(sw_cli *cli, const verb verbs[4], sw_error *error)
{
    for (size_t i = 0; cli->args.word_count > 0 && i < 4; i++)
        if (strcmp(verbs[i].word, cli->args.words[0]) == 0)
            return verbs[i].run(cli, error);
    return sw_cli_usage(cli, error, "which one? %s add, remove, list or show", cli->command->name);
}

sw_code sw_cmd_group(sw_cli *cli, sw_error *error)
{
    static const verb verbs[4] = {
        {"add", group_add}, {"remove", group_remove}, {"list", group_list}, {"show", group_show}};
    return run(cli, verbs, error);
}

sw_code sw_cmd_grant(sw_cli *cli, sw_error *error)
{
    static const verb verbs[4] = {
        {"add", grant_add}, {"remove", grant_remove}, {"list", grant_list}, {"show", grant_show}};
    return run(cli, verbs, error);
}

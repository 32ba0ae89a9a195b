/* `sitewire completion bash`, and the hidden `__complete LINE` that its script calls: prints the
 * candidates for the last word of a line, from the tables of commands, from Reflection and from
 * the registry. */
#include "base/error.h"
#include "cli/app/commands.h"
#include "cli/schema/field.h"
#include "cli/schema/name.h"
#include "cli/schema/output.h"
#include "cli/schema/resource.h"
#include "cli/schema/value.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

#define WORDS_MAX 128
#define ASK_MS    400 /* a shell must not hang; fewer candidates are better */
#define CODES_MAX 100
#define NAMES_MAX 4

static const char script[] = "# bash completion for sitewire: source <(sitewire completion bash)\n"
                             "_sitewire() {\n"
                             "    local line=${COMP_LINE:0:COMP_POINT} word\n"
                             "    local IFS=$'\\n'\n"
                             "    COMPREPLY=($(\"${COMP_WORDS[0]}\" __complete -- \"$line\" 2>/dev/null))\n"
                             "    # What is left of a : or = is a word of its own to bash.\n"
                             "    word=${line##*[[:space:]]}\n"
                             "    if [[ $word == *[:=]* ]]; then\n"
                             "        local before=${word%\"${word##*[:=]}\"} i\n"
                             "        for i in \"${!COMPREPLY[@]}\"; do\n"
                             "            COMPREPLY[i]=${COMPREPLY[i]#\"$before\"}\n"
                             "        done\n"
                             "    fi\n"
                             "    if [[ ${#COMPREPLY[@]} -eq 1 && ${COMPREPLY[0]} == *[=/] ]]; then\n"
                             "        compopt -o nospace 2>/dev/null\n"
                             "    fi\n"
                             "    return 0\n"
                             "}\n"
                             "complete -o default -F _sitewire sitewire\n";

sw_code sw_cmd_completion(sw_cli *cli, sw_error *error)
{
    if (cli->args.word_count != 1 || strcmp(cli->args.words[0], "bash") != 0)
        return sw_cli_usage(cli, error, "completion takes the name of a shell; only bash is supported");
    fputs(script, stdout);
    return SW_OK;
}

/* The line to complete. Its last word may be empty. */
typedef struct line {
    sw_cli *cli;
    char *text;
    char *words[WORDS_MAX];
    size_t count;
    const char *last;
    const sw_schema *schema;
} line;

/* Splits the line at spaces, in place; quotes and backslashes work as in a shell. */
static void split(line *l)
{
    char *in = l->text, *out = l->text;
    while (l->count < WORDS_MAX) {
        while (isspace((unsigned char)*in))
            in++;
        l->words[l->count++] = out;
        char quote = '\0';
        for (; *in != '\0' && (quote != '\0' || !isspace((unsigned char)*in)); in++) {
            if (quote == '\0' && (*in == '\'' || *in == '"'))
                quote = *in;
            else if (*in == quote)
                quote = '\0';
            else if (*in == '\\' && quote != '\'' && in[1] != '\0')
                *out++ = *++in;
            else
                *out++ = *in;
        }
        bool end = *in == '\0';
        if (!end)
            in++;
        *out++ = '\0';
        if (end)
            break;
    }
    l->last = l->words[l->count - 1];
}

static void candidate(const line *l, const char *before, const char *text, const char *after)
{
    size_t length = strlen(before);
    if (strncmp(l->last, before, length) == 0 &&
        strncmp(text, l->last + length, strlen(l->last + length)) == 0)
        printf("%s%s%s\n", before, text, after);
}

static void complete_flags(const line *l, const sw_flag *flags)
{
    for (; flags != NULL && flags->name != NULL; flags++) {
        char text[80];
        snprintf(text, sizeof(text), "--%s", flags->name);
        candidate(l, "", text, "");
    }
}

static bool offer_resource(const sw_schema_resource *resource, void *context)
{
    const line *l = context;
    bool one = strcmp(l->words[1], "list") != 0 && strcmp(l->words[1], "export") != 0;
    candidate(l, "", one ? resource->name : resource->plural, "");
    return true;
}

static bool load_schema(line *l)
{
    return l->schema != NULL || sw_cli_schema(l->cli, &l->schema, NULL) == SW_OK;
}

/* Prints the codes of a resource that begin with `prefix`, each after `before`. A key of several
 * parts is completed as a whole. */
static void complete_codes(line *l, const sw_schema_resource *resource, const char *before,
                           const char *prefix)
{
    if (resource->list == NULL || resource->keys[0]->type != PROTOBUF_C_TYPE_STRING)
        return;
    char *first = strndup(prefix, resource->key_count > 1 ? strcspn(prefix, "/") : strlen(prefix));
    bool whole = first != NULL && resource->key_count > 1 && strchr(prefix, '/') != NULL;
    json_t *request = json_pack("{s:i}", "page_size", CODES_MAX), *page = NULL, *item;
    if (first != NULL && *first != '\0')
        json_object_set_new(request, "filters",
                            json_pack("[{s:s,s:s,s:[s]}]", "field", resource->keys[0]->name, "op",
                                      whole ? "=" : "prefix", "values", first));
    sw_call_options options = {.size = sizeof(options), .timeout_ms = ASK_MS, .no_retry = true};
    size_t index;
    if (sw_cli_call(l->cli, resource->list->path, request, &options, &page, NULL) == SW_OK)
        json_array_foreach(json_object_get(page, "items"), index, item)
        {
            char *key = sw_schema_resource_key_text(resource, item);
            if (key != NULL)
                candidate(l, before, key, "");
            free(key);
        }
    json_decref(request);
    json_decref(page);
    free(first);
}

/* The resource that a field refers to: the field's comment says `-> Resource`, perhaps followed
 * by `.field`. */
static bool reference_of(const line *l, const ProtobufCMessageDescriptor *message,
                         const ProtobufCFieldDescriptor *field, sw_schema_resource *target)
{
    const char *arrow = strstr(sw_schema_comment(l->schema, message, field->name), "-> ");
    char name[64];
    if (arrow == NULL)
        return false;
    size_t length = strspn(arrow + 3, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    snprintf(name, sizeof(name), "%.*s", (int)(length < 63 ? length : 63), arrow + 3);
    return sw_schema_resource_of(l->schema, name, target) && target->key_count == 1;
}

/* Whether create and update can set the field: not those that the registry sets, and not the
 * key, which is a word of its own. */
static bool may_be_set(const sw_schema_resource *resource, const ProtobufCFieldDescriptor *field)
{
    bool good = field->id < SW_FIELD_BOOKKEEPING;
    for (size_t i = 0; i < resource->key_count; i++)
        good = good && strcmp(resource->keys[i]->name, field->name) != 0;
    return good;
}

/* Completes `field=`, and after it values: true and false, the names of an enum, the codes of
 * the resource referred to. */
static void complete_assignment(line *l, const sw_schema_resource *resource, bool sets)
{
    const char *equals = strchr(l->last, '=');
    if (equals == NULL) {
        for (unsigned i = 0; i < resource->message->n_fields; i++)
            if (!sets || may_be_set(resource, &resource->message->fields[i]))
                candidate(l, "", resource->message->fields[i].name, "=");
        return;
    }
    const ProtobufCFieldDescriptor *field;
    if (sw_field_find(resource->message, l->last, (size_t)(equals - l->last), &field, NULL) != SW_OK)
        return;
    char *before = strndup(l->last, (size_t)(equals - l->last) + 1);
    sw_schema_resource target;
    if (before == NULL)
        return;
    if (field->type == PROTOBUF_C_TYPE_BOOL) {
        candidate(l, before, "true", "");
        candidate(l, before, "false", "");
    } else if (field->type == PROTOBUF_C_TYPE_ENUM) {
        const ProtobufCEnumDescriptor *type = field->descriptor;
        for (unsigned i = 0; i < type->n_values; i++)
            candidate(l, before, type->values[i].name, "");
    } else if (reference_of(l, resource->message, field, &target)) {
        complete_codes(l, &target, before, equals + 1);
    }
    free(before);
}

static void complete_fields(line *l, const sw_schema_resource *resource)
{
    /* Complete after the last comma of a list of fields, and after the - of --order. */
    const char *comma = strrchr(l->last, ',');
    size_t length = comma != NULL ? (size_t)(comma - l->last) + 1 : 0;
    length += l->last[length] == '-';
    char *before = strndup(l->last, length);
    for (unsigned i = 0; before != NULL && i < resource->message->n_fields; i++)
        candidate(l, before, resource->message->fields[i].name, "");
    free(before);
}

static void complete_methods(line *l)
{
    const sw_schema_service *services;
    size_t count = load_schema(l) ? sw_schema_services(l->schema, &services) : 0;
    for (size_t s = 0; s < count; s++)
        for (size_t m = 0; m < services[s].method_count; m++) {
            char text[160];
            snprintf(text, sizeof(text), "%s/%s", sw_short_name(services[s].name),
                     services[s].methods[m].name);
            candidate(l, "",
                      strchr(l->last, '/') != NULL || *l->last == '\0' ? text : services[s].methods[m].name,
                      "");
            if (strchr(l->last, '/') == NULL && *l->last != '\0')
                candidate(l, "", text, "");
        }
}

static void complete_instances(line *l)
{
    json_t *stats = NULL, *item;
    size_t index;
    sw_call_options options = {.size = sizeof(options), .timeout_ms = ASK_MS, .no_retry = true};
    if (sw_cli_call(l->cli, "/sitewire.rpc.v1.Stats/GetStats", NULL, &options, &stats, NULL) == SW_OK)
        json_array_foreach(json_object_get(stats, "instances"), index, item)
        {
            const char *name = json_string_value(json_object_get(item, "instance"));
            char text[160];
            snprintf(text, sizeof(text), "@%s", name != NULL ? name : "");
            candidate(l, "", text, "");
        }
    json_decref(stats);
}

/* Completes the words after the resource: keys, then fields. */
static void complete_resource_words(line *l, const char *command, const char *name, bool first_word)
{
    sw_schema_resource resource;
    if (!load_schema(l) || sw_schema_resource_find(l->schema, name, &resource, NULL) != SW_OK)
        return;
    bool assigns = strcmp(command, "create") == 0 || strcmp(command, "update") == 0;
    if (strcmp(command, "list") == 0 || (assigns && !first_word))
        complete_assignment(l, &resource, assigns);
    else if (strcmp(command, "create") != 0)
        complete_codes(l, &resource, "", l->last);
}

/* IDs of deployments, newest first. */
static void complete_deployments(const line *l)
{
    json_t *page = NULL, *item,
           *request = json_pack("{s:i, s:[{s:s, s:b}]}", "page_size", CODES_MAX, "order_by", "field", "id",
                                "descending", 1);
    sw_call_options options = {.size = sizeof(options), .timeout_ms = ASK_MS, .no_retry = true};
    size_t index;
    if (sw_cli_call(l->cli, "Deployments/ListDeployments", request, &options, &page, NULL) == SW_OK)
        json_array_foreach(json_object_get(page, "items"), index, item)
            candidate(l, "", sw_json_text(item, "id"), "");
    json_decref(request);
    json_decref(page);
}

/* Completes the value of a flag that takes the code of a resource. */
static void complete_flag_codes(line *l, const char *flag)
{
    static const char *const resources[][2] = {{"env", "environment"},
                                               {"docroot", "docroot"},
                                               {"project", "project"},
                                               {"project", "website"},
                                               {"type", "deployment-type"},
                                               {"status", "deployment-status"},
                                               {"user", "user"},
                                               {"by", "user"}};
    sw_schema_resource resource;
    for (size_t i = 0; i < sizeof(resources) / sizeof(*resources); i++)
        if (strcmp(resources[i][0], flag) == 0 && load_schema(l) &&
            sw_schema_resource_find(l->schema, resources[i][1], &resource, NULL) == SW_OK)
            complete_codes(l, &resource, "", l->last);
}

/* The words with which the alternatives of a usage begin: `new [FILE] | enroll | list` has new,
 * enroll and list. */
static void complete_verbs(const line *l, const char *usage)
{
    for (const char *at = usage; at != NULL; at = strstr(at, " | ")) {
        at += strspn(at, " |[");
        char verb[32];
        size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz-");
        snprintf(verb, sizeof(verb), "%.*s", (int)(length < sizeof(verb) ? length : 0), at);
        if (*verb != '\0')
            candidate(l, "", verb, "");
    }
}

/* Completes `explain ACTION RESOURCE KEY` and `secret set | read | delete RESOURCE KEY FIELD`. */
static void complete_after_verb(line *l, const char *const *names, size_t words)
{
    static const char *const actions[] = {"read",   "create",  "update", "delete",
                                          "deploy", "approve", "manage"};
    static const char *const owners[][2] = {{"docroot-environment", "basic_auth_password"},
                                            {"certificate", "private_key"}};
    bool secret = strcmp(l->words[1], "secret") == 0;
    sw_schema_resource resource;
    if (secret && words > 0 && strcmp(names[0], "set") != 0 && strcmp(names[0], "read") != 0 &&
        strcmp(names[0], "delete") != 0)
        return;
    for (size_t i = 0; words == 0 && i < sizeof(actions) / sizeof(*actions); i++)
        candidate(l, "", actions[i], "");
    for (size_t i = 0; secret && i < sizeof(owners) / sizeof(*owners); i++)
        if (words == 1 || (words == 3 && strcmp(names[1], owners[i][0]) == 0))
            candidate(l, "", owners[i][words == 3], "");
    if (!secret && words == 1 && load_schema(l))
        sw_schema_resource_each(l->schema, offer_resource, l);
    if (words == 2 && load_schema(l) &&
        sw_schema_resource_find(l->schema, names[1], &resource, NULL) == SW_OK)
        complete_codes(l, &resource, "", l->last);
}

/* The flag whose value the last word is, or NULL. */
static const char *flag_before(const line *l)
{
    const char *word = l->count >= 3 ? l->words[l->count - 2] : "";
    return strncmp(word, "--", 2) == 0 ? word + 2 : NULL;
}

static const sw_flag *find_flag(const sw_flag *flags, const char *name)
{
    for (; flags != NULL && flags->name != NULL; flags++)
        if (strcmp(flags->name, name) == 0)
            return flags;
    return NULL;
}

static void complete_commands(const line *l)
{
    for (const sw_command_group *g = l->cli->set->groups; g->title != NULL; g++)
        for (const sw_command *c = g->commands; c->name != NULL; c++)
            if (!c->hidden)
                candidate(l, "", c->name, "");
}

static void complete_line(line *l)
{
    if (l->count == 2 && *l->last != '-') {
        complete_commands(l);
        return;
    }
    const sw_command *command = l->count > 2 ? sw_command_find(l->cli->set, l->words[1]) : NULL;
    const sw_flag *own = command != NULL ? command->flags : NULL;
    const char *flag = flag_before(l);
    sw_schema_resource resource;
    if (*l->last == '-' && flag == NULL) {
        complete_flags(l, own);
        complete_flags(l, l->cli->set->flags);
        return;
    }
    const sw_flag *given = flag != NULL ? find_flag(own, flag) : NULL;
    if (given == NULL && flag != NULL)
        given = find_flag(l->cli->set->flags, flag);
    /* The words that are neither flags nor their values. */
    const char *names[NAMES_MAX] = {NULL}, *name;
    size_t words = 0;
    for (size_t i = 2; i + 1 < l->count; i++) {
        const sw_flag *f = NULL;
        if (strncmp(l->words[i], "--", 2) == 0 && (f = find_flag(own, l->words[i] + 2)) == NULL)
            f = find_flag(l->cli->set->flags, l->words[i] + 2);
        if (l->words[i][0] == '-')
            i += f != NULL && f->argument != NULL;
        else if (words++ < NAMES_MAX)
            names[words - 1] = l->words[i];
    }
    name = names[0];
    if (given != NULL && given->argument != NULL) {
        if (strcmp(given->name, "destination") == 0)
            complete_instances(l);
        else if (name != NULL && strstr("fields order mask filter", given->name) != NULL && load_schema(l) &&
                 sw_schema_resource_find(l->schema, name, &resource, NULL) == SW_OK)
            complete_fields(l, &resource);
        else
            complete_flag_codes(l, given->name);
        return;
    }
    if (command == NULL)
        return;
    if (strncmp(command->usage, "RESOURCE", 8) == 0 || strncmp(command->usage, "[RESOURCE", 9) == 0) {
        if (words == 0 && load_schema(l))
            sw_schema_resource_each(l->schema, offer_resource, l);
        else if (words > 0)
            complete_resource_words(l, command->name, name, words == 1);
    } else if (strncmp(command->usage, "METHOD", 6) == 0) {
        if (words == 0)
            complete_methods(l);
    } else if (strcmp(command->usage, "ID") == 0) {
        if (words == 0)
            complete_deployments(l);
    } else if (strncmp(command->usage, "PROJECT", 7) == 0) {
        if (words == 0)
            complete_flag_codes(l, "project");
    } else if (strcmp(command->name, "deployments") == 0) {
        if (load_schema(l) && sw_schema_resource_find(l->schema, "deployment", &resource, NULL) == SW_OK)
            complete_assignment(l, &resource, false);
    } else if (strcmp(command->name, "describe") == 0) {
        if (load_schema(l))
            sw_schema_resource_each(l->schema, offer_resource, l);
        complete_methods(l);
    } else if (strcmp(command->name, "drain") == 0) {
        candidate(l, "", "broker", "");
        complete_instances(l);
    } else if (strcmp(command->name, "help") == 0) {
        complete_commands(l);
        complete_verbs(l, command->usage);
    } else if (strcmp(command->name, "explain") == 0 || (strcmp(command->name, "secret") == 0 && words > 0)) {
        complete_after_verb(l, names, words);
    } else if (words == 0) {
        complete_verbs(l, command->usage);
    }
}

sw_code sw_cmd_complete(sw_cli *cli, sw_error *error)
{
    line l = {.cli = cli};
    if (cli->args.word_count != 1)
        return sw_cli_usage(cli, error, "__complete takes one line");
    l.text = strdup(cli->args.words[0]);
    if (l.text == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    if (cli->timeout_ms == 0)
        cli->timeout_ms = ASK_MS;
    split(&l);
    complete_line(&l);
    free(l.text);
    return SW_OK;
}

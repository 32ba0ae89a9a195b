/* `sitewire completion bash`, and the hidden `__complete LINE` that its script calls: decides from
 * the tables of commands what the last word of a line may be. candidates.h prints it. */
#include "base/error.h"
#include "cli/app/candidates.h"
#include "cli/app/commands.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

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

/* Splits the line at spaces, in place; quotes and backslashes work as in a shell. */
static void split(sw_completion_line *l)
{
    char *in = l->text, *out = l->text;
    while (l->count < SW_COMPLETION_WORDS) {
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

static void complete_flags(const sw_completion_line *l, const sw_flag *flags)
{
    for (; flags != NULL && flags->name != NULL; flags++) {
        char text[80];
        snprintf(text, sizeof(text), "--%s", flags->name);
        sw_candidate(l, "", text, "");
    }
}

/* Completes the words after the resource: keys, then fields. */
static void complete_resource_words(sw_completion_line *l, const char *command, const char *name,
                                    bool first_word)
{
    sw_schema_resource resource;
    if (!sw_candidates_schema(l) || sw_schema_resource_find(l->schema, name, &resource, NULL) != SW_OK)
        return;
    bool assigns = strcmp(command, "create") == 0 || strcmp(command, "update") == 0;
    if (strcmp(command, "list") == 0 || (assigns && !first_word))
        sw_candidates_assignment(l, &resource, assigns);
    else if (strcmp(command, "create") != 0)
        sw_candidates_codes(l, &resource, "", l->last);
}

/* The words with which the alternatives of a usage begin: `new [FILE] | enroll | list` has new,
 * enroll and list. */
static void complete_verbs(const sw_completion_line *l, const char *usage)
{
    for (const char *at = usage; at != NULL; at = strstr(at, " | ")) {
        at += strspn(at, " |[");
        char verb[32];
        size_t length = strspn(at, "abcdefghijklmnopqrstuvwxyz-");
        snprintf(verb, sizeof(verb), "%.*s", (int)(length < sizeof(verb) ? length : 0), at);
        if (*verb != '\0')
            sw_candidate(l, "", verb, "");
    }
}

/* Completes `explain | who-can ACTION RESOURCE KEY` and `secret set | read | delete RESOURCE KEY
 * FIELD`. */
static void complete_after_verb(sw_completion_line *l, const char *const *names, size_t words)
{
    static const char *const actions[] = {"read",    "create",  "update", "delete", "deploy",
                                          "command", "approve", "manage", "run",    "override"};
    static const char *const owners[][2] = {{"docroot-environment", "basic_auth_password"},
                                            {"certificate", "private_key"}};
    bool secret = strcmp(l->words[1], "secret") == 0;
    sw_schema_resource resource;
    if (secret && words > 0 && strcmp(names[0], "set") != 0 && strcmp(names[0], "read") != 0 &&
        strcmp(names[0], "delete") != 0)
        return;
    for (size_t i = 0; words == 0 && i < sizeof(actions) / sizeof(*actions); i++)
        sw_candidate(l, "", actions[i], "");
    for (size_t i = 0; secret && i < sizeof(owners) / sizeof(*owners); i++)
        if (words == 1 || (words == 3 && strcmp(names[1], owners[i][0]) == 0))
            sw_candidate(l, "", owners[i][words == 3], "");
    if (!secret && words == 1)
        sw_candidates_resources(l);
    if (words == 2 && sw_candidates_schema(l) &&
        sw_schema_resource_find(l->schema, names[1], &resource, NULL) == SW_OK)
        sw_candidates_codes(l, &resource, "", l->last);
}

/* The flag whose value the last word is, or NULL. */
static const char *flag_before(const sw_completion_line *l)
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

static void complete_commands(const sw_completion_line *l)
{
    for (const sw_command_group *g = l->cli->set->groups; g->title != NULL; g++)
        for (const sw_command *c = g->commands; c->name != NULL; c++)
            if (!c->hidden)
                sw_candidate(l, "", c->name, "");
}

static void complete_line(sw_completion_line *l)
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
            sw_candidates_instances(l);
        else if (name != NULL && strstr("fields order mask filter", given->name) != NULL &&
                 sw_candidates_schema(l) &&
                 sw_schema_resource_find(l->schema, name, &resource, NULL) == SW_OK)
            sw_candidates_fields(l, &resource);
        else
            sw_candidates_flag_codes(l, given->name);
        return;
    }
    if (command == NULL)
        return;
    if (strncmp(command->usage, "RESOURCE", 8) == 0 || strncmp(command->usage, "[RESOURCE", 9) == 0) {
        if (words == 0)
            sw_candidates_resources(l);
        else if (words > 0)
            complete_resource_words(l, command->name, name, words == 1);
    } else if (strncmp(command->usage, "METHOD", 6) == 0) {
        if (words == 0)
            sw_candidates_methods(l);
    } else if (strcmp(command->usage, "ID") == 0) {
        if (words == 0)
            sw_candidates_deployments(l);
    } else if (strncmp(command->usage, "PROJECT", 7) == 0) {
        if (words == 0)
            sw_candidates_flag_codes(l, "project");
    } else if (strcmp(command->name, "deployments") == 0) {
        if (sw_candidates_schema(l) &&
            sw_schema_resource_find(l->schema, "deployment", &resource, NULL) == SW_OK)
            sw_candidates_assignment(l, &resource, false);
    } else if (strcmp(command->name, "describe") == 0) {
        sw_candidates_resources(l);
        sw_candidates_methods(l);
    } else if (strcmp(command->name, "drain") == 0) {
        sw_candidate(l, "", "broker", "");
        sw_candidates_instances(l);
    } else if (strcmp(command->name, "help") == 0) {
        complete_commands(l);
        complete_verbs(l, command->usage);
    } else if (strcmp(command->name, "explain") == 0 || strcmp(command->name, "who-can") == 0 ||
               (strcmp(command->name, "secret") == 0 && words > 0)) {
        complete_after_verb(l, names, words);
    } else if (words == 0) {
        complete_verbs(l, command->usage);
    }
}

sw_code sw_cmd_complete(sw_cli *cli, sw_error *error)
{
    sw_completion_line l = {.cli = cli};
    if (cli->args.word_count != 1)
        return sw_cli_usage(cli, error, "__complete takes one line");
    l.text = strdup(cli->args.words[0]);
    if (l.text == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    if (cli->timeout_ms == 0)
        cli->timeout_ms = SW_COMPLETION_MS;
    sw_cli_lift_deadline(cli); /* each candidate's call has its own */
    split(&l);
    complete_line(&l);
    free(l.text);
    return SW_OK;
}

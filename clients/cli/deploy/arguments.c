/* What the words and flags of the commands about deployments mean: see arguments.h. */
#include "cli/deploy/arguments.h"
#include "base/error.h"
#include "cli/run/file.h"
#include "cli/schema/value.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

sw_code sw_deployment_id(sw_cli *cli, int64_t *id, sw_error *error)
{
    if (cli->args.word_count != 1)
        return sw_cli_usage(cli, error,
                            "%s takes the ID of one deployment; `sitewire deployments` lists them",
                            cli->command->name);
    const char *word = cli->args.words[0];
    char *end;
    *id = isdigit((unsigned char)*word) ? strtoll(word, &end, 10) : 0;
    if (*id < 1 || *id == INT64_MAX || *end != '\0')
        return sw_fail_field(
            error, SW_INVALID_ARGUMENT, "id",
            "'%.60s' is not the ID of a deployment, which is a number; `sitewire deployments` lists them",
            word);
    return SW_OK;
}

/* --- The project --- */

/* The kind of project for a type of deployment; NULL: any. */
static const char *kind_of(const sw_args *args)
{
    const char *type = sw_args_value(args, "type");
    return type == NULL ? NULL : strcasecmp(type, "DRUPALDOCROOTCORE") == 0 ? "drupaldocrootcore" : "website";
}

static sw_code choose(const json_t *found, const char *word, const char *kind, char **project,
                      sw_error *error)
{
    const json_t *only = NULL;
    size_t index, matches = 0;
    json_t *item;
    json_array_foreach(found, index, item) if (kind == NULL || strcmp(sw_json_text(item, "kind"), kind) == 0)
    {
        only = item;
        matches++;
    }
    if (matches == 0)
        return sw_fail_field(error, SW_NOT_FOUND, "project",
                             "there is no project '%.130s', or you may not read it: `sitewire list projects` "
                             "shows those that you may",
                             word);
    if (matches > 1)
        return sw_fail_field(
            error, SW_INVALID_ARGUMENT, "project",
            "'%.130s' is both a website and a Drupal core: write website:%.130s or drupaldocrootcore:%.130s",
            word, word, word);
    *project = strdup(sw_json_text(only, "code"));
    return *project != NULL ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
}

sw_code sw_deployment_project(sw_cli *cli, const char *word, char **project, sw_error *error)
{
    static const char *const kinds[] = {"website:", "drupaldocrootcore:"};
    for (size_t i = 0; i < 2; i++)
        if (strncmp(word, kinds[i], strlen(kinds[i])) == 0) {
            *project = strdup(word);
            return *project != NULL ? SW_OK : sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
        }
    json_t *page = NULL;
    json_t *request = json_pack("{s:[{s:s,s:s,s:[o,o]}]}", "filters", "field", "code", "op", "in", "values",
                                json_sprintf("%s%s", kinds[0], word), json_sprintf("%s%s", kinds[1], word));
    if (request == NULL)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "project", "the project must be text in UTF-8");
    sw_code code = sw_cli_call(cli, "/sitewire.user.v1.Users/ListProjects", request, NULL, &page, error);
    if (code == SW_OK)
        code = choose(json_object_get(page, "items"), word, kind_of(&cli->args), project, error);
    json_decref(request);
    json_decref(page);
    return code;
}

/* --- Commands --- */

/* Reads `STEP: rest`: sets the step and returns the rest. Without a STEP, returns the whole
 * text. */
static const char *take_step(const char *text, json_t *command)
{
    size_t length = strspn(text, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz");
    if (length == 0 || length > 32 || text[length] != ':' || !isspace((unsigned char)text[length + 1]))
        return text;
    char step[33];
    sw_word_upper(step, sizeof(step), text, length);
    json_object_set_new(command, "step", json_string(step));
    text += length + 1;
    return text + strspn(text, " \t");
}

static sw_code add_run(const char *text, json_t *commands, sw_error *error)
{
    json_t *command = json_object(), *line = json_string(take_step(text, command));
    json_array_append_new(commands, command);
    if (line == NULL || json_string_length(line) == 0) {
        json_decref(line);
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "run",
                             "--run takes 'STEP: command', the command as for a shell, in UTF-8");
    }
    json_object_set_new(command, "shell", line);
    return SW_OK;
}

static sw_code add_argv(const char *text, json_t *commands, sw_error *error)
{
    json_t *command = json_object(), *argv = json_loads(take_step(text, command), 0, NULL), *word;
    size_t index, words = 0;
    json_array_append_new(commands, command);
    json_array_foreach(argv, index, word) words += json_is_string(word);
    bool good = json_is_array(argv) && words > 0 && words == json_array_size(argv);
    if (good)
        json_object_set(command, "argv", argv);
    json_decref(argv);
    return good ? SW_OK
                : sw_fail_field(error, SW_INVALID_ARGUMENT, "argv",
                                "--argv takes 'STEP: [\"program\", \"argument\"]', a JSON list of strings");
}

static sw_code add_file(const char *path, json_t *commands, sw_error *error)
{
    char *text = NULL;
    size_t size;
    json_error_t where;
    sw_code code = sw_cli_read_file(path, &text, &size, error);
    if (code != SW_OK)
        return code;
    json_t *content = json_loadb(text, size, 0, &where);
    const json_t *list = json_is_object(content) ? json_object_get(content, "commands") : content;
    if (content == NULL)
        code = sw_fail_field(error, SW_INVALID_ARGUMENT, "from", "%s:%d:%d: %s", path, where.line,
                             where.column, where.text);
    else if (!json_is_array(list))
        code = sw_fail_field(
            error, SW_INVALID_ARGUMENT, "from",
            "%s has no commands: it must be a list of commands, or an object with the list as `commands`",
            path);
    else
        json_array_extend(commands, (json_t *)list);
    json_decref(content);
    free(text);
    return code;
}

sw_code sw_deployment_commands(sw_cli *cli, json_t **commands, sw_error *error)
{
    static const struct {
        const char *flag;
        sw_code (*add)(const char *value, json_t *commands, sw_error *error);
    } flags[] = {{"run", add_run}, {"argv", add_argv}, {"from", add_file}};
    json_t *list = json_array();
    sw_code code = SW_OK;
    for (size_t i = 0; i < cli->args.given_count; i++)
        for (size_t k = 0; k < sizeof(flags) / sizeof(*flags); k++)
            if (code == SW_OK && strcmp(cli->args.given[i].flag->name, flags[k].flag) == 0)
                code = flags[k].add(cli->args.given[i].value, list, error);
    *commands = NULL;
    if (code == SW_OK && json_array_size(list) > 0)
        *commands = json_incref(list);
    json_decref(list);
    return code;
}

/* --help at every level, and docs/cli.md. Both are printed from the tables of commands. */
#include "cli/app/help.h"
#include "cli/app/commands.h"
#include <string.h>

static int flag_text(const sw_flag *flag, char *text, size_t size)
{
    char letter[8] = "    ";
    if (flag->letter != 0)
        snprintf(letter, sizeof(letter), "-%c, ", flag->letter);
    return snprintf(text, size, "%s--%s%s%s", letter, flag->name, flag->argument != NULL ? " " : "",
                    flag->argument != NULL ? flag->argument : "");
}

static bool has_flag(const sw_flag *flags, const char *name)
{
    for (; flags != NULL && flags->name != NULL; flags++)
        if (strcmp(flags->name, name) == 0)
            return true;
    return false;
}

/* Prints all flags except those that `but` has, too. */
static void print_flags(FILE *out, const sw_flag *flags, const sw_flag *but)
{
    char text[64];
    int width = 0;
    for (const sw_flag *f = flags; f->name != NULL; f++) {
        int n = flag_text(f, text, sizeof(text));
        width = n > width ? n : width;
    }
    for (const sw_flag *f = flags; f->name != NULL; f++) {
        if (has_flag(but, f->name))
            continue;
        flag_text(f, text, sizeof(text));
        fprintf(out, "  %-*s  %s\n", width, text, f->help);
    }
}

/* Prints text of several lines, each after `indent`. */
static void print_indented(FILE *out, const char *text, const char *indent)
{
    while (*text != '\0') {
        size_t length = strcspn(text, "\n");
        fprintf(out, "%s%.*s\n", length > 0 ? indent : "", (int)length, text);
        text += length + (text[length] == '\n');
    }
}

static void print_summaries(FILE *out, const sw_command_group *group)
{
    fprintf(out, "\n%s:\n", group->title);
    for (const sw_command *c = group->commands; c->name != NULL; c++)
        if (!c->hidden)
            fprintf(out, "  %-11s  %s\n", c->name, c->summary);
}

void sw_help_print(FILE *out, const sw_command_set *set)
{
    fputs("sitewire: the registry of a fleet of websites, over ZeroMQ.\n\n"
          "Usage: sitewire COMMAND ... [--help]\n",
          out);
    for (const sw_command_group *g = set->groups; g->title != NULL; g++)
        print_summaries(out, g);
    fputs("\nFlags of every command:\n", out);
    print_flags(out, set->flags, NULL);
    fputs("\nThe exit status is 0, or the number of the failure's gRPC code (`sitewire help errors`).\n"
          "\nFirst steps:\n"
          "  sitewire up --data ~/sitewire     # in one terminal: a whole system\n"
          "  . ~/sitewire/env                  # in another terminal: its endpoints\n"
          "  sitewire status\n"
          "  sitewire list websites\n",
          out);
}

void sw_help_print_command(FILE *out, const sw_command_set *set, const sw_command *command)
{
    fprintf(out, "%s\n\nUsage: sitewire %s%s%s\n", command->summary, command->name,
            *command->usage != '\0' ? " " : "", command->usage);
    if (*command->help != '\0') {
        fputc('\n', out);
        print_indented(out, command->help, "");
    }
    if (command->flags != NULL) {
        fputs("\nFlags:\n", out);
        print_flags(out, command->flags, NULL);
    }
    fputs("\nFlags of every command:\n", out);
    print_flags(out, set->flags, command->flags);
    if (*command->examples != '\0') {
        fputs("\nExamples:\n", out);
        print_indented(out, command->examples, "  ");
    }
}

static void print_errors(FILE *out)
{
    fputs("A command that fails prints `error: CODE: message` on stderr, and where useful `field: ...`,\n"
          "`resource: ...` and `hint: ...`. The exit status is the number of the code:\n\n",
          out);
    for (int code = 0; code < SW_CODE_COUNT; code++)
        fprintf(out, "  %2d  %-20s %s\n", code, sw_code_name((sw_code)code), sw_code_text((sw_code)code));
}

static void print_section(FILE *out, const sw_command *c)
{
    fprintf(out, "\n## sitewire %s\n\n%s\n\n    sitewire %s %s\n\n%s%s", c->name, c->summary, c->name,
            c->usage, c->help, *c->help != '\0' ? "\n" : "");
    if (c->flags != NULL) {
        fputs("\n```\n", out);
        print_flags(out, c->flags, NULL);
        fputs("```\n", out);
    }
    if (*c->examples != '\0') {
        fputs("\n```sh\n", out);
        print_indented(out, c->examples, "");
        fputs("```\n", out);
    }
}

/* Prints docs/cli.md. */
static void print_markdown(FILE *out, const sw_command_set *set)
{
    fputs("# The `sitewire` command line\n\n"
          "Printed by `sitewire help --markdown`; a test checks that it is up to date.\n\n"
          "    sitewire COMMAND ... [--help]\n",
          out);
    for (const sw_command_group *g = set->groups; g->title != NULL; g++) {
        fprintf(out, "\n%s:\n\n", g->title);
        for (const sw_command *c = g->commands; c->name != NULL; c++)
            if (!c->hidden)
                fprintf(out, "* [`%s`](#sitewire-%s): %s\n", c->name, c->name, c->summary);
    }
    fputs("\n## Flags of every command\n\n```\n", out);
    print_flags(out, set->flags, NULL);
    fputs("```\n\n## Failures\n\n```\n", out);
    print_errors(out);
    fputs("```\n", out);
    for (const sw_command_group *g = set->groups; g->title != NULL; g++)
        for (const sw_command *c = g->commands; c->name != NULL; c++)
            if (!c->hidden)
                print_section(out, c);
}

sw_code sw_cmd_help(sw_cli *cli, sw_error *error)
{
    if (sw_args_has(&cli->args, "markdown")) {
        print_markdown(stdout, cli->set);
        return SW_OK;
    }
    if (cli->args.word_count == 0) {
        sw_help_print(stdout, cli->set);
        return SW_OK;
    }
    const char *name = cli->args.words[0];
    if (strcmp(name, "errors") == 0) {
        print_errors(stdout);
        return SW_OK;
    }
    const sw_command *command = sw_command_find(cli->set, name);
    if (command == NULL)
        return sw_cli_usage(cli, error, "there is no command '%s'", name);
    sw_help_print_command(stdout, cli->set, command);
    return SW_OK;
}

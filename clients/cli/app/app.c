/* One run of the command line: finds the command, parses the flags, runs the command, and
 * reports the outcome on stderr and as the exit status. */
#include "cli/app/app.h"
#include "base/error.h"
#include "base/nearest.h"
#include "cli/app/help.h"
#include "cli/run/interrupt.h"
#include "cli/term/grid.h"
#include <errno.h>
#include <locale.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* What the user can do about a failure. */
static const char *remedy(sw_code code)
{
    static const char *const remedies[SW_CODE_COUNT] = {
        [SW_DEADLINE_EXCEEDED] = "allow more time with --timeout, or see `sitewire status`",
        [SW_ABORTED] = "read it again, and repeat the change with its new revision",
        [SW_UNAUTHENTICATED] = "tcp needs a key: `sitewire key enroll`; ipc a uid of --local-users",
        [SW_UNIMPLEMENTED] = "`sitewire describe` lists what the running services offer",
        [SW_UNAVAILABLE] = "`sitewire status` shows what runs; `sitewire up --data DIR` starts a system",
    };
    return (unsigned)code < SW_CODE_COUNT ? remedies[code] : NULL;
}

/* The remedy where no broker answers. */
static void print_unreachable(const sw_cli *cli)
{
    fprintf(stderr,
            "hint: nothing answers at %s: check that a broker runs there, and what --endpoint or "
            "SITEWIRE_ENDPOINT says; `sitewire up --data DIR` starts a system\n",
            cli->endpoints);
}

/* By convention, a message about the value of a flag begins with the flag. */
static bool is_usage(const sw_cli *cli, const sw_error *error)
{
    return cli->usage_error ||
           (error->local && error->code == SW_INVALID_ARGUMENT && strncmp(error->message, "--", 2) == 0);
}

static void print_part(const char *name, const char *text)
{
    if (*text == '\0')
        return;
    fprintf(stderr, "%s: ", name);
    sw_text_print(stderr, text);
    fputc('\n', stderr);
}

static void print_error(const sw_cli *cli, const sw_error *error)
{
    const char *red = cli->err_terminal && getenv("NO_COLOR") == NULL ? "\033[1;31m" : "";
    char *message = sw_text_safe(error->message, error->local);
    fprintf(stderr, "%serror%s: %s: %s\n", red, *red != '\0' ? "\033[0m" : "", sw_code_name(error->code),
            message != NULL ? message : "");
    free(message);
    print_part("field", error->field);
    const char *key = strchr(error->resource, '/');
    if (key == NULL || strstr(error->message, key + 1) == NULL) /* a long key is printed once */
        print_part("resource", error->resource);
    /* Messages of our own already say what to do, unless nobody answered. */
    bool silent = error->code == SW_UNAVAILABLE || error->code == SW_DEADLINE_EXCEEDED;
    const char *hint = !error->local || (silent && cli->client != NULL) ? remedy(error->code) : NULL;
    if (strcmp(error->field, "plan_hash") == 0 && hint != NULL)
        hint = "`sitewire deployment ID` shows the plan as it is now, and its hash";
    if (is_usage(cli, error))
        fprintf(stderr, "hint: see `sitewire%s%s --help`\n", cli->command != NULL ? " " : "",
                cli->command != NULL ? cli->command->name : "");
    else if (silent && cli->client != NULL && !sw_cli_is_connected(cli))
        print_unreachable(cli);
    else if (hint != NULL)
        fprintf(stderr, "hint: %s\n", hint);
}

/* The index of the command in argv: the first word that is neither a global flag nor its value;
 * 0 if there is none. */
static int find_command(const sw_command_set *set, int argc, char **argv)
{
    for (int i = 1; i < argc; i++) {
        if (argv[i][0] != '-')
            return i;
        for (const sw_flag *f = set->flags; f->name != NULL; f++)
            if (f->argument != NULL && argv[i][1] == '-' && strcmp(argv[i] + 2, f->name) == 0)
                i++;
    }
    return 0;
}

static sw_code unknown_command(sw_cli *cli, const char *word, sw_error *error)
{
    sw_nearest nearest;
    char hint[160];
    sw_nearest_init(&nearest, word, strlen(word));
    for (const sw_command_group *g = cli->set->groups; g->title != NULL; g++)
        for (const sw_command *c = g->commands; c->name != NULL; c++)
            if (!c->hidden)
                sw_nearest_offer(&nearest, c->name);
    sw_nearest_text(&nearest, "", hint, sizeof(hint));
    return sw_cli_usage(cli, error, "unknown command '%s'%s", word, hint);
}

static sw_code run(sw_cli *cli, int argc, char **argv, sw_error *error)
{
    int at = find_command(cli->set, argc, argv);
    if (at > 0) {
        cli->command = sw_command_find(cli->set, argv[at]);
        if (cli->command == NULL)
            return unknown_command(cli, argv[at], error);
        memmove(argv + at, argv + at + 1, (size_t)(argc - at) * sizeof(*argv));
        argc--;
    }
    const sw_flag *own = cli->command != NULL ? cli->command->flags : NULL;
    sw_code code = sw_args_parse(argc - 1, argv + 1, own, cli->set->flags, &cli->args, error);
    if (code == SW_OK)
        code = sw_args_duration_ms(&cli->args, "timeout", 1, 0, &cli->timeout_ms, error);
    if (code != SW_OK) {
        cli->usage_error = true;
        return code;
    }
    cli->json = sw_args_has(&cli->args, "json");
    if (cli->json && sw_args_has(&cli->args, "csv") && sw_args_value(&cli->args, "csv") == NULL)
        return sw_cli_usage(cli, error, "--json and --csv are two forms of the same output; give only one");
    cli->timing = sw_args_has(&cli->args, "timing");
    cli->spread = sw_args_has(&cli->args, "spread");
    cli->endpoints = sw_args_value(&cli->args, "endpoint");
    cli->key_file = sw_args_value(&cli->args, "key");
    if (cli->endpoints == NULL)
        cli->endpoints = getenv("SITEWIRE_ENDPOINT");
    /* Some commands have a --version with a value of their own. */
    if (sw_args_has(&cli->args, "version") && sw_args_value(&cli->args, "version") == NULL) {
        puts("sitewire " SW_VERSION);
    } else if (cli->command != NULL && sw_args_has(&cli->args, "help")) {
        sw_help_print_command(stdout, cli->set, cli->command);
    } else if (cli->command != NULL) {
        return cli->command->run(cli, error);
    } else if (sw_args_has(&cli->args, "help")) {
        sw_help_print(stdout, cli->set);
    } else {
        sw_help_print(stderr, cli->set);
        return sw_cli_usage(cli, error, "which command?");
    }
    return SW_OK;
}

int sw_cli_main(const sw_command_set *set, int argc, char **argv)
{
    /* wcwidth needs a UTF-8 locale; everything else stays in the C locale. */
    setlocale(LC_CTYPE, "C.UTF-8");
    sw_cli_catch_signals();
    sw_cli cli = {
        .set = set, .out_terminal = isatty(STDOUT_FILENO) != 0, .err_terminal = isatty(STDERR_FILENO) != 0};
    const char *no_color = getenv("NO_COLOR");
    cli.out_color = cli.out_terminal && (no_color == NULL || *no_color == '\0');
    sw_error error = {0};
    sw_code code = run(&cli, argc, argv, &error);
    bool lost = fflush(stdout) != 0 || ferror(stdout) != 0;
    if (code == SW_OK && lost && errno != EPIPE)
        code = sw_fail(&error, SW_RESOURCE_EXHAUSTED, "cannot write the output: %s", strerror(errno));
    /* A command that has already reported its failures (one for each of several keys, for
     * example) leaves the message empty. */
    if (code != SW_OK && error.message[0] != '\0')
        print_error(&cli, &error);
    sw_client_close(&cli.client);
    sw_args_free(&cli.args);
    return (int)code;
}

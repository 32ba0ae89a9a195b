/* Usage errors and the question before a deletion: see cli.h. */
#include "cli/run/cli.h"
#include "base/error.h"
#include <stdarg.h>
#include <unistd.h>

sw_code sw_cli_usage(sw_cli *cli, sw_error *error, const char *format, ...)
{
    char text[SW_ERROR_MESSAGE_SIZE];
    va_list list;
    va_start(list, format);
    vsnprintf(text, sizeof(text), format, list);
    va_end(list);
    cli->usage_error = true;
    return sw_fail(error, SW_INVALID_ARGUMENT, "%s", text);
}

bool sw_cli_confirm(sw_cli *cli, const char *question)
{
    char answer[16];
    if (sw_args_has(&cli->args, "yes") || !cli->err_terminal || !isatty(STDIN_FILENO))
        return true;
    fprintf(stderr, "%s [y/N] ", question);
    bool good = fgets(answer, sizeof(answer), stdin) != NULL && (answer[0] == 'y' || answer[0] == 'Y');
    sw_cli_renew_deadline(cli);
    return good;
}

/* The calls for secrets, with the options of every command (secret.h). */
#include "cli/run/secret.h"

/* The options point to *pair. */
static sw_call_options options_of(const sw_cli *cli, const char *reason, sw_metadata *pair)
{
    *pair = (sw_metadata){"reason", reason != NULL ? reason : sw_args_value(&cli->args, "reason")};
    return (sw_call_options){.size = sizeof(sw_call_options),
                             .timeout_ms = cli->timeout_ms,
                             .metadata = pair,
                             .metadata_count = pair->value != NULL};
}

static void report_timing(const sw_cli *cli, const sw_client *client)
{
    const sw_reply *last = sw_client_last(client);
    if (cli->timing || last->code == SW_DEADLINE_EXCEEDED)
        sw_cli_print_timing(last);
}

sw_code sw_cli_set_secret(sw_cli *cli, const Sw__SetSecretRequest *request, const char *value, size_t size,
                          const char *reason, Sw__Secret **stored, sw_error *error)
{
    sw_metadata pair;
    const sw_call_options options = options_of(cli, reason, &pair);
    sw_client *client = NULL;
    sw_code code = sw_cli_client(cli, &client, error);
    if (code != SW_OK)
        return code;
    code = sw_client_set_secret(client, request, value, size, &options, stored, error);
    report_timing(cli, client);
    return code;
}

sw_code sw_cli_read_secret(sw_cli *cli, const Sw__ReadSecretRequest *request, char **value, sw_error *error)
{
    sw_metadata pair;
    const sw_call_options options = options_of(cli, NULL, &pair);
    sw_client *client = NULL;
    sw_code code = sw_cli_client(cli, &client, error);
    if (code != SW_OK)
        return code;
    code = sw_client_read_secret(client, request, &options, value, NULL, error);
    report_timing(cli, client);
    return code;
}

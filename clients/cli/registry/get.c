/* `sitewire get`: rows by key. */
#include "base/error.h"
#include "cli/registry/commands.h"
#include "cli/registry/read_time.h"
#include "cli/schema/output.h"
#include "cli/schema/resource.h"

sw_code sw_cmd_get(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    const sw_schema *schema;
    sw_schema_resource resource;
    if (args->word_count < 2)
        return sw_cli_usage(cli, error, "get takes a RESOURCE and at least one KEY");
    sw_code code = sw_cli_schema(cli, &schema, error);
    if (code == SW_OK)
        code = sw_schema_resource_find(schema, args->words[0], &resource, error);
    if (code != SW_OK)
        return code;
    /* Reads all keys before the first row is shown, so that a typing error shows no rows. */
    for (size_t at = 1, used = 0; code == SW_OK && at < args->word_count; at += used) {
        json_t *key = json_object();
        code = sw_schema_resource_read_key(&resource, args->words + at, args->word_count - at, &used, key,
                                           error);
        json_decref(key);
    }
    sw_output output;
    if (code == SW_OK)
        code = sw_output_begin_records(&output, cli, resource.message, error);
    for (size_t at = 1, used = 0; code == SW_OK && at < args->word_count; at += used) {
        json_t *key = json_object(), *item = NULL;
        code = sw_schema_resource_read_key(&resource, args->words + at, args->word_count - at, &used, key,
                                           error);
        if (code == SW_OK)
            code = sw_set_read_time(cli, resource.get, key, error);
        if (code == SW_OK)
            code = sw_cli_call(cli, resource.get->path, key, NULL, &item, error);
        if (code == SW_OK) {
            sw_output_item(&output, item);
            sw_cli_renew_deadline(cli);
        }
        json_decref(key);
        json_decref(item);
    }
    return code;
}

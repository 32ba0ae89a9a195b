/* `sitewire refusals`: who was refused, what, why and from where; newest first. For admins. */
#include "base/error.h"
#include "cli/registry/commands.h"
#include "cli/registry/list.h"

#define LIST_LIMIT 100

static void add_filter(json_t *filters, const char *field, const char *op, const char *value)
{
    json_array_append_new(filters, json_pack("{s:s,s:s,s:[s]}", "field", field, "op", op, "values", value));
}

sw_code sw_cmd_refusals(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    char since[SW_TIME_TEXT];
    json_t *filters = json_array();
    sw_code code = SW_OK;
    if (sw_args_has(args, "by"))
        add_filter(filters, "caller", "=", sw_args_value(args, "by"));
    if (sw_args_has(args, "since") && (code = sw_args_time(args, "since", since, error)) == SW_OK)
        add_filter(filters, "last_at", ">=", since);
    const sw_listing listing = {.resource = "refusal",
                                .filters = filters,
                                .order = "-last_at",
                                .fields = "last_at,count,caller,key,address,process,method,code,reason",
                                .limit = LIST_LIMIT};
    if (code == SW_OK)
        code = sw_list(cli, &listing, error);
    json_decref(filters);
    return code;
}

/* --at: see read_time.h. */
#include "cli/registry/read_time.h"
#include "base/error.h"

sw_code sw_set_read_time(const sw_cli *cli, const sw_schema_method *method, json_t *request, sw_error *error)
{
    char text[SW_TIME_TEXT];
    sw_code code = sw_args_time(&cli->args, "at", text, error);
    if (code != SW_OK || *text == '\0')
        return code;
    if (protobuf_c_message_descriptor_get_field_by_name(method->request, "read_time") == NULL)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "at", "%s only reports the present", method->name);
    json_object_set_new(request, "read_time", json_string(text));
    return SW_OK;
}

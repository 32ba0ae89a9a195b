/* Adds rows to the plan and reports bad ones: see import.h. */
#include "cli/import/import.h"

#include "base/error.h"
#include <errno.h>
#include <stdarg.h>
#include <string.h>

sw_code sw_import_no_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory: import the rows in several parts");
}

sw_code sw_import_read_failed(const sw_input *input, sw_error *error)
{
    return errno == ENOMEM
               ? sw_import_no_memory(error)
               : sw_fail(error, SW_INVALID_ARGUMENT, "cannot read %.200s: %s", input->name, strerror(errno));
}

sw_code sw_import_bad_row(sw_import *import, uint32_t origin, const char *format, ...)
{
    sw_error error = {.code = SW_INVALID_ARGUMENT, .local = true};
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(error.message, sizeof error.message, format, arguments);
    va_end(arguments);
    sw_import_fail(import, origin, NULL, NULL, &error);
    return SW_OK;
}

sw_code sw_import_add(sw_import *import, const sw_model_type *type, json_t *fields, uint32_t origin,
                      sw_error *error)
{
    sw_error why = {0};
    sw_code code = sw_import_plan_add(import->plan, type, fields, origin, &why);
    if (code == SW_RESOURCE_EXHAUSTED && error != NULL)
        *error = why;
    if (code == SW_RESOURCE_EXHAUSTED || code == SW_OK)
        return code;
    sw_import_fail(import, origin, type, NULL, &why);
    return SW_OK;
}

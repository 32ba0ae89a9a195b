/* Methods by the names that people type. Used by call, describe and completion. */
#ifndef SW_CLI_SCHEMA_METHOD_H
#define SW_CLI_SCHEMA_METHOD_H

#include "c/json/schema.h"

/* Accepts `/package.Service/Method`, `package.Service/Method`, `Service/Method`,
 * `Service.Method` and `Method`. UNIMPLEMENTED suggests the nearest names; INVALID_ARGUMENT if
 * several services have a method of that name. */
sw_code sw_cli_method(const sw_schema *schema, const char *name, const sw_schema_method **method,
                      sw_error *error);

#endif

/* Methods by the names that people type. Used by call, describe and completion. */
#ifndef SW_CLI_METHOD_H
#define SW_CLI_METHOD_H

#include "c/json/schema.h"

/* Any form: `/package.Service/Method`, `package.Service/Method`, `Service/Method`, `Service.Method`,
 * `Method`. UNIMPLEMENTED suggests the nearest names; INVALID_ARGUMENT for a bare name that several services
 * have. */
sw_code sw_cli_method(const sw_schema *schema, const char *name, const sw_schema_method **method,
                      sw_error *error);

#endif

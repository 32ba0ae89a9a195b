/* --at TIME: reads as of a time in the past. Used by get and list. */
#ifndef SW_CLI_REGISTRY_READ_TIME_H
#define SW_CLI_REGISTRY_READ_TIME_H

#include "cli/run/cli.h"

/* Sets `read_time` of the request if --at was given. INVALID_ARGUMENT if the method cannot read
 * the past. */
sw_code sw_set_read_time(const sw_cli *cli, const sw_schema_method *method, json_t *request, sw_error *error);

#endif

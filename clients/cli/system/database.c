/* Which database a command reads: see database.h. */
#include "cli/system/database.h"
#include "base/error.h"
#include <stdlib.h>

const char *sw_database_conninfo(const sw_cli *cli)
{
    const char *given = sw_args_value(&cli->args, "database");
    if (given == NULL)
        given = getenv("SITEWIRE_DATABASE");
    return given != NULL ? given : "";
}

sw_code sw_database_outcome(sw_code code, sw_error *error)
{
    const sw_error failure = *error;
    if (code == SW_UNAVAILABLE)
        sw_fail(error, code, "%s; is PostgreSQL running there? --database CONNINFO names another",
                failure.message);
    return code;
}

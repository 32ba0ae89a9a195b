/* The database that `sitewire migrate` and `sitewire audit` read themselves, without any
 * service. */
#ifndef SW_CLI_SYSTEM_DATABASE_H
#define SW_CLI_SYSTEM_DATABASE_H

#include "cli/run/cli.h"

/* Of --database, else of SITEWIRE_DATABASE, else "": libpq's own variables count then. */
const char *sw_database_conninfo(const sw_cli *cli);
/* Passes `code` on. After UNAVAILABLE it adds to the message how to name another database. */
sw_code sw_database_outcome(sw_code code, sw_error *error);

#endif

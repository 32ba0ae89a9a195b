/* Secrets set and read from commands, sealed on the way by the client library. Used by `secret` and
 * `import`. */
#ifndef SW_CLI_RUN_SECRET_H
#define SW_CLI_RUN_SECRET_H

#include "cli/run/cli.h"
#include <sitewire/referential/v1/referential.pb-c.h>
#include <sitewire/secret.h>

/* As sw_client_set_secret. `reason` may be NULL: --reason counts. `stored` may be NULL. Does
 * not notice SIGINT before it ends, except while sw_cli_set_blocking is on. */
sw_code sw_cli_set_secret(sw_cli *cli, const Sw__SetSecretRequest *request, const char *value, size_t size,
                          const char *reason, Sw__Secret **stored, sw_error *error);
/* As sw_client_read_secret: the caller gives *value to sw_client_drop_secret. */
sw_code sw_cli_read_secret(sw_cli *cli, const Sw__ReadSecretRequest *request, char **value, sw_error *error);

#endif

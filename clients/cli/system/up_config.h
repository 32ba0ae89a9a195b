/* What `sitewire up` and the programs that it starts have in common: how they log, from flags,
 * variables or a --config file (docs/configuration.md). Used by up.c. */
#ifndef SW_CLI_UP_CONFIG_H
#define SW_CLI_UP_CONFIG_H

#include "program/args.h"
#include "program/configuration.h"

#define SW_UP_CONFIG_FLAGS 6 /* arguments that sw_up_config_pass adds at most */

typedef struct sw_up_config {
    sw_configuration *configuration;
    char *argv[SW_UP_CONFIG_FLAGS + 2];
    int argc;
} sw_up_config;

/* Reads the configuration, opens the log, and takes those variables out of the environment that
 * would change whom the programs serve or who they are: `up` decides that. Texts of `args` are
 * borrowed. Once per process. */
sw_code sw_up_config_open(sw_up_config *config, const sw_args *args, sw_error *error);
void sw_up_config_close(sw_up_config *config);
/* SIGHUP: reads it again. A bad file is logged, and what is in force stays. */
void sw_up_config_reload(sw_up_config *config);
/* Adds the flags of a program that is to log in the same way. */
void sw_up_config_pass(const sw_up_config *config, const char **arguments, size_t capacity);

#endif

/* SIGINT and SIGTERM. The first one asks the command to end; the second one ends the program at
 * once. */
#ifndef SW_CLI_RUN_INTERRUPT_H
#define SW_CLI_RUN_INTERRUPT_H

#include <stdbool.h>

/* Called once, by main. */
void sw_cli_catch_signals(void);
/* True after SIGINT or SIGTERM: clean up and end. */
bool sw_cli_stopped(void);
/* While true, a signal ends the program at once. For a wait that cannot check sw_cli_stopped and
 * leaves nothing to clean up. */
void sw_cli_set_blocking(bool is_blocking);

#endif

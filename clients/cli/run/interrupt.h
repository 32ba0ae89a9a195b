/* SIGINT and SIGTERM: the first one asks the command to end, the second one ends the program at once. */
#ifndef SW_CLI_INTERRUPT_H
#define SW_CLI_INTERRUPT_H

#include <stdbool.h>

/* Called once, by main. */
void sw_cli_catch_signals(void);
/* True once SIGINT or SIGTERM has arrived: the command cleans up and ends. */
bool sw_cli_stopped(void);
/* While `is_blocking`, a signal ends the program at once. Set it around a wait that cannot check sw_cli_stopped and has nothing to
 * clean up. */
void sw_cli_set_blocking(bool is_blocking);

#endif

/* `sitewire`, the command line. Everything else is in the library sw_cli, for the unit tests. */
#include "cli/app/app.h"
#include "cli/app/commands.h"
#include "program/process.h"

int main(int argc, char **argv)
{
    sw_process_hold_standard();
    sw_process_keep_private();
    return sw_cli_main(&sw_all_commands, argc, argv);
}

/* `sitewire`: the command line of sitewire. Everything is in sw_cli, for the unit tests. */
#include "base/process.h"
#include "cli/run/cli.h"

int main(int argc, char **argv)
{
    sw_process_hold_standard();
    return sw_cli_main(argc, argv);
}

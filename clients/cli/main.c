/* `sitewire`: the command line of sitewire. Everything is in sw_cli, for the unit tests. */
#include "cli.h"

int main(int argc, char **argv)
{
    return sw_cli_main(argc, argv);
}

/* Files that people name on the command line. Used by --from, `field=@FILE`, mappings. */
#ifndef SW_CLI_RUN_FILE_H
#define SW_CLI_RUN_FILE_H

#include <sitewire/status.h>
#include <stddef.h>

/* Reads a whole file of up to 64 MiB, or stdin for `-`. *text is malloc'ed for the caller and
 * ends with a NUL that *size does not count. */
sw_code sw_cli_read_file(const char *path, char **text, size_t *size, sw_error *error);

#endif

/* Files that hold a secret, and that nobody but their owner may read. Used by the readers of key
 * files (net/keyfile.c, base/keyring.c). */
#ifndef SW_BASE_PRIVATE_FILE_H
#define SW_BASE_PRIVATE_FILE_H

#include <sitewire/status.h>
#include <stddef.h>

/* Reads a key file, NUL-terminated, into `size` bytes. NOT_FOUND if there is none;
 * FAILED_PRECONDITION with the remedy if it is no regular file of ours that nobody else can read
 * (mode 0600 or 0400), does not fit, or holds a NUL. The caller wipes the text, whatever comes of
 * it. */
sw_code sw_private_file_read(const char *path, char *text, size_t size, sw_error *error);

/* The next line `name = "value"` of a text. Skips comments (#) and empty lines; leading space does
 * not count. A line of one word alone, such as `curve` in a certificate, begins a section: *value
 * is NULL then. The text is cut into its parts where it stands. *name is NULL at the end. `number`
 * counts lines. FAILED_PRECONDITION names a line of any other form. */
sw_code sw_private_file_next(char **rest, int *number, const char *path, char **name, char **value,
                             sw_error *error);

#endif

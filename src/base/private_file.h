/* Files that hold a secret and that only their owner may read. Used by net/keyfile.c and
 * base/keyring.c. */
#ifndef SW_BASE_PRIVATE_FILE_H
#define SW_BASE_PRIVATE_FILE_H

#include <sitewire/status.h>
#include <stddef.h>

/* Reads a key file, NUL-terminated, into `size` bytes. NOT_FOUND if there is none;
 * FAILED_PRECONDITION with the remedy if it is not a regular file of this user that nobody else can
 * read (mode 0600 or 0400), is too large, or holds a NUL. The caller wipes the text, also after a
 * failure. */
sw_code sw_private_file_read(const char *path, char *text, size_t size, sw_error *error);

/* The next line `name = "value"` of a text. Skips comments (#), empty lines and leading space. A
 * line with one word, such as `curve` in a certificate, begins a section: *value is NULL then.
 * Writes NULs into the text. *name is NULL at the end. `number` counts lines. FAILED_PRECONDITION
 * names a line of any other form. */
sw_code sw_private_file_next(char **rest, int *number, const char *path, char **name, char **value,
                             sw_error *error);

#endif

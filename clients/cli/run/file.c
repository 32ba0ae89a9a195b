/* Whole files: see file.h. */
#include "cli/run/file.h"
#include "base/error.h"
#include "base/folder.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX ((size_t)64 << 20)

sw_code sw_cli_read_file(const char *path, char **text, size_t *size, sw_error *error)
{
    FILE *file = strcmp(path, "-") == 0 ? stdin : fopen(path, "re");
    if (file == NULL)
        return sw_fail(error, sw_file_code(errno), "cannot read %s: %s", path, strerror(errno));
    char *data = NULL;
    size_t used = 0, room = 0;
    sw_code code = SW_OK;
    do {
        if (room - used < 2) {
            room = room == 0 ? 65536 : room * 2;
            char *grown = room > FILE_MAX ? NULL : realloc(data, room);
            if (grown == NULL) {
                code =
                    sw_fail(error, SW_RESOURCE_EXHAUSTED, "%s is larger than %zu MiB", path, FILE_MAX >> 20);
                break;
            }
            data = grown;
        }
        used += fread(data + used, 1, room - used - 1, file);
    } while (!feof(file) && !ferror(file));
    if (code == SW_OK && ferror(file))
        code = sw_fail(error, SW_INVALID_ARGUMENT, "cannot read %s: %s", path, strerror(errno));
    if (file != stdin)
        fclose(file);
    if (code != SW_OK) {
        free(data);
        return code;
    }
    data[used] = '\0';
    *text = data;
    *size = used;
    return SW_OK;
}

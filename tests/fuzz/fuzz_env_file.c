/* The reader of --config and --secrets files: what it accepts has valid names and lies inside the
 * buffer. */
#include "program/env_file.h"
#include "program/redact.h"
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *text = malloc(size + 1), shown[256];
    sw_env_file file;
    sw_error error;
    const char *name, *value;
    int line, before = 0;
    memcpy(text, data, size);
    text[size] = '\0';
    size_t length = strlen(text);
    sw_env_file_open(&file, "FILE", text);
    while (sw_env_file_next(&file, &name, &value, &line, &error) == SW_OK && name != NULL) {
        if (!sw_env_name_is_valid(name) || line < before || value < text ||
            value + strlen(value) > text + length)
            abort();
        sw_redact(value, shown, sizeof(shown));
        before = line;
    }
    free(text);
    return 0;
}

/* Filling in an sw_error. Used everywhere. */
#include "base/error.h"
#include "base/utf8.h"
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

/* Copies `from`, cut between two characters. Bytes that are not UTF-8 (of a peer or a file) become
 * '?', because the text is sent in protobuf strings. */
static void copy_text(char *to, size_t capacity, const char *from)
{
    size_t size = strlen(from), at = 0;
    size = sw_utf8_cut(from, size, capacity - 1);
    while (at < size) {
        size_t length = sw_utf8_next(from + at, size - at);
        if (length == 0) {
            to[at++] = '?';
        } else {
            memcpy(to + at, from + at, length);
            at += length;
        }
    }
    to[at] = '\0';
}

__attribute__((format(printf, 4, 0))) static sw_code fill(sw_error *error, sw_code code, const char *field,
                                                          const char *format, va_list arguments)
{
    if (error == NULL)
        return code;
    /* First to the stack, because the arguments may be the old texts of *error. One byte more than
     * fits lets copy_text notice a split character. */
    char message[SW_ERROR_MESSAGE_SIZE + 4], path[SW_ERROR_FIELD_SIZE];
    if (vsnprintf(message, sizeof(message), format, arguments) < 0)
        message[0] = '\0';
    copy_text(path, sizeof(path), field);
    *error = (sw_error){.code = code, .local = true};
    copy_text(error->message, sizeof(error->message), message);
    memcpy(error->field, path, sizeof(path));
    return code;
}

/* Names in parentheses, because error.h may define macros of the same names. */
sw_code(sw_fail)(sw_error *error, sw_code code, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fill(error, code, "", format, arguments);
    va_end(arguments);
    return code;
}

sw_code(sw_fail_field)(sw_error *error, sw_code code, const char *field, const char *format, ...)
{
    va_list arguments;
    va_start(arguments, format);
    fill(error, code, field, format, arguments);
    va_end(arguments);
    return code;
}

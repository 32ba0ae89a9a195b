/* Checks for UTF-8 in text from peers, files and people. Used by error, log, option and the
 * decoders. */
#ifndef SW_BASE_UTF8_H
#define SW_BASE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Bytes of the well-formed character at the start of `text` (1 to 4), or 0 if it is malformed or
 * size is 0. No overlong forms, surrogates or values past U+10FFFF (Unicode 15, table 3-7). A NUL
 * is a character. */
size_t sw_utf8_next(const char *text, size_t size);

/* Whether all of it is well-formed and has no NUL, which C strings cannot hold. */
bool sw_utf8_valid(const char *text, size_t size);

/* Bytes of the longest prefix of at most `limit` bytes that splits no character. */
size_t sw_utf8_cut(const char *text, size_t size, size_t limit);

#endif

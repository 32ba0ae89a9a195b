/* UTF-8 validity of text from outside, which protobuf-c does not check. Used by header codec, rpc and JSON.
 */
#ifndef SW_WIRE_UTF8_H
#define SW_WIRE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Well-formed UTF-8 (RFC 3629: no overlong forms, no surrogates, at most U+10FFFF) without NUL. */
bool sw_utf8_valid(const char *text, size_t size);

#endif

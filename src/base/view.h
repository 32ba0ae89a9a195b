/* Bytes that belong to somebody else: a piece of a frame, of an arena, of a constant. Whoever
 * returns a view says how long it is valid. */
#ifndef SW_BASE_VIEW_H
#define SW_BASE_VIEW_H

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

typedef struct sw_view {
    const char *data; /* not NUL-terminated; may be NULL when size is 0 */
    size_t size;
} sw_view;

#define SW_VIEW(literal) ((sw_view){(literal), sizeof(literal) - 1})

/* The characters of a string without its NUL; empty for NULL. */
static inline sw_view sw_view_of(const char *text)
{
    return text == NULL ? (sw_view){0} : (sw_view){text, strlen(text)};
}

static inline bool sw_view_equal(sw_view a, sw_view b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

#endif

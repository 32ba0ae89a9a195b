/* A few lines at the bottom of the terminal that are redrawn in place. The output above them
 * scrolls as usual. Used by the live view. */
#ifndef SW_CLI_TERM_SCREEN_H
#define SW_CLI_TERM_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#define SW_SCREEN_LINES 64 /* at most */

/* A line of a frame, and its style: an SGR parameter such as "1" or "31", or NULL. The text must
 * be safe to print. */
typedef struct sw_screen_line {
    char *text; /* malloc'ed */
    const char *style;
} sw_screen_line;

typedef struct sw_screen sw_screen;

/* Takes over the terminal of stdout: hides the cursor and switches off echo. NULL when out of
 * memory. */
sw_screen *sw_screen_new(bool color);
/* Restores the terminal; the last frame stays visible. */
void sw_screen_destroy(sw_screen **screen);
/* The current size; 80 and 24 if it is unknown. */
void sw_screen_size(size_t *width, size_t *height);
/* Replaces the last frame in one write, each line cut to the width, and frees the texts. An
 * unchanged frame is not written. If the user pressed Ctrl-Z, stops the program here. */
void sw_screen_draw(sw_screen *screen, sw_screen_line *lines, size_t count);

#endif

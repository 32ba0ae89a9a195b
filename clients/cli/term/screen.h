/* A few lines at the bottom of the terminal, redrawn in place as a whole. What is above them scrolls as ever. Used by the live view. */
#ifndef SW_CLI_SCREEN_H
#define SW_CLI_SCREEN_H

#include <stdbool.h>
#include <stddef.h>

#define SW_SCREEN_LINES 64 /* at most */

/* A line of a frame, and how it looks: an SGR parameter such as "1" or "31", or NULL. The text must be harmless. */
typedef struct sw_screen_line {
    char *text; /* malloc'ed */
    const char *style;
} sw_screen_line;

typedef struct sw_screen sw_screen;

/* Takes the terminal of stdout: no cursor, no echo of what is typed. NULL when out of memory. */
sw_screen *sw_screen_new(bool color);
/* Gives it back as it was, with the last frame left standing. */
void sw_screen_destroy(sw_screen **screen);
/* Its size now; 80 and 24 if it does not say. */
void sw_screen_size(size_t *width, size_t *height);
/* Shows these lines in place of the last ones, cut to the width, in one write, and frees their texts. What has not changed is not
 * written. Stops here while the program is to be suspended (Ctrl-Z). */
void sw_screen_draw(sw_screen *screen, sw_screen_line *lines, size_t count);

#endif

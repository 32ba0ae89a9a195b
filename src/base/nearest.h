/* "did you mean": the names nearest to a word that is not known. Used for commands, flags,
 * resources, fields, methods. */
#ifndef SW_BASE_NEAREST_H
#define SW_BASE_NEAREST_H

#include <stddef.h>

#define SW_NEAREST_MAX 3

typedef struct sw_nearest {
    const char *word;
    size_t length, count;
    struct {
        const char *name; /* lent: lives as long as what was offered */
        size_t distance;
    } best[SW_NEAREST_MAX];
} sw_nearest;

void sw_nearest_init(sw_nearest *nearest, const char *word, size_t length);
/* Considers a name. Case, `-` and `_` make no difference. */
void sw_nearest_offer(sw_nearest *nearest, const char *name);
/* "; did you mean --filter or --file?", each name after `prefix`; "" if nothing is near. */
void sw_nearest_text(const sw_nearest *nearest, const char *prefix, char *text, size_t size);
/* Optimal string alignment distance of two words, at most 64 characters of each considered. */
size_t sw_edit_distance(const char *a, size_t a_length, const char *b, size_t b_length);

#endif

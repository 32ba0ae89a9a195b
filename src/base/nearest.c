/* Nearest names: see nearest.h. */
#include "base/nearest.h"
#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define WORD_MAX 64

static size_t smallest(size_t a, size_t b)
{
    return a < b ? a : b;
}

/* Lower case, `_` as `-`. */
static char fold(char c)
{
    return c == '_' ? '-' : (char)tolower((unsigned char)c);
}

size_t sw_edit_distance(const char *a, size_t a_length, const char *b, size_t b_length)
{
    a_length = smallest(a_length, WORD_MAX);
    b_length = smallest(b_length, WORD_MAX);
    size_t rows[3][WORD_MAX + 1];
    for (size_t j = 0; j <= b_length; j++)
        rows[0][j] = j;
    for (size_t i = 1; i <= a_length; i++) {
        size_t *row = rows[i % 3], *above = rows[(i + 2) % 3], *above2 = rows[(i + 1) % 3];
        row[0] = i;
        for (size_t j = 1; j <= b_length; j++) {
            size_t cost = fold(a[i - 1]) != fold(b[j - 1]);
            row[j] = smallest(smallest(above[j] + 1, row[j - 1] + 1), above[j - 1] + cost);
            if (i > 1 && j > 1 && fold(a[i - 1]) == fold(b[j - 2]) && fold(a[i - 2]) == fold(b[j - 1]))
                row[j] = smallest(row[j], above2[j - 2] + 1);
        }
    }
    return rows[a_length % 3][b_length];
}

void sw_nearest_init(sw_nearest *nearest, const char *word, size_t length)
{
    *nearest = (sw_nearest){.word = word, .length = length};
}

static bool starts_with(const char *name, const char *word, size_t length)
{
    for (size_t i = 0; i < length; i++)
        if (name[i] == '\0' || fold(name[i]) != fold(word[i]))
            return false;
    return true;
}

void sw_nearest_offer(sw_nearest *nearest, const char *name)
{
    size_t distance = sw_edit_distance(nearest->word, nearest->length, name, strlen(name));
    if (nearest->length >= 2 && starts_with(name, nearest->word, nearest->length))
        distance = smallest(distance, 1);
    if (distance > 1 + nearest->length / 4)
        return;
    size_t at = nearest->count;
    for (size_t i = 0; i < nearest->count; i++)
        if (strcmp(nearest->best[i].name, name) == 0)
            return;
    while (at > 0 && nearest->best[at - 1].distance > distance)
        at--;
    if (at == SW_NEAREST_MAX)
        return;
    if (nearest->count < SW_NEAREST_MAX)
        nearest->count++;
    for (size_t i = nearest->count - 1; i > at; i--)
        nearest->best[i] = nearest->best[i - 1];
    nearest->best[at].name = name;
    nearest->best[at].distance = distance;
}

void sw_nearest_text(const sw_nearest *nearest, const char *prefix, char *text, size_t size)
{
    size_t used = 0;
    text[0] = '\0';
    for (size_t i = 0; i < nearest->count; i++) {
        const char *before = i == 0 ? "; did you mean " : i + 1 == nearest->count ? " or " : ", ";
        int n = snprintf(text + used, size - used, "%s%s%s%s", before, prefix, nearest->best[i].name,
                         i + 1 == nearest->count ? "?" : "");
        if (n < 0 || (size_t)n >= size - used) {
            text[used] = '\0';
            return;
        }
        used += (size_t)n;
    }
}

/* Spellings of names: see name.h. */
#include "cli/schema/name.h"
#include <ctype.h>

const char *sw_short_name(const char *full)
{
    const char *last = full;
    for (const char *p = full; *p != '\0'; p++)
        if ((*p == '.' || *p == '/') && p[1] != '\0')
            last = p + 1;
    return last;
}

void sw_kebab_name(const char *camel, char *text, size_t size)
{
    size_t used = 0;
    for (const char *p = camel; *p != '\0' && used + 2 < size; p++) {
        if (isupper((unsigned char)*p) && p != camel)
            text[used++] = '-';
        text[used++] = (char)tolower((unsigned char)*p);
    }
    text[used] = '\0';
}

void sw_plain_name(const char *name, char *text, size_t size)
{
    size_t used = 0;
    for (; *name != '\0' && used + 1 < size; name++)
        if (isalnum((unsigned char)*name))
            text[used++] = (char)tolower((unsigned char)*name);
    text[used] = '\0';
}

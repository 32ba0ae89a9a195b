/* Finding passwords (redact.h). */
#include "program/redact.h"

#include <stdio.h>
#include <string.h>
#include <strings.h>

#define CODE "swc1-" /* how a one-time code begins */

typedef struct {
    char *to;
    size_t size, used;
} output;

static void put(output *out, const char *text, size_t size)
{
    size_t left = out->size - 1 - out->used;
    if (size > left)
        size = left;
    memcpy(out->to + out->used, text, size);
    out->used += size;
}

/* Bytes of `password =` at the start of a text, 0 if it does not begin so. */
static size_t keyword(const char *at)
{
    size_t size = strncasecmp(at, "sslpassword", 11) == 0 ? 11 : strncasecmp(at, "password", 8) == 0 ? 8 : 0;
    if (size == 0)
        return 0;
    size += strspn(at + size, " \t\n");
    if (at[size] != '=')
        return 0;
    size++;
    return size + strspn(at + size, " \t\n");
}

/* Bytes of a one-time code of `sitewire key invite` behind its prefix, 0 if the text does not begin
 * with one. */
static size_t code_size(const char *at)
{
    return strncmp(at, CODE, strlen(CODE)) != 0 ? 0
                                                : strspn(at + strlen(CODE), "ABCDEFGHIJKLMNOPQRSTUVWXYZ"
                                                                            "abcdefghijklmnopqrstuvwxyz"
                                                                            "0123456789-_");
}

/* Bytes of a value: in quotes, or up to a blank (or `&`, in a URL). A backslash protects a byte. */
static size_t value_size(const char *at, bool url)
{
    bool quoted = *at == '\'' && !url;
    size_t size = quoted;
    while (at[size] != '\0') {
        if (quoted ? at[size] == '\'' : strchr(url ? "&#" : " \t\n", at[size]) != NULL)
            return size + quoted;
        size += at[size] == '\\' && at[size + 1] != '\0' ? 2 : 1;
    }
    return size;
}

/* Bytes of the password at `at`, which follows `://`, and in *before how many precede it. The last
 * @ ends it: a password with an @ or a / that should have been encoded is still hidden. */
static size_t url_password(const char *at, size_t *before)
{
    const char *colon = strchr(at, ':'), *end = strrchr(at, '@');
    if (colon == NULL || end == NULL || colon > end || memchr(at, '/', (size_t)(colon - at)) != NULL ||
        memchr(at, '@', (size_t)(colon - at)) != NULL)
        return 0;
    *before = (size_t)(colon + 1 - at);
    return (size_t)(end - colon - 1);
}

bool sw_redact(const char *text, char *to, size_t size)
{
    output out = {.to = to, .size = size};
    const char *scheme = strstr(text, "://");
    bool found = false;
    for (const char *at = text; *at != '\0';) {
        size_t before = 0, hidden = 0;
        if (scheme != NULL && at == scheme + 3)
            hidden = url_password(at, &before);
        if (hidden == 0 && (hidden = code_size(at)) > 0)
            before = strlen(CODE);
        if (hidden == 0 && (before = keyword(at)) > 0)
            hidden = value_size(at + before, scheme != NULL);
        if (hidden == 0)
            before = before > 0 ? before : 1;
        put(&out, at, before);
        if (hidden > 0)
            put(&out, "***", 3);
        found = found || hidden > 0;
        at += before + hidden;
    }
    to[out.used] = '\0';
    return found;
}

bool sw_name_is_secret(const char *name)
{
    static const char *const words[] = {"PASSWORD", "PASSPHRASE", "SECRET", "TOKEN"};
    for (size_t i = 0; i < sizeof(words) / sizeof(*words); i++)
        if (strcasestr(name, words[i]) != NULL)
            return true;
    return false;
}

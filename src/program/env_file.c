/* The reader of EnvironmentFile= (env_file.h). A value is decoded into the place where it stands:
 * decoding never makes it longer. Like systemd, a carriage return ends a line just as a line feed
 * does. */
#include "program/env_file.h"

#include "base/error.h"
#include "base/utf8.h"
#include <ctype.h>
#include <string.h>

static const char blanks[] = " \t", ends[] = "\r\n";

void sw_env_file_open(sw_env_file *file, const char *path, char *text)
{
    *file = (sw_env_file){.path = path, .at = text, .line = 1};
}

bool sw_env_name_is_valid(const char *name)
{
    if (!isalpha((unsigned char)*name) && *name != '_')
        return false;
    while (isalnum((unsigned char)*name) || *name == '_')
        name++;
    return *name == '\0';
}

static bool is_end(char c)
{
    return c == '\r' || c == '\n';
}

/* Takes one byte and counts lines. */
static char take(sw_env_file *file)
{
    file->line += *file->at == '\n';
    return *file->at++;
}

static sw_code fail(const sw_env_file *file, int line, const char *what, sw_error *error)
{
    return sw_fail(error, SW_FAILED_PRECONDITION, "%s:%d: %s", file->path, line, what);
}

/* systemd changed its mind in version 254 about what follows a comment that ends with a backslash,
 * so no such comment is accepted. */
static sw_code skip_comment(sw_env_file *file, sw_error *error)
{
    size_t size = strcspn(file->at, ends);
    if (file->at[size - 1] == '\\')
        return fail(file, file->line,
                    "a comment must not end with a backslash: some versions of systemd continue it on the "
                    "next line",
                    error);
    file->at += size;
    return SW_OK;
}

/* To the next name, past empty lines and comments. */
static sw_code skip_to_name(sw_env_file *file, sw_error *error)
{
    for (;;) {
        while (*file->at != '\0' && strchr(" \t\r\n", *file->at) != NULL)
            take(file);
        if (*file->at != '#' && *file->at != ';')
            return SW_OK;
        sw_code code = skip_comment(file, error);
        if (code != SW_OK)
            return code;
    }
}

static sw_code read_name(sw_env_file *file, const char **name, sw_error *error)
{
    char *begin = file->at, *end = begin + strcspn(begin, "=\r\n");
    if (*end != '=')
        return fail(file, file->line, "expected NAME=value", error);
    file->at = end + 1;
    while (end > begin && strchr(blanks, end[-1]) != NULL)
        end--;
    *end = '\0';
    *name = begin;
    if (strncmp(begin, "export ", 7) == 0)
        return fail(file, file->line, "remove the word `export`: this is not a script", error);
    if (!sw_env_name_is_valid(begin))
        return sw_fail(
            error, SW_FAILED_PRECONDITION,
            "%s:%d: `%.64s` is not the name of a variable: use letters, digits and _, and no digit "
            "first",
            file->path, file->line, begin);
    return SW_OK;
}

/* In double quotes a backslash protects \ " ` $ and removes the end of a line; before anything else
 * it stays. */
static char *take_escaped(sw_env_file *file, char *to)
{
    char c = *file->at;
    if (c == '\0')
        return to;
    take(file);
    if (strchr("\"\\`$", c) == NULL && c != '\n')
        *to++ = '\\';
    if (c != '\n')
        *to++ = c;
    return to;
}

/* A part in quotes, which may have several lines. NULL if nobody closes them. */
static char *take_quoted(sw_env_file *file, char *to)
{
    char quote = take(file);
    while (*file->at != quote) {
        if (*file->at == '\0')
            return NULL;
        char c = take(file);
        if (c == '\\' && quote == '"')
            to = take_escaped(file, to);
        else
            *to++ = c;
    }
    file->at++;
    return to;
}

/* The rest of the line without quotes, in which quotes mean nothing. A backslash protects any byte
 * and removes the end of a line. Blanks at the end do not count. */
static char *take_plain(sw_env_file *file, char *to)
{
    char *kept = to; /* behind the last byte that is not a trailing blank */
    while (*file->at != '\0' && !is_end(*file->at)) {
        char c = take(file);
        bool escaped = c == '\\';
        if (escaped && *file->at == '\0')
            return to;
        if (escaped)
            c = take(file);
        if (!escaped || !is_end(c))
            *to++ = c;
        if (escaped || strchr(blanks, c) == NULL)
            kept = to;
    }
    return kept;
}

/* A value is any number of quoted parts, with blanks between them that do not count, and then maybe
 * a plain part. */
static sw_code read_value(sw_env_file *file, const char **value, sw_error *error)
{
    int line = file->line;
    char *to = file->at;
    *value = to;
    for (;;) {
        file->at += strspn(file->at, blanks);
        if (*file->at != '"' && *file->at != '\'')
            break;
        to = take_quoted(file, to);
        if (to == NULL)
            return fail(file, line, "a quote is not closed", error);
    }
    to = take_plain(file, to);
    bool more = *file->at != '\0';
    if (more)
        take(file); /* before the NUL, which may take its place */
    *to = '\0';
    return SW_OK;
}

static bool is_text(const char *value)
{
    for (const char *at = value; *at != '\0'; at++)
        if (((unsigned char)*at < ' ' && *at != '\t' && *at != '\n') || *at == 127)
            return false;
    return sw_utf8_valid(value, strlen(value));
}

sw_code sw_env_file_next(sw_env_file *file, const char **name, const char **value, int *line, sw_error *error)
{
    *name = NULL;
    sw_code code = skip_to_name(file, error);
    if (code != SW_OK || *file->at == '\0')
        return code;
    *line = file->line;
    if ((code = read_name(file, name, error)) != SW_OK || (code = read_value(file, value, error)) != SW_OK)
        return code;
    if (!is_text(*value))
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "%s:%d: the value of %s is not UTF-8 text, or has control characters", file->path,
                       *line, *name);
    return SW_OK;
}

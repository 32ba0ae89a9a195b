/* Reading and comparing configurations (configuration.h). */
#include "program/configuration.h"

#include "base/error.h"
#include "program/args.h"
#include "program/env_file.h"
#include "program/redact.h"
#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FILE_MAX_BYTES (1024 * 1024)
#define LINES_MAX      1024
#define SOURCE_SIZE    512

typedef enum { FROM_DEFAULT, FROM_FILE, FROM_VARIABLE, FROM_FLAG } origin;

/* What an option is set to. */
typedef struct {
    const char *text; /* NULL: nobody set it and it has no default */
    origin origin;
    int line;   /* FROM_FILE */
    char *copy; /* the text, when it is the setting's own */
} setting;

/* A line of the file. */
typedef struct {
    const char *name, *value;
    int line;
    int option; /* index, or -1 for a variable that is not ours */
} file_line;

struct sw_configuration {
    const sw_option *table;
    size_t count;
    int argc;
    char **argv;
    const char *path; /* of the file, or NULL */
    char *text;       /* of the file, or NULL; lines point into it */
    size_t text_size;
    file_line *lines;
    size_t line_count;
    setting settings[];
};

/* --- flags --- */

static void take_flags(sw_configuration *c, const sw_args *args)
{
    for (size_t i = 0; i < args->given_count; i++) {
        const sw_given *given = &args->given[i];
        int at = sw_option_find(c->table, given->flag->name);
        c->settings[at] =
            (setting){.text = given->value == NULL ? "true" : given->value, .origin = FROM_FLAG};
        if (strcmp(given->flag->name, "config") == 0)
            c->path = given->value;
    }
}

static sw_code check_flags(const sw_configuration *c, sw_error *error)
{
    char from[SOURCE_SIZE];
    for (size_t i = 0; i < c->count; i++) {
        if (c->settings[i].origin != FROM_FLAG)
            continue;
        snprintf(from, sizeof(from), "--%s", c->table[i].name);
        if (sw_option_check(&c->table[i], c->settings[i].text, from, error) != SW_OK)
            return SW_INVALID_ARGUMENT;
    }
    return SW_OK;
}

static sw_code read_flags(sw_configuration *c, sw_error *error)
{
    sw_args args = {0};
    sw_flag *flags = calloc(c->count + 1, sizeof(*flags));
    if (flags == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < c->count; i++) {
        const sw_option *option = &c->table[i];
        flags[i] = (sw_flag){.name = option->name, .letter = option->letter, .help = option->help};
        if (option->type != SW_OPTION_SWITCH)
            flags[i].argument = option->unit != NULL ? option->unit : "VALUE";
    }
    sw_code code = sw_args_parse(c->argc - 1, c->argv + 1, flags, NULL, &args, error);
    if (code == SW_OK)
        take_flags(c, &args);
    if (code == SW_OK && args.word_count > 0)
        code = sw_fail(error, SW_INVALID_ARGUMENT, "unexpected word `%s`; --help shows the options",
                       args.words[0]);
    sw_args_free(&args);
    free(flags);
    return code == SW_OK ? check_flags(c, error) : code;
}

static bool is_given(const sw_configuration *c, const char *name)
{
    int i = sw_option_find(c->table, name);
    return i >= 0 && c->settings[i].origin == FROM_FLAG;
}

/* --- variables --- */

/* An option that only a flag can set. */
static bool is_flag_only(const sw_option *option)
{
    return option->type == SW_OPTION_SWITCH || strcmp(option->name, "config") == 0;
}

static const char *variable_text(const char *name)
{
    const char *text = getenv(name);
    return text == NULL || *text == '\0' ? NULL : text;
}

static sw_code read_variables(sw_configuration *c, sw_error *error)
{
    char name[SW_OPTION_VARIABLE_SIZE];
    for (size_t i = 0; i < c->count; i++) {
        sw_option_variable(&c->table[i], name);
        const char *text = is_flag_only(&c->table[i]) ? NULL : variable_text(name);
        if (text == NULL)
            continue;
        if (sw_option_check(&c->table[i], text, name, error) != SW_OK)
            return SW_INVALID_ARGUMENT;
        if (c->settings[i].origin < FROM_VARIABLE)
            c->settings[i] = (setting){.text = text, .origin = FROM_VARIABLE};
    }
    return SW_OK;
}

/* --- the file --- */

static sw_code fail_file(const sw_configuration *c, const char *what, sw_error *error)
{
    return sw_fail_field(error, SW_FAILED_PRECONDITION, "config", "--config %s: %s", c->path, what);
}

static sw_code read_text(sw_configuration *c, struct stat *status, sw_error *error)
{
    int fd = open(c->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return fail_file(c, strerror(errno), error);
    FILE *file = fstat(fd, status) == 0 && S_ISREG(status->st_mode) ? fdopen(fd, "r") : NULL;
    if (file == NULL) {
        close(fd);
        return fail_file(c, "it is not a regular file", error);
    }
    c->text = malloc(FILE_MAX_BYTES + 1);
    c->text_size = c->text == NULL ? 0 : fread(c->text, 1, FILE_MAX_BYTES + 1, file);
    bool failed = ferror(file) != 0;
    fclose(file);
    if (c->text == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    if (failed || c->text_size > FILE_MAX_BYTES || memchr(c->text, '\0', c->text_size) != NULL)
        return fail_file(c, "it cannot be read, is larger than 1 MiB or has a NUL byte", error);
    c->text[c->text_size] = '\0';
    return SW_OK;
}

/* Finds the option of a line and checks the value. */
static sw_code resolve(const sw_configuration *c, file_line *line, sw_error *error)
{
    char from[SOURCE_SIZE];
    line->option = sw_option_find_variable(c->table, line->name);
    if (line->option >= 0 && is_flag_only(&c->table[line->option]))
        line->option = -1;
    if (line->option < 0)
        return strncmp(line->name, "SITEWIRE_", 9) != 0
                   ? SW_OK
                   : sw_fail_field(error, SW_INVALID_ARGUMENT, "config",
                                   "%s:%d: this program has no option %s; --help lists those it has", c->path,
                                   line->line, line->name);
    if (*line->value == '\0')
        return SW_OK;
    snprintf(from, sizeof(from), "%s:%d: %s", c->path, line->line, line->name);
    return sw_option_check(&c->table[line->option], line->value, from, error);
}

/* The last line of a name counts. */
static void take_line(sw_configuration *c, const file_line *line)
{
    setting *to = line->option >= 0 ? &c->settings[line->option] : NULL;
    if (to == NULL || to->origin > FROM_FILE)
        return;
    *to = (setting){.text = c->table[line->option].fallback};
    if (*line->value != '\0')
        *to = (setting){.text = line->value, .origin = FROM_FILE, .line = line->line};
}

static sw_code read_lines(sw_configuration *c, sw_error *error)
{
    sw_env_file file;
    sw_env_file_open(&file, c->path, c->text);
    c->lines = calloc(LINES_MAX, sizeof(*c->lines));
    if (c->lines == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    for (;;) {
        file_line line = {0};
        sw_code code = sw_env_file_next(&file, &line.name, &line.value, &line.line, error);
        if (code != SW_OK || line.name == NULL)
            return code;
        if ((code = resolve(c, &line, error)) != SW_OK)
            return code;
        if (c->line_count == LINES_MAX)
            return fail_file(c, "it has more than 1024 variables", error);
        c->lines[c->line_count++] = line;
        take_line(c, &line);
    }
}

static bool holds_secret(const file_line *line)
{
    char hidden[8];
    return *line->value != '\0' && (line->option >= 0 ? sw_redact(line->value, hidden, sizeof(hidden))
                                                      : sw_name_is_secret(line->name));
}

/* The owner alone may read a secret; one of another owner (root) comes to us by its group. */
static sw_code check_mode(const sw_configuration *c, const struct stat *status, sw_error *error)
{
    mode_t others = status->st_uid == geteuid() ? 077 : 037;
    for (size_t i = 0; i < c->line_count; i++)
        if (holds_secret(&c->lines[i]) && (status->st_mode & others) != 0)
            return sw_fail_field(error, SW_FAILED_PRECONDITION, "config",
                                 "%s:%d: %s holds a password, but the file has mode %04o, so others can read "
                                 "it: chmod 600 %s, and change the password if somebody may have read it",
                                 c->path, c->lines[i].line, c->lines[i].name,
                                 (unsigned)status->st_mode & 07777, c->path);
    return SW_OK;
}

static sw_code read_file(sw_configuration *c, sw_error *error)
{
    struct stat status;
    if (c->path == NULL)
        return SW_OK;
    sw_code code = read_text(c, &status, error);
    if (code == SW_OK)
        code = read_lines(c, error);
    return code == SW_OK ? check_mode(c, &status, error) : code;
}

/* --- life --- */

sw_code sw_configuration_read(const sw_option *table, int argc, char **argv, sw_configuration **result,
                              sw_error *error)
{
    size_t count = 0;
    while (table[count].name != NULL)
        count++;
    sw_configuration *c = calloc(1, sizeof(*c) + count * sizeof(c->settings[0]));
    *result = c;
    if (c == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    *c = (sw_configuration){.table = table, .count = count, .argc = argc, .argv = argv};
    for (size_t i = 0; i < count; i++)
        c->settings[i].text = table[i].fallback;
    sw_code code = read_flags(c, error);
    if (code == SW_OK && (is_given(c, "help") || is_given(c, "version")))
        return SW_OK;
    if (code == SW_OK)
        code = read_variables(c, error);
    if (code == SW_OK)
        code = read_file(c, error);
    if (code != SW_OK)
        sw_configuration_destroy(result);
    return code;
}

static sw_code copy_live(sw_configuration *c, sw_error *error)
{
    for (size_t i = 0; i < c->count; i++) {
        setting *of = &c->settings[i];
        if (c->table[i].change != SW_LIVE || of->text == NULL)
            continue;
        if ((of->copy = strdup(of->text)) == NULL)
            return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
        of->text = of->copy;
    }
    return SW_OK;
}

sw_code sw_configuration_reread(const sw_configuration *c, sw_configuration **result, sw_error *error)
{
    sw_code code = sw_configuration_read(c->table, c->argc, c->argv, result, error);
    if (code == SW_OK && (code = copy_live(*result, error)) != SW_OK)
        sw_configuration_destroy(result);
    return code;
}

static void wipe_copy(setting *of)
{
    if (of->copy != NULL)
        explicit_bzero(of->copy, strlen(of->copy));
    free(of->copy);
    of->copy = NULL;
}

void sw_configuration_destroy(sw_configuration **configuration)
{
    sw_configuration *c = *configuration;
    if (c == NULL)
        return;
    for (size_t i = 0; i < c->count; i++)
        wipe_copy(&c->settings[i]);
    if (c->text != NULL)
        explicit_bzero(c->text, c->text_size);
    free(c->text);
    free(c->lines);
    free(c);
    *configuration = NULL;
}

/* --- use --- */

void sw_configuration_store(const sw_configuration *c)
{
    for (size_t i = 0; i < c->count; i++)
        if (c->settings[i].text != NULL)
            sw_option_store(&c->table[i], c->settings[i].text);
}

sw_code sw_configuration_export(const sw_configuration *c, sw_error *error)
{
    for (size_t i = 0; i < c->line_count; i++) {
        const file_line *line = &c->lines[i];
        bool last = true;
        for (size_t k = i + 1; last && k < c->line_count; k++)
            last = strcmp(line->name, c->lines[k].name) != 0;
        if (last && line->option < 0 && setenv(line->name, line->value, 0) != 0)
            return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    return SW_OK;
}

const char *sw_configuration_text(const sw_configuration *c, int i)
{
    return c->settings[i].text;
}

void sw_configuration_source(const sw_configuration *c, int i, char *text, size_t size)
{
    char variable[SW_OPTION_VARIABLE_SIZE];
    const setting *of = &c->settings[i];
    sw_option_variable(&c->table[i], variable);
    if (of->origin == FROM_FILE)
        snprintf(text, size, "%s:%d", c->path, of->line);
    else
        snprintf(text, size, "%s",
                 of->origin == FROM_FLAG       ? "the command line"
                 : of->origin == FROM_VARIABLE ? variable
                                               : "the default");
}

void sw_configuration_overridden(const sw_configuration *c, sw_overridden_fn *fn, void *context)
{
    char place[SOURCE_SIZE];
    for (size_t i = 0; i < c->line_count; i++) {
        const file_line *line = &c->lines[i];
        const char *text = line->option < 0 ? getenv(line->name) : variable_text(line->name);
        if (text == NULL || strcmp(text, line->value) == 0 ||
            (line->option >= 0 && c->settings[line->option].origin != FROM_VARIABLE))
            continue;
        snprintf(place, sizeof(place), "%s:%d", c->path, line->line);
        fn(context, line->name, place);
    }
}

/* The next line that is not ours, from *at on. */
static const file_line *next_export(const sw_configuration *c, size_t *at)
{
    while (*at < c->line_count) {
        const file_line *line = &c->lines[(*at)++];
        if (line->option < 0)
            return line;
    }
    return NULL;
}

bool sw_configuration_exports_differ(const sw_configuration *a, const sw_configuration *b)
{
    for (size_t i = 0, k = 0;;) {
        const file_line *one = next_export(a, &i), *other = next_export(b, &k);
        if (one == NULL || other == NULL)
            return one != other;
        if (strcmp(one->name, other->name) != 0 || strcmp(one->value, other->value) != 0)
            return true;
    }
}

void sw_configuration_adopt(sw_configuration *c, sw_configuration *from, int i)
{
    setting *source = &from->settings[i];
    assert(c->table[i].change == SW_LIVE);
    wipe_copy(&c->settings[i]);
    c->settings[i] = *source;
    source->copy = NULL;
    if (source->text != NULL)
        sw_option_store(&c->table[i], source->text);
}

/* A value as env_file.c reads it. */
static void print_value(const char *value)
{
    static const char plain[] =
        "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_-+=,.:/@*{}[]%";
    if (strspn(value, plain) == strlen(value)) {
        puts(value);
        return;
    }
    putchar('"');
    for (; *value != '\0'; value++) {
        if (strchr("\"\\`$", *value) != NULL)
            putchar('\\');
        putchar(*value);
    }
    puts("\"");
}

void sw_configuration_print(const sw_configuration *c)
{
    char variable[SW_OPTION_VARIABLE_SIZE], source[SOURCE_SIZE], value[32768];
    for (size_t i = 0; i < c->count; i++) {
        const setting *of = &c->settings[i];
        if (is_flag_only(&c->table[i]) || of->text == NULL || *of->text == '\0')
            continue;
        sw_option_variable(&c->table[i], variable);
        sw_configuration_source(c, (int)i, source, sizeof(source));
        if (of->origin != FROM_DEFAULT)
            printf("# from %s\n", source);
        sw_redact(of->text, value, sizeof(value));
        printf("%s=", variable);
        print_value(value);
    }
}

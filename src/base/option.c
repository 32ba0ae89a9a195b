/* Options of a program: flags over environment over file over defaults. What each source says is collected as
 * text first, and only what wins is stored. */
#include "base/option.h"
#include "base/error.h"
#include "base/utf8.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define FILE_MAX_BYTES (1024 * 1024)

typedef struct {
    const char *text; /* NULL: nobody said anything */
    bool owned;       /* lies in the file's buffer: to be copied */
} setting;

static const struct {
    const char *unit, *suffix;
    int64_t factor;
} suffixes[] = {
    {"bytes", "K", 1024}, {"bytes", "M", 1024 * 1024}, {"bytes", "G", 1024 * 1024 * 1024}, {"ms", "ms", 1},
    {"ms", "s", 1000},    {"ms", "min", 60 * 1000},    {"ms", "h", 3600 * 1000},
};

static const struct {
    const char *text;
    bool value;
} truths[] = {{"true", true},   {"yes", true}, {"on", true},   {"1", true},
              {"false", false}, {"no", false}, {"off", false}, {"0", false}};

/* Flags that ask for something at once, and so have no place in a file. */
static const char *const flags_only[] = {"help", "version", "check-config", "config"};

static bool is_flag_only(const char *name)
{
    for (size_t i = 0; i < sizeof(flags_only) / sizeof(flags_only[0]); i++)
        if (strcmp(name, flags_only[i]) == 0)
            return true;
    return false;
}

static bool parse_number(const sw_option *option, const char *text, int64_t *number)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || errno != 0 || text[0] == ' ' || text[0] == '+')
        return false;
    int64_t factor = *end == '\0' ? 1 : 0;
    for (size_t i = 0; i < sizeof(suffixes) / sizeof(suffixes[0]); i++)
        if (option->unit != NULL && strcmp(option->unit, suffixes[i].unit) == 0 &&
            strcmp(end, suffixes[i].suffix) == 0)
            factor = suffixes[i].factor;
    return factor != 0 && !__builtin_mul_overflow(value, factor, number);
}

static bool parse_bool(const char *text, bool *value)
{
    for (size_t i = 0; i < sizeof(truths) / sizeof(truths[0]); i++)
        if (strcmp(text, truths[i].text) == 0) {
            *value = truths[i].value;
            return true;
        }
    return false;
}

/* Checks a text, and stores its value if `store`. `from` says where the text is from, for people. */
static sw_code convert(const sw_option *option, const char *text, const char *from, bool store,
                       sw_error *error)
{
    int64_t number;
    bool truth;
    switch (option->type) {
    case SW_OPTION_STRING:
        if (!sw_utf8_valid(text, strlen(text)))
            return sw_fail_field(error, SW_INVALID_ARGUMENT, option->name, "%s: not valid UTF-8", from);
        if (store)
            *(const char **)option->value = text;
        break;
    case SW_OPTION_NUMBER:
        if (!parse_number(option, text, &number))
            return sw_fail_field(
                error, SW_INVALID_ARGUMENT, option->name, "%s: \"%s\" is no number; give a whole number%s%s",
                from, text, option->unit != NULL ? " of " : "", option->unit != NULL ? option->unit : "");
        if (number < option->minimum || number > option->maximum)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, option->name,
                                 "%s: %s is out of range; give %lld to %lld%s%s", from, text,
                                 (long long)option->minimum, (long long)option->maximum,
                                 option->unit != NULL ? " " : "", option->unit != NULL ? option->unit : "");
        if (store)
            *(int64_t *)option->value = number;
        break;
    case SW_OPTION_BOOL:
        if (!parse_bool(text, &truth))
            return sw_fail_field(error, SW_INVALID_ARGUMENT, option->name,
                                 "%s: \"%s\" is neither true nor false", from, text);
        if (store)
            *(bool *)option->value = truth;
        break;
    }
    return SW_OK;
}

/* The index of the option named, or -1. */
static int find(const sw_option *options, const char *name, size_t length)
{
    for (int i = 0; options[i].name != NULL; i++)
        if (strlen(options[i].name) == length && memcmp(options[i].name, name, length) == 0)
            return i;
    return -1;
}

static int find_letter(const sw_option *options, char letter)
{
    for (int i = 0; options[i].name != NULL; i++)
        if (letter != '\0' && options[i].letter == letter)
            return i;
    return -1;
}

/* One flag at argv[at]: fills in the option's setting, or *config for a --config that the table has not.
 * Returns the words it took, or 0 on failure. */
static int read_flag(const sw_option *options, setting *settings, int argc, char **argv, int at,
                     const char **config, sw_error *error)
{
    const char *word = argv[at], *value = NULL;
    int index;
    bool is_config;
    if (word[1] == '-') {
        const char *name = word + 2;
        size_t length = strcspn(name, "=");
        value = name[length] == '=' ? name + length + 1 : NULL;
        index = find(options, name, length);
        is_config = length == strlen("config") && memcmp(name, "config", length) == 0;
        if (index < 0 && !is_config) {
            sw_fail_field(error, SW_INVALID_ARGUMENT, name, "no option --%.*s; see --help", (int)length,
                          name);
            if (error != NULL)
                error->field[length < sizeof(error->field) ? length : sizeof(error->field) - 1] = '\0';
            return 0;
        }
    } else {
        index = find_letter(options, word[1]);
        if (index < 0) {
            sw_fail(error, SW_INVALID_ARGUMENT, "no option -%c; see --help", word[1]);
            return 0;
        }
        is_config = strcmp(options[index].name, "config") == 0;
        value = word[2] != '\0' ? word + 2 : NULL;
    }
    int words = 1;
    if (value == NULL && index >= 0 && options[index].type == SW_OPTION_BOOL) {
        value = "true";
    } else if (value == NULL) {
        if (at + 1 >= argc) {
            sw_fail_field(error, SW_INVALID_ARGUMENT, index >= 0 ? options[index].name : "config",
                          "%s needs a value", word);
            return 0;
        }
        value = argv[at + 1];
        words = 2;
    }
    if (is_config)
        *config = value;
    if (index >= 0) {
        char from[80];
        snprintf(from, sizeof(from), "--%s", options[index].name);
        if (convert(&options[index], value, from, false, error) != SW_OK)
            return 0;
        settings[index] = (setting){.text = value};
    }
    return words;
}

/* Reads all flags; the words that are none move behind them, in their order. */
static sw_code read_flags(const sw_option *options, setting *settings, int argc, char **argv, int *arguments,
                          const char **config, sw_error *error)
{
    char **words = calloc((size_t)argc + 1, sizeof(char *)); /* first the flags, then the others */
    int *is_word = calloc((size_t)argc + 1, sizeof(int));
    sw_code code = SW_OK;
    if (words == NULL || is_word == NULL) {
        code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
        goto out;
    }
    bool ended = false;
    for (int at = 1; at < argc;) {
        if (ended || argv[at][0] != '-' || argv[at][1] == '\0') {
            is_word[at++] = 1;
        } else if (strcmp(argv[at], "--") == 0) {
            ended = true;
            at++;
        } else {
            int taken = read_flag(options, settings, argc, argv, at, config, error);
            if (taken == 0) {
                code = SW_INVALID_ARGUMENT;
                goto out;
            }
            at += taken;
        }
    }
    int used = 1;
    for (int at = 1; at < argc; at++)
        if (!is_word[at])
            words[used++] = argv[at];
    *arguments = used < argc ? used : argc;
    for (int at = 1; at < argc; at++)
        if (is_word[at])
            words[used++] = argv[at];
    for (int at = 1; at < argc; at++)
        argv[at] = words[at];
out:
    free(words);
    free(is_word);
    return code;
}

static char *trim(char *text)
{
    text += strspn(text, " \t\r");
    size_t size = strlen(text);
    while (size > 0 && strchr(" \t\r", text[size - 1]) != NULL)
        text[--size] = '\0';
    return text;
}

/* The file's text, NUL-terminated, or NULL. */
static char *read_file(const char *path, sw_error *error)
{
    FILE *file = fopen(path, "re");
    if (file == NULL) {
        sw_fail_field(error, SW_INVALID_ARGUMENT, "config", "%s: %s", path, strerror(errno));
        return NULL;
    }
    char *text = malloc(FILE_MAX_BYTES + 1);
    size_t size = text != NULL ? fread(text, 1, FILE_MAX_BYTES + 1, file) : 0;
    bool failed = text == NULL || ferror(file) != 0;
    fclose(file);
    if (failed || size > FILE_MAX_BYTES || memchr(text, '\0', size) != NULL) {
        sw_fail_field(error, SW_INVALID_ARGUMENT, "config", "%s: %s", path,
                      failed                  ? "cannot be read"
                      : size > FILE_MAX_BYTES ? "larger than 1 MiB"
                                              : "no text file (it has a NUL byte)");
        free(text);
        return NULL;
    }
    text[size] = '\0';
    return text;
}

/* Settings of the file, but not over those that a flag or the environment has made. */
static sw_code read_lines(const sw_option *options, setting *settings, const char *path, char *text,
                          sw_error *error)
{
    int number = 0;
    for (char *line, *rest = text; (line = strsep(&rest, "\n")) != NULL;) {
        number++;
        line = trim(line);
        if (*line == '\0' || *line == '#')
            continue;
        char *value = strchr(line, '=');
        if (value == NULL)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, "config", "%s:%d: expected `name = value`", path,
                                 number);
        *value++ = '\0';
        char *name = trim(line);
        int index = is_flag_only(name) ? -1 : find(options, name, strlen(name));
        if (index < 0)
            return sw_fail_field(error, SW_INVALID_ARGUMENT, name, "%s:%d: no option \"%s\"; see --help",
                                 path, number, name);
        value = trim(value);
        char from[256];
        snprintf(from, sizeof(from), "%s:%d: %s", path, number, name);
        if (convert(&options[index], value, from, false, error) != SW_OK)
            return SW_INVALID_ARGUMENT;
        if (settings[index].text == NULL || settings[index].owned)
            settings[index] = (setting){.text = value, .owned = true};
    }
    return SW_OK;
}

static sw_code read_environment(const sw_option *options, setting *settings, sw_error *error)
{
    for (int i = 0; options[i].name != NULL; i++) {
        const char *text = options[i].environment != NULL ? getenv(options[i].environment) : NULL;
        if (settings[i].text != NULL || text == NULL || *text == '\0')
            continue;
        if (convert(&options[i], text, options[i].environment, false, error) != SW_OK)
            return SW_INVALID_ARGUMENT;
        settings[i] = (setting){.text = text};
    }
    return SW_OK;
}

static sw_code store(const sw_option *options, const setting *settings, sw_error *error)
{
    for (int i = 0; options[i].name != NULL; i++) {
        const char *text = settings[i].text != NULL ? settings[i].text : options[i].fallback;
        if (text == NULL)
            continue; /* the variable keeps what the program put there */
        char *copy = NULL;
        if (settings[i].owned && options[i].type == SW_OPTION_STRING && (text = copy = strdup(text)) == NULL)
            return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
        sw_code code = convert(&options[i], text, options[i].name, true, error);
        if (code != SW_OK) {
            free(copy);
            return code;
        }
    }
    return SW_OK;
}

sw_code sw_options_parse(const sw_option *options, int argc, char **argv, int *arguments, sw_error *error)
{
    size_t count = 0;
    while (options[count].name != NULL)
        count++;
    setting *settings = calloc(count + 1, sizeof(setting));
    if (settings == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    const char *config = NULL;
    char *text = NULL;
    sw_code code = read_flags(options, settings, argc, argv, arguments, &config, error);
    if (code == SW_OK)
        code = read_environment(options, settings, error);
    int own = find(options, "config", strlen("config"));
    if (config == NULL && own >= 0)
        config = settings[own].text;
    if (code == SW_OK && config != NULL) {
        text = read_file(config, error);
        code = text != NULL ? read_lines(options, settings, config, text, error) : SW_INVALID_ARGUMENT;
    }
    if (code == SW_OK)
        code = store(options, settings, error);
    free(text);
    free(settings);
    return code;
}

static const char *placeholder(const sw_option *option)
{
    return option->unit != NULL ? option->unit : option->type == SW_OPTION_NUMBER ? "N" : "TEXT";
}

/* "  -q, --queue-calls=N"; returns its length. */
static int format_flag(const sw_option *option, char *to, size_t capacity)
{
    char letter[8] = "    ";
    if (option->letter != '\0')
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    bool is_bool = option->type == SW_OPTION_BOOL;
    return snprintf(to, capacity, "  %s--%s%s%s", letter, option->name, is_bool ? "" : "=",
                    is_bool ? "" : placeholder(option));
}

static void print_option(const sw_option *option, int width)
{
    char flag[128];
    format_flag(option, flag, sizeof(flag));
    printf("%-*s  %s", width, flag, option->help);
    bool shown = option->fallback != NULL && *option->fallback != '\0' &&
                 !(option->type == SW_OPTION_BOOL && strcmp(option->fallback, "false") == 0);
    if (shown && option->environment != NULL)
        printf(" [%s; default %s]", option->environment, option->fallback);
    else if (shown)
        printf(" [default %s]", option->fallback);
    else if (option->environment != NULL)
        printf(" [%s]", option->environment);
    putchar('\n');
}

void sw_options_print(const sw_option *options)
{
    static const sw_option config = {
        .name = "config", .unit = "FILE", .help = "read `name = value` lines from FILE"};
    bool add_config = find(options, "config", strlen("config")) < 0;
    char flag[128];
    int width = add_config ? format_flag(&config, flag, sizeof(flag)) : 0;
    for (int i = 0; options[i].name != NULL; i++) {
        int length = format_flag(&options[i], flag, sizeof(flag));
        width = length > width && length <= 40 ? length : width;
    }
    for (int i = 0; options[i].name != NULL; i++)
        print_option(&options[i], width);
    if (add_config)
        print_option(&config, width);
}

void sw_options_dump(const sw_option *options)
{
    for (int i = 0; options[i].name != NULL; i++) {
        const sw_option *option = &options[i];
        if (is_flag_only(option->name))
            continue;
        if (option->type == SW_OPTION_NUMBER)
            printf("%s = %lld\n", option->name, (long long)*(const int64_t *)option->value);
        else if (option->type == SW_OPTION_BOOL)
            printf("%s = %s\n", option->name, *(const bool *)option->value ? "true" : "false");
        else if (*(const char *const *)option->value != NULL)
            printf("%s = %s\n", option->name, *(const char *const *)option->value);
    }
}

/* The flag parser: see args.h. */
#include "cli/run/args.h"
#include "base/error.h"
#include "cli/run/nearest.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static const sw_flag *find_name(const sw_flag *table, const char *name, size_t length)
{
    for (; table != NULL && table->name != NULL; table++)
        if (strlen(table->name) == length && memcmp(table->name, name, length) == 0)
            return table;
    return NULL;
}

static const sw_flag *find_letter(const sw_flag *table, char letter)
{
    for (; table != NULL && table->name != NULL; table++)
        if (table->letter != 0 && table->letter == letter)
            return table;
    return NULL;
}

static sw_code unknown(const char *word, size_t length, const sw_flag *own, const sw_flag *global,
                       sw_error *error)
{
    sw_nearest nearest;
    sw_nearest_init(&nearest, word, length);
    for (const sw_flag *f = own; f != NULL && f->name != NULL; f++)
        sw_nearest_offer(&nearest, f->name);
    for (const sw_flag *f = global; f != NULL && f->name != NULL; f++)
        sw_nearest_offer(&nearest, f->name);
    char hint[160];
    sw_nearest_text(&nearest, "--", hint, sizeof(hint));
    return sw_fail(error, SW_INVALID_ARGUMENT, "unknown flag --%.*s%s", (int)length, word, hint);
}

/* One argument that begins with `-`; *next is the index of the argument after it. */
static sw_code parse_flag(int argc, char *const *argv, int *next, const sw_flag *own, const sw_flag *global,
                          sw_given *given, sw_error *error)
{
    const char *word = argv[*next - 1];
    bool is_long = word[1] == '-';
    const char *name = word + (is_long ? 2 : 1);
    size_t length = is_long ? strcspn(name, "=") : 1;
    const sw_flag *flag = is_long ? find_name(own, name, length) : find_letter(own, *name);
    if (flag == NULL)
        flag = is_long ? find_name(global, name, length) : find_letter(global, *name);
    if (flag == NULL)
        return is_long ? unknown(name, length, own, global, error)
                       : sw_fail(error, SW_INVALID_ARGUMENT,
                                 "unknown flag -%c; a word that begins with - goes after --", *name);
    *given = (sw_given){.flag = flag};
    const char *rest = name + length;
    if (flag->argument == NULL) {
        if (*rest != '\0')
            return sw_fail(error, SW_INVALID_ARGUMENT, "flag --%s takes no value", flag->name);
        return SW_OK;
    }
    if (*rest != '\0') {
        given->value = rest + (*rest == '=' ? 1 : 0);
        return SW_OK;
    }
    if (*next >= argc)
        return sw_fail(error, SW_INVALID_ARGUMENT, "flag --%s needs a value: --%s %s", flag->name, flag->name,
                       flag->argument);
    given->value = argv[(*next)++];
    return SW_OK;
}

sw_code sw_args_parse(int argc, char *const *argv, const sw_flag *own, const sw_flag *global, sw_args *args,
                      sw_error *error)
{
    size_t room = argc > 0 ? (size_t)argc + 1 : 1;
    *args =
        (sw_args){.words = calloc(room, sizeof(*args->words)), .given = calloc(room, sizeof(*args->given))};
    if (args->words == NULL || args->given == NULL) {
        sw_args_free(args);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    bool only_words = false;
    sw_code code = SW_OK;
    for (int i = 0; i < argc && code == SW_OK;) {
        const char *word = argv[i++];
        if (only_words || word[0] != '-' || word[1] == '\0') {
            args->words[args->word_count++] = word;
        } else if (strcmp(word, "--") == 0) {
            only_words = true;
        } else {
            code = parse_flag(argc, argv, &i, own, global, &args->given[args->given_count], error);
            args->given_count += code == SW_OK;
        }
    }
    if (code != SW_OK)
        sw_args_free(args);
    return code;
}

void sw_args_free(sw_args *args)
{
    free(args->words);
    free(args->given);
    *args = (sw_args){0};
}

bool sw_args_has(const sw_args *args, const char *flag)
{
    for (size_t i = 0; i < args->given_count; i++)
        if (strcmp(args->given[i].flag->name, flag) == 0)
            return true;
    return false;
}

const char *sw_args_value(const sw_args *args, const char *flag)
{
    for (size_t i = args->given_count; i > 0; i--)
        if (strcmp(args->given[i - 1].flag->name, flag) == 0)
            return args->given[i - 1].value;
    return NULL;
}

const char *sw_args_value_at(const sw_args *args, const char *flag, size_t i)
{
    for (size_t at = 0; at < args->given_count; at++)
        if (strcmp(args->given[at].flag->name, flag) == 0 && i-- == 0)
            return args->given[at].value;
    return NULL;
}

sw_code sw_args_number(const sw_args *args, const char *flag, int64_t minimum, int64_t maximum,
                       int64_t fallback, int64_t *value, sw_error *error)
{
    const char *text = sw_args_value(args, flag);
    *value = fallback;
    if (text == NULL)
        return SW_OK;
    char *end;
    errno = 0;
    long long number = strtoll(text, &end, 10);
    if (errno != 0 || end == text || *end != '\0' || number < minimum || number > maximum)
        return sw_fail(error, SW_INVALID_ARGUMENT, "--%s takes a number from %lld to %lld, not '%s'", flag,
                       (long long)minimum, (long long)maximum, text);
    *value = number;
    return SW_OK;
}

bool sw_duration_parse_ms(const char *text, int64_t *value)
{
    static const struct {
        const char *unit;
        double factor;
    } units[] = {{"", 1e3}, {"ms", 1}, {"s", 1e3}, {"m", 60e3}, {"h", 3600e3}, {"d", 86400e3}};
    if (*text < '0' || *text > '9')
        return false;
    char *end;
    double number = strtod(text, &end);
    for (size_t i = 0; i < sizeof(units) / sizeof(*units); i++) {
        double ms = number * units[i].factor;
        if (strcmp(end, units[i].unit) != 0)
            continue;
        if (!(ms <= 1e12))
            return false;
        *value = (int64_t)(ms + 0.5);
        return true;
    }
    return false;
}

sw_code sw_args_duration_ms(const sw_args *args, const char *flag, int64_t minimum, int64_t fallback,
                            int64_t *value, sw_error *error)
{
    const char *text = sw_args_value(args, flag);
    *value = fallback;
    bool is_duration = text == NULL || sw_duration_parse_ms(text, value);
    if (text == NULL || (is_duration && *value >= minimum))
        return SW_OK;
    if (is_duration)
        return sw_fail(error, SW_INVALID_ARGUMENT, "--%s takes a duration of at least %lldms, not '%s'", flag,
                       (long long)minimum, text);
    return sw_fail(error, SW_INVALID_ARGUMENT, "--%s takes a duration such as 250ms, 5s or 2m, not '%s'",
                   flag, text);
}

sw_code sw_args_time(const sw_args *args, const char *flag, char text[SW_TIME_TEXT], sw_error *error)
{
    const char *given = sw_args_value(args, flag);
    int64_t ago_ms;
    struct tm parts;
    *text = '\0';
    if (given == NULL)
        return SW_OK;
    if (strchr(given, '-') == NULL && sw_duration_parse_ms(given, &ago_ms)) {
        time_t then = time(NULL) - (time_t)(ago_ms / 1000);
        strftime(text, SW_TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&then, &parts));
    } else if (strlen(given) == strlen("2026-11-24") && strchr(given, 'T') == NULL) {
        snprintf(text, SW_TIME_TEXT, "%sT00:00:00Z", given);
    } else if (strchr(given, 'T') != NULL && strlen(given) < SW_TIME_TEXT) {
        snprintf(text, SW_TIME_TEXT, "%s", given);
    } else {
        return sw_fail_field(
            error, SW_INVALID_ARGUMENT, flag,
            "--%s takes a date (2026-11-24), a time (2026-11-24T10:00:00Z) or how long ago (2h), not '%s'",
            flag, given);
    }
    return SW_OK;
}

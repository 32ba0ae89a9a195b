/* The parser of command lines: see args.h. */
#include "program/args.h"
#include "base/error.h"
#include "base/nearest.h"
#include <stdlib.h>
#include <string.h>

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

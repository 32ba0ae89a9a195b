/* Options: names, types and help (option.h). */
#include "program/option.h"

#include "base/duration.h"
#include "base/error.h"
#include "base/utf8.h"
#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PREFIX "SITEWIRE_"

static const struct {
    const char *suffix;
    int64_t factor;
} sizes[] = {{"", 1}, {"K", 1024}, {"M", 1024 * 1024}, {"G", 1024 * 1024 * 1024}};

/* --- names --- */

void sw_option_variable(const sw_option *option, char text[SW_OPTION_VARIABLE_SIZE])
{
    int size = snprintf(text, SW_OPTION_VARIABLE_SIZE, PREFIX "%s", option->name);
    for (int i = 0; i < size && i < SW_OPTION_VARIABLE_SIZE; i++)
        text[i] = text[i] == '-' ? '_' : (char)toupper((unsigned char)text[i]);
}

int sw_option_find(const sw_option *options, const char *name)
{
    for (int i = 0; options[i].name != NULL; i++)
        if (strcmp(options[i].name, name) == 0)
            return i;
    return -1;
}

int sw_option_find_variable(const sw_option *options, const char *variable)
{
    char name[SW_OPTION_VARIABLE_SIZE];
    for (int i = 0; options[i].name != NULL; i++) {
        sw_option_variable(&options[i], name);
        if (strcmp(name, variable) == 0)
            return i;
    }
    return -1;
}

/* --- values --- */

static bool has_unit(const sw_option *option, const char *unit)
{
    return option->unit != NULL && strcmp(option->unit, unit) == 0;
}

static bool parse_number(const sw_option *option, const char *text, int64_t *number)
{
    char *end;
    errno = 0;
    long long value = strtoll(text, &end, 10);
    if (end == text || errno != 0 || isspace((unsigned char)*text) || *text == '+')
        return false;
    if (*end != '\0' && has_unit(option, "ms"))
        return sw_duration_parse_ms(text, "ms", number);
    for (size_t i = 0; i < sizeof(sizes) / sizeof(*sizes); i++)
        if (strcmp(end, sizes[i].suffix) == 0 && (i == 0 || has_unit(option, "bytes")))
            return !__builtin_mul_overflow(value, sizes[i].factor, number);
    return false;
}

static sw_code check_number(const sw_option *option, const char *text, const char *from, sw_error *error)
{
    const char *unit = option->unit != NULL ? option->unit : "";
    int64_t number;
    if (!parse_number(option, text, &number))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, option->name,
                             "%s: \"%s\" is not a number; give a whole number%s%s", from, text,
                             *unit != '\0' ? " of " : "", unit);
    if (number < option->minimum || number > option->maximum)
        return sw_fail_field(
            error, SW_INVALID_ARGUMENT, option->name, "%s: %s is out of range; give %lld to %lld%s%s", from,
            text, (long long)option->minimum, (long long)option->maximum, *unit != '\0' ? " " : "", unit);
    return SW_OK;
}

static sw_code check_choice(const sw_option *option, const char *text, const char *from, sw_error *error)
{
    size_t length = strlen(text);
    for (const char *word = option->unit; word != NULL;) {
        size_t size = strcspn(word, "|");
        if (size == length && memcmp(word, text, size) == 0)
            return SW_OK;
        word = word[size] == '|' ? word + size + 1 : NULL;
    }
    return sw_fail_field(error, SW_INVALID_ARGUMENT, option->name, "%s: \"%s\" is not one of %s", from, text,
                         option->unit);
}

sw_code sw_option_check(const sw_option *option, const char *text, const char *from, sw_error *error)
{
    if (option->type == SW_OPTION_NUMBER)
        return check_number(option, text, from, error);
    if (option->type == SW_OPTION_CHOICE)
        return check_choice(option, text, from, error);
    if (!sw_utf8_valid(text, strlen(text)))
        return sw_fail_field(error, SW_INVALID_ARGUMENT, option->name, "%s: not valid UTF-8", from);
    return SW_OK;
}

void sw_option_store(const sw_option *option, const char *text)
{
    if (option->type == SW_OPTION_NUMBER)
        parse_number(option, text, option->value);
    else if (option->type == SW_OPTION_SWITCH)
        *(bool *)option->value = strcmp(text, "true") == 0;
    else
        *(const char **)option->value = text;
}

/* --- help --- */

/* "  -q, --queue-calls=N"; returns its length. */
static int format_flag(const sw_option *option, char *to, size_t capacity)
{
    char letter[8] = "    ";
    if (option->letter != '\0')
        snprintf(letter, sizeof(letter), "-%c, ", option->letter);
    bool alone = option->type == SW_OPTION_SWITCH;
    const char *value = option->unit != NULL ? option->unit : option->type == SW_OPTION_NUMBER ? "N" : "TEXT";
    return snprintf(to, capacity, "  %s--%s%s%s", letter, option->name, alone ? "" : "=", alone ? "" : value);
}

static void print_option(const sw_option *option, int width)
{
    char flag[128], variable[SW_OPTION_VARIABLE_SIZE];
    format_flag(option, flag, sizeof(flag));
    sw_option_variable(option, variable);
    printf("%-*s  %s", width, flag, option->help);
    bool fallback = option->fallback != NULL && *option->fallback != '\0';
    if (option->type != SW_OPTION_SWITCH && strcmp(option->name, "config") != 0)
        printf(" [%s%s%s]", variable, fallback ? "; default " : "", fallback ? option->fallback : "");
    putchar('\n');
}

void sw_options_print(const sw_option *options)
{
    char flag[128];
    int width = 0;
    for (int i = 0; options[i].name != NULL; i++) {
        int length = format_flag(&options[i], flag, sizeof(flag));
        width = length > width && length <= 40 ? length : width;
    }
    for (int i = 0; options[i].name != NULL; i++)
        print_option(&options[i], width);
}

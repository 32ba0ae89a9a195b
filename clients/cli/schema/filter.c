/* The filter parser: see filter.h. */
#include "cli/schema/filter.h"
#include "base/error.h"
#include "cli/schema/field.h"
#include "cli/schema/resource.h"
#include "cli/schema/value.h"
#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* Operators; a longer one comes before its prefix. */
static const struct {
    const char *spelling, *op;
    bool word; /* a word: must end at a space or at the end of the text */
} operators[] = {
    {"!=", "!=", false},      {"<>", "!=", false},        {"<=", "<=", false},
    {">=", ">=", false},      {"^=", "prefix", false},    {"==", "=", false},
    {"=", "=", false},        {"<", "<", false},          {">", ">", false},
    {"~", "contains", false}, {"prefix", "prefix", true}, {"contains", "contains", true},
    {"in", "in", true},       {"is", "is_null", true},
};

static const char *skip_space(const char *p)
{
    while (isspace((unsigned char)*p))
        p++;
    return p;
}

/* Reads an operator at *p and moves *p past it; NULL if there is none. */
static const char *read_operator(const char **p)
{
    for (size_t i = 0; i < sizeof(operators) / sizeof(*operators); i++) {
        size_t length = strlen(operators[i].spelling);
        char after = strlen(*p) >= length ? (*p)[length] : 'x';
        if (strncasecmp(*p, operators[i].spelling, length) == 0 &&
            (!operators[i].word || after == '\0' || isspace((unsigned char)after) || after == '(')) {
            *p += length;
            return operators[i].op;
        }
    }
    return NULL;
}

/* Reads one value at *p up to `stop` or the end, without its quotes. malloc'ed; NULL if a quote
 * is not closed. */
static char *read_value(const char **p, char stop)
{
    const char *start = skip_space(*p), *end;
    if (*start == '"' || *start == '\'') {
        end = strchr(start + 1, *start);
        if (end == NULL)
            return NULL;
        const char *after = skip_space(end + 1);
        if (*after != '\0' && *after != stop)
            return NULL;
        *p = after;
        return strndup(start + 1, (size_t)(end - start - 1));
    }
    end = stop != '\0' ? strchrnul(start, stop) : start + strlen(start);
    *p = end;
    while (end > start && isspace((unsigned char)end[-1]))
        end--;
    return strndup(start, (size_t)(end - start));
}

static bool is_substring_op(const char *op)
{
    return strcmp(op, "prefix") == 0 || strcmp(op, "contains") == 0;
}

/* Reads the values of `op` into `values`; `in` takes several. */
static sw_code read_values(const ProtobufCFieldDescriptor *field, const char *op, const char *p,
                           json_t *values, sw_error *error)
{
    bool several = strcmp(op, "in") == 0;
    /* People who know SQL write `in (a, b)`. */
    size_t length = strlen(p);
    char *inner = NULL;
    if (several && *p == '(' && length > 1 && p[length - 1] == ')') {
        inner = strndup(p + 1, length - 2);
        p = inner != NULL ? inner : "";
    }
    sw_code code = SW_OK;
    do {
        char *text = read_value(&p, several ? ',' : '\0');
        if (text == NULL) {
            code = sw_fail_field(error, SW_INVALID_ARGUMENT, field->name,
                                 "a quote in the filter on %s is never closed", field->name);
            break;
        }
        json_t *value = NULL;
        /* A part of a value need not be valid by itself, and an empty value matches empty
         * fields. */
        if (is_substring_op(op) || *text == '\0')
            value = json_string(text);
        else
            code = sw_word_parse(field, text, &value, error);
        free(text);
        char *plain = code == SW_OK ? sw_cell_text(value) : NULL;
        if (plain != NULL)
            json_array_append_new(values, json_string(plain));
        free(plain);
        json_decref(value);
    } while (code == SW_OK && *p == ',' && p++ != NULL);
    free(inner);
    return code;
}

/* `null` or `not null` after `is`. */
static sw_code read_null(const ProtobufCFieldDescriptor *field, const char *p, json_t *values,
                         sw_error *error)
{
    bool is_null = true;
    if (strncasecmp(p, "not", 3) == 0 && isspace((unsigned char)p[3])) {
        is_null = false;
        p = skip_space(p + 3);
    }
    size_t length = strcspn(p, " \t");
    if (length != 4 || strncasecmp(p, "null", 4) != 0 || *skip_space(p + 4) != '\0')
        return sw_fail_field(error, SW_INVALID_ARGUMENT, field->name,
                             "`is` must be followed by `null` or `not null`");
    json_array_append_new(values, json_string(is_null ? "true" : "false"));
    return SW_OK;
}

sw_code sw_filter_parse(const ProtobufCMessageDescriptor *message, const char *text, json_t **filter,
                        sw_error *error)
{
    const char *start = skip_space(text), *p = start;
    while (isalnum((unsigned char)*p) || *p == '_' || *p == '-')
        p++;
    const ProtobufCFieldDescriptor *field = NULL;
    size_t length = (size_t)(p - start);
    p = skip_space(p);
    const char *op = length > 0 ? read_operator(&p) : NULL;
    if (op == NULL)
        return sw_fail(error, SW_INVALID_ARGUMENT,
                       "'%.100s' is not a filter: write FIELD OP VALUE, with OP one of = != < <= > >= ^= ~ "
                       "in, or FIELD is [not] null",
                       text);
    sw_code code = sw_field_find(message, start, length, &field, error);
    if (code != SW_OK)
        return code;
    json_t *values = json_array();
    p = skip_space(p);
    code = strcmp(op, "is_null") == 0 ? read_null(field, p, values, error)
                                      : read_values(field, op, p, values, error);
    if (code == SW_OK) {
        *filter = json_pack("{s:s,s:s,s:O}", "field", field->name, "op", op, "values", values);
        if (*filter == NULL)
            code = sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    json_decref(values);
    return code;
}

sw_code sw_order_parse(const ProtobufCMessageDescriptor *message, const char *text, json_t **order,
                       sw_error *error)
{
    json_t *list = json_array();
    while (*text != '\0') {
        size_t length = strcspn(text, ",");
        bool descending = *text == '-';
        const ProtobufCFieldDescriptor *field;
        sw_code code = sw_field_find(message, text + descending, length - descending, &field, error);
        if (code != SW_OK) {
            json_decref(list);
            return code;
        }
        json_array_append_new(list, json_pack("{s:s,s:b}", "field", field->name, "descending", descending));
        text += length + (text[length] == ',');
    }
    *order = list;
    return SW_OK;
}

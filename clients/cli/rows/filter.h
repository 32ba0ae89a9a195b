/* The filters of templates: `trim`, `slug`, `split(",")` ... One row of the table each;
 * docs/import.md lists them. Used by template.c. */
#ifndef SW_CLI_ROWS_FILTER_H
#define SW_CLI_ROWS_FILTER_H

#include "cli/rows/template.h"

#define SW_FILTER_ARGUMENTS_MAX 2

typedef struct sw_template_filter_type {
    const char *name;
    int arguments;   /* number of arguments */
    bool has_lookup; /* the argument is the name of a lookup table */
    /* Turns one value into another; NULL when out of memory. */
    const char *(*one)(const sw_template_filter *filter, const sw_template_row *row, size_t column,
                       const char *value);
    /* Or works on all values of a cell at once; false when out of memory. */
    bool (*all)(const sw_template_filter *filter, const sw_template_row *row, size_t column,
                sw_values *values);
} sw_template_filter_type;

struct sw_template_filter {
    const sw_template_filter_type *type;
    const char *arguments[SW_FILTER_ARGUMENTS_MAX];
    const sw_lookup *lookup; /* set by sw_template_link */
    sw_template_filter *next;
};

/* Ends with a NULL name. */
extern const sw_template_filter_type sw_template_filter_types[];

#endif

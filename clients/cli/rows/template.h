/* Templates of mapping files: `{CMS provider | trim | slug}` and text around it, turned into values for one
 * row. docs/import.md lists the filters. Used by import_map.c; memory is the caller's arenas. */
#ifndef SW_CLI_IMPORT_TEMPLATE_H
#define SW_CLI_IMPORT_TEMPLATE_H

#include "base/arena.h"
#include <sitewire/status.h>

/* A lookup table, `[map NAME]`: pairs in the order of the file. */
typedef struct sw_lookup {
    const char *name;
    size_t count;
    const char **from, **to;
    const char *fallback; /* of the line `* = ...`, or NULL */
    unsigned line;
    struct sw_lookup *next;
} sw_lookup;

typedef struct sw_template_filter sw_template_filter;
typedef struct sw_template_part {
    const char *literal; /* text, or NULL for a column */
    const char *column;
    size_t index; /* of the column, set by sw_template_bind */
    sw_template_filter *filters;
    struct sw_template_part *next;
} sw_template_part;

typedef struct sw_template {
    sw_template_part *parts;
} sw_template;

typedef struct sw_values {
    size_t count;
    const char **items;
} sw_values;

/* One row while it is being turned into values. */
typedef struct sw_template_row {
    const char *const *cells;
    bool *used; /* by column: set for each cell that was read */
    sw_arena *arena;
    /* A cell whose content found no place, and why. */
    void (*unplaced)(void *context, size_t column, const char *reason);
    void *context;
} sw_template_row;

/* INVALID_ARGUMENT says what is wrong, with the column of the text where it is. The template lives in the
 * arena. */
sw_code sw_template_parse(const char *text, sw_arena *arena, sw_template *template, sw_error *error);
/* Finds the tables that the template's map filters name. */
sw_code sw_template_link(const sw_template *template, const sw_lookup *lookups, sw_error *error);
/* Finds the columns in a header and marks them in `mentioned`. INVALID_ARGUMENT names one that is missing. */
sw_code sw_template_bind(const sw_template *template, const char *const *header, size_t count,
                         bool *mentioned, sw_error *error);
/* The values for a row: one, or several if a part of it was split. Always at least one, which may be "". They
 * live in the row's arena. */
sw_code sw_template_values(const sw_template *template, const sw_template_row *row, sw_values *values,
                           sw_error *error);

#endif

/* Templates of mapping files, such as `{CMS provider | trim | slug}` with text around it, and
 * their values for one row. docs/import.md lists the filters. Used by map.c. All memory is from
 * the caller's arenas. */
#ifndef SW_CLI_ROWS_TEMPLATE_H
#define SW_CLI_ROWS_TEMPLATE_H

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
    const char *literal; /* text; NULL for a column */
    const char *column;
    size_t index; /* of the column; set by sw_template_bind */
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

/* One row while its values are computed. */
typedef struct sw_template_row {
    const char *const *cells;
    bool *used; /* by column: set when the cell is read */
    sw_arena *arena;
    /* Called for a cell whose content cannot be used anywhere, with the reason. */
    void (*unplaced)(void *context, size_t column, const char *reason);
    void *context;
} sw_template_row;

/* The template is allocated in the arena. INVALID_ARGUMENT says what is wrong, and at which
 * character. */
sw_code sw_template_parse(const char *text, sw_arena *arena, sw_template *template, sw_error *error);
/* Finds the lookup tables that the filters name. */
sw_code sw_template_link(const sw_template *template, const sw_lookup *lookups, sw_error *error);
/* Finds the columns in a header and marks them in `mentioned`. INVALID_ARGUMENT names a missing
 * column. */
sw_code sw_template_bind(const sw_template *template, const char *const *header, size_t count,
                         bool *mentioned, sw_error *error);
/* The values for a row: one, or several if a cell was split. Always at least one, which may be
 * "". They are allocated in the row's arena. */
sw_code sw_template_values(const sw_template *template, const sw_template_row *row, sw_values *values,
                           sw_error *error);

#endif

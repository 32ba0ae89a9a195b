/* Mapping files: how one row of a foreign CSV becomes rows of several resources. docs/import.md
 * describes the format. Knows no resource by name: import/read.c checks the names against the
 * schema. */
#ifndef SW_CLI_ROWS_MAP_H
#define SW_CLI_ROWS_MAP_H

#include "cli/rows/template.h"

typedef struct sw_map_field {
    const char *name;
    sw_template template;
    unsigned line;
    struct sw_map_field *next;
} sw_map_field;

/* `when TEMPLATE`, `when TEMPLATE = TEXT`, `when TEMPLATE != TEXT`: decides whether a row makes
 * the resource. */
typedef struct sw_map_condition {
    sw_template template, other;
    enum { SW_WHEN_FILLED, SW_WHEN_EQUAL, SW_WHEN_DIFFERENT } kind;
    unsigned line;
    struct sw_map_condition *next;
} sw_map_condition;

/* A section `[Resource]`. A resource may have several sections. */
typedef struct sw_map_target {
    const char *resource;
    sw_map_field *fields;
    sw_map_condition *conditions;
    size_t index; /* position among the targets */
    unsigned line;
    struct sw_map_target *next;
} sw_map_target;

/* A line of `[ignore]`: a column that is ignored on purpose, and why. */
typedef struct sw_map_ignored {
    const char *column, *reason;
    unsigned line;
    struct sw_map_ignored *next;
} sw_map_ignored;

typedef struct sw_map {
    sw_arena *arena;
    const char *path;
    char delimiter;
    sw_map_target *targets;
    sw_map_ignored *ignored;
    sw_lookup *lookups;
    /* Set by sw_map_bind, by column of the header: */
    size_t column_count;
    bool *mentioned; /* used by a template */
    bool *left_out;  /* named by [ignore] */
} sw_map;

/* Parses a mapping; `path` is for messages (`FILE:LINE: ...`). INVALID_ARGUMENT names the line. */
sw_code sw_map_parse(const char *path, const char *text, size_t size, sw_map **map, sw_error *error);
void sw_map_destroy(sw_map **map);

/* Finds the columns in a file's header. INVALID_ARGUMENT names the mapping's line and the
 * column. May be called again for another file. */
sw_code sw_map_bind(sw_map *map, const char *const *header, size_t count, sw_error *error);

/* Whether a row makes this target. */
sw_code sw_map_applies(const sw_map_target *target, const sw_template_row *row, bool *applies,
                       sw_error *error);

#endif

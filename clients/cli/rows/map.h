/* Mapping files: how one row of a foreign CSV becomes rows of several resources. docs/import.md describes the
 * format. Knows no resource by name: names are checked against the schema by import_read.c. */
#ifndef SW_CLI_IMPORT_MAP_H
#define SW_CLI_IMPORT_MAP_H

#include "cli/rows/template.h"

typedef struct sw_map_field {
    const char *name;
    sw_template template;
    unsigned line;
    struct sw_map_field *next;
} sw_map_field;

/* `when TEMPLATE`, `when TEMPLATE = TEXT`, `when TEMPLATE != TEXT`: makes the resource or not. */
typedef struct sw_map_condition {
    sw_template template, other;
    enum { SW_WHEN_FILLED, SW_WHEN_EQUAL, SW_WHEN_DIFFERENT } kind;
    unsigned line;
    struct sw_map_condition *next;
} sw_map_condition;

/* A section `[Resource]`. A resource may have several. */
typedef struct sw_map_target {
    const char *resource;
    sw_map_field *fields;
    sw_map_condition *conditions;
    size_t index; /* of the section among the targets */
    unsigned line;
    struct sw_map_target *next;
} sw_map_target;

/* A line of `[ignore]`: a column that is left out on purpose, and why. */
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
    /* After sw_map_bind, by column of the bound header: */
    size_t column_count;
    bool *mentioned; /* in a template */
    bool *left_out;  /* by [ignore] */
} sw_map;

/* Reads a mapping from memory; `path` is for messages, `FILE:LINE: ...`. INVALID_ARGUMENT names the line. */
sw_code sw_map_parse(const char *path, const char *text, size_t size, sw_map **map, sw_error *error);
void sw_map_destroy(sw_map **map);

/* Finds the columns in a file's header. INVALID_ARGUMENT names line and column of the mapping. May be called
 * for one file after another. */
sw_code sw_map_bind(sw_map *map, const char *const *header, size_t count, sw_error *error);

/* Whether a target is to be made of a row. */
sw_code sw_map_applies(const sw_map_target *target, const sw_template_row *row, bool *applies,
                       sw_error *error);

#endif

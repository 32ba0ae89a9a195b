/* Items on stdout: as a record or a table for people, as CSV, as JSON. Used by the commands on resources, and
 * by the questions. */
#ifndef SW_CLI_OUTPUT_H
#define SW_CLI_OUTPUT_H

#include "cli/run/cli.h"
#include "cli/term/grid.h"

#define SW_OUTPUT_FIELDS_MAX 128

typedef enum { SW_OUTPUT_TABLE, SW_OUTPUT_RECORD, SW_OUTPUT_CSV, SW_OUTPUT_JSON } sw_output_form;

/* Which fields of a message, in which form. */
typedef struct sw_output {
    const sw_cli *cli;
    const ProtobufCMessageDescriptor *message;
    sw_output_form form;
    bool chosen; /* by --fields: nothing is left out */
    size_t count;
    const ProtobufCFieldDescriptor *fields[SW_OUTPUT_FIELDS_MAX];
    sw_grid *table;
    size_t rows;
} sw_output;

/* Reads --json, --csv and --fields (`a,b`, or `all`). Columns of `keys` are always shown; NULL: the first field is. `fields`: of a
 * table without --fields; NULL: all but bookkeeping. End with sw_output_end in any case. */
sw_code sw_output_begin(sw_output *output, const sw_cli *cli, const ProtobufCMessageDescriptor *message,
                        const ProtobufCFieldDescriptor *const *keys, size_t key_count, const char *fields,
                        sw_error *error);
/* The same, but for people each item is a record, a field a line. Nothing is left to be printed at the end. */
sw_code sw_output_begin_records(sw_output *output, const sw_cli *cli,
                                const ProtobufCMessageDescriptor *message, sw_error *error);
void sw_output_item(sw_output *output, const json_t *item);
/* Prints what is not printed yet (a table), unless `failed` before its first row. */
void sw_output_end(sw_output *output, bool failed);

/* A text of somebody else's, in a line of its reader's: it neither steers the terminal nor ends the line. */
void sw_print_safe(const char *text);
/* One object on one line. */
void sw_print_json_line(const json_t *value);
/* One item as a record, or as the flags say. */
void sw_print_record(const sw_cli *cli, const ProtobufCMessageDescriptor *message, const json_t *item);
/* A CSV cell, quoted where RFC 4180 asks for it. */
void sw_print_csv_cell(FILE *out, const char *text);

#endif

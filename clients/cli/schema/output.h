/* Items on stdout: a table or records for people, CSV, or JSON. Used by every command that
 * prints rows. */
#ifndef SW_CLI_SCHEMA_OUTPUT_H
#define SW_CLI_SCHEMA_OUTPUT_H

#include "cli/run/cli.h"
#include "cli/term/grid.h"

#define SW_OUTPUT_FIELDS_MAX 128

typedef enum { SW_OUTPUT_TABLE, SW_OUTPUT_RECORD, SW_OUTPUT_CSV, SW_OUTPUT_JSON } sw_output_form;

/* Which fields of a message are printed, and in which form. */
typedef struct sw_output {
    const sw_cli *cli;
    const ProtobufCMessageDescriptor *message;
    sw_output_form form;
    bool chosen; /* --fields was given: nothing is left out */
    size_t count;
    const ProtobufCFieldDescriptor *fields[SW_OUTPUT_FIELDS_MAX];
    sw_grid *table;
    size_t rows;
} sw_output;

/* Starts the output, as --json, --csv and --fields (`a,b` or `all`) say. Columns of `keys` are
 * always shown (NULL: the first field). `fields` are the columns of a table without --fields
 * (NULL: all except bookkeeping). Always end with sw_output_end. */
sw_code sw_output_begin(sw_output *output, const sw_cli *cli, const ProtobufCMessageDescriptor *message,
                        const ProtobufCFieldDescriptor *const *keys, size_t key_count, const char *fields,
                        sw_error *error);
/* The same, but the form for people is a record per item, one field a line. Needs no
 * sw_output_end. */
sw_code sw_output_begin_records(sw_output *output, const sw_cli *cli,
                                const ProtobufCMessageDescriptor *message, sw_error *error);
void sw_output_item(sw_output *output, const json_t *item);
/* Prints the table, which has waited for all rows. If `failed`, prints nothing for a table
 * without rows. */
void sw_output_end(sw_output *output, bool failed);

/* Prints text that somebody else wrote, on one line: it cannot control the terminal or end the
 * line. */
void sw_print_safe(const char *text);
/* Prints one value as compact JSON on a line of its own. */
void sw_print_json_line(const json_t *value);
/* Prints one item as a record, or as --json, --csv and --fields say. */
void sw_print_record(const sw_cli *cli, const ProtobufCMessageDescriptor *message, const json_t *item);
/* The same for an item of the resource with that name. */
sw_code sw_print_resource(sw_cli *cli, const char *resource, const json_t *item, sw_error *error);

#endif

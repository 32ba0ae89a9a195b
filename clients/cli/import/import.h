/* The parts of `sitewire import`: import.c runs them; read.c, jsonl.c, table.c and row.c turn
 * files into a plan; send.c sends its rows; secret.c opens sealed secrets; report.c prints
 * failures, progress and the summary; rejects.c writes the rows that failed. */
#ifndef SW_CLI_IMPORT_IMPORT_H
#define SW_CLI_IMPORT_IMPORT_H

#include "cli/import/plan.h"
#include "cli/rows/map.h"
#include "cli/run/cli.h"

/* The name of the column or member that holds the reason in a file of rejects; import ignores
 * it. In CSV the cell begins with SW_REASON_MARK, so that it is recognised even if a row has the
 * wrong number of cells. */
#define SW_REASON_NAME "_error"
#define SW_REASON_MARK "rejected: "
/* The member that holds a rejected line that is not a JSON object. */
#define SW_LINE_NAME "_line"

typedef enum { SW_INPUT_JSONL, SW_INPUT_CSV } sw_input_kind;

/* One input file. */
typedef struct sw_input {
    const char *path; /* as given; `-` is stdin */
    const char *name; /* for messages */
    FILE *file;       /* NULL after it was read */
    sw_input_kind kind;
    const sw_model_type *type; /* of its rows; NULL: each row names it, or a mapping does */
    char delimiter;
    char *header; /* the header of a CSV file as it stands there, for the file of rejects */
} sw_input;

/* The number of cells that could not be used, by column. */
typedef struct sw_unplaced {
    char *column;
    uint64_t count;
} sw_unplaced;

typedef struct sw_import {
    sw_cli *cli;
    sw_client *client;
    sw_model *model;
    sw_map *map;                     /* NULL without --map */
    const sw_model_type **map_types; /* by index of the mapping's targets */
    sw_import_plan *plan;
    sw_input *inputs;
    size_t input_count;
    const char *rejects; /* --rejects, or NULL */
    bool dry_run;
    uint32_t jobs;
    /* The outcome: */
    uint64_t rows_read, rows_rejected; /* counted in the files */
    uint64_t sent, finished;           /* counted in the plan; `sent` counts every attempt */
    sw_unplaced *unplaced;
    size_t unplaced_count;
    json_t *secrets; /* waiting until the rows are sent; NULL if there are none */
    uint64_t secrets_set;
    sw_code first_code; /* of the first input row that failed, or OK */
    uint32_t first_origin;
    bool interrupted;
    bool unreachable; /* it gave up because the service does not answer */
    int64_t started_us, sending_us, ended_us, drawn_us;
    bool drawn; /* a progress line is on the terminal */
} sw_import;

/* --- read.c --- */

/* Checks the mapping against the schema. */
sw_code sw_import_check_map(sw_import *import, sw_error *error);
/* Reads one input into the plan. Fails only if the import must end. */
sw_code sw_import_read(sw_import *import, uint32_t input, sw_error *error);

/* For the readers of each format: */
sw_code sw_import_read_jsonl(sw_import *import, uint32_t input, sw_error *error);
sw_code sw_import_read_csv(sw_import *import, uint32_t input, sw_error *error);
sw_code sw_import_no_memory(sw_error *error);
/* Reports a failed read, by errno. */
sw_code sw_import_read_failed(const sw_input *input, sw_error *error);
/* True for a cell that SW_REASON_MARK begins. */
bool sw_import_is_reason(const char *cell);
/* Reports a row that cannot be read. Returns OK: the other rows are imported. */
sw_code sw_import_bad_row(sw_import *import, uint32_t origin, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds a row to the plan. A row that is wrong is reported; only exhausted memory ends the
 * import. */
sw_code sw_import_add(sw_import *import, const sw_model_type *type, json_t *fields, uint32_t origin,
                      sw_error *error);

/* --- send.c --- */

sw_code sw_import_send(sw_import *import, sw_error *error);

/* --- secret.c --- */

/* True for a line of `export --secrets-to`. */
bool sw_import_is_secret(const json_t *row);
/* Keeps a secret until the rows are sent. Reports it if it cannot be opened. */
sw_code sw_import_add_secret(sw_import *import, json_t *row, uint32_t origin, sw_error *error);
/* Sets the secrets that were kept; in a dry run only opens them. Fails only if the import must
 * end. */
sw_code sw_import_send_secrets(sw_import *import, sw_error *error);

/* --- report.c --- */

/* Reports a row that failed: counts it, prints it, adds the reason to its origin. `type` may be
 * NULL. */
void sw_import_fail(sw_import *import, uint32_t origin, const sw_model_type *type, const char *key,
                    const sw_error *error);
/* Reports a cell that could not be used. */
void sw_import_unplaced(sw_import *import, uint32_t input, uint32_t line, const char *column,
                        const char *cell, const char *reason);
/* Counts a cell of a column that was already reported as a whole. */
void sw_import_count_unplaced(sw_import *import, const char *column);
/* Prints a note about a file. */
void sw_import_note(sw_import *import, uint32_t input, uint32_t line, const char *text);
/* Draws the progress line, only on a terminal and at most ten times a second. */
void sw_import_progress(sw_import *import, bool last);
/* Prints the summary. `rejected`: number of rows in the file of rejects. */
void sw_import_summary(sw_import *import, uint64_t rejected);

/* --- rejects.c --- */

/* Fails if --rejects cannot be written; called before anything is sent. */
sw_code sw_import_check_rejects(const sw_import *import, sw_error *error);
/* Writes the files of --rejects. Never replaces an input file that has rows which were not sent.
 * *count: number of rows written. */
sw_code sw_import_write_rejects(sw_import *import, uint64_t *count, sw_error *error);

#endif

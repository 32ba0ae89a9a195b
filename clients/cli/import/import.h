/* The parts of `sitewire import`: import.c runs them; read.c, jsonl.c and table.c turn files into a
 * plan; send.c works it off; report.c tells people and programs about it; rejects.c keeps what
 * failed; secret.c opens sealed secrets. */
#ifndef SW_CLI_IMPORT_IMPORT_H
#define SW_CLI_IMPORT_IMPORT_H

#include "cli/import/plan.h"
#include "cli/rows/map.h"
#include "cli/run/cli.h"

/* The first column, or the member, that a rejected row gets; ignored when it is read. In CSV its cells begin with SW_REASON_MARK, so
 * that they are told from others where a row has the wrong number of cells. */
#define SW_REASON_NAME "_error"
#define SW_REASON_MARK "rejected: "
/* The member that holds a rejected line which is no JSON object. */
#define SW_LINE_NAME "_line"

typedef enum { SW_INPUT_JSONL, SW_INPUT_CSV } sw_input_kind;

/* One input file. */
typedef struct sw_input {
    const char *path; /* as given; `-` for stdin */
    const char *name; /* for messages */
    FILE *file;       /* until it was read */
    sw_input_kind kind;
    const sw_model_type *type; /* of its rows, or NULL: each row says, or a mapping */
    char delimiter;
    char *header; /* the first row of a CSV file as it stands, for the file of rejects */
} sw_input;

/* Cells without a place, by column. */
typedef struct sw_unplaced {
    char *column;
    uint64_t count;
} sw_unplaced;

typedef struct sw_import {
    sw_cli *cli;
    sw_client *client;
    sw_model *model;
    sw_map *map;                     /* or NULL */
    const sw_model_type **map_types; /* by target of the map */
    sw_import_plan *plan;
    sw_input *inputs;
    size_t input_count;
    const char *rejects; /* path, or NULL */
    bool dry_run;
    uint32_t jobs;
    /* Outcome. */
    uint64_t rows_read, rows_rejected; /* of the files */
    uint64_t sent, finished;           /* of the plan; sent counts a row each time */
    sw_unplaced *unplaced;
    size_t unplaced_count;
    json_t *secrets; /* those that wait for their rows, or NULL */
    uint64_t secrets_set;
    sw_code first_code; /* of the first row of the input that failed, or OK */
    uint32_t first_origin;
    bool interrupted;
    bool unreachable; /* gave up because nobody answers */
    int64_t started_us, sending_us, ended_us, drawn_us;
    bool drawn; /* a progress line stands on the terminal */
} sw_import;

/* --- read.c --- */

/* Checks the mapping against the schema. */
sw_code sw_import_check_map(sw_import *import, sw_error *error);
/* Reads one input into the plan. Fails only for what ends the import. */
sw_code sw_import_read(sw_import *import, uint32_t input, sw_error *error);

/* For the readers of each kind: */
sw_code sw_import_read_jsonl(sw_import *import, uint32_t input, sw_error *error);
sw_code sw_import_read_csv(sw_import *import, uint32_t input, sw_error *error);
sw_code sw_import_no_memory(sw_error *error);
/* By errno. */
sw_code sw_import_read_failed(const sw_input *input, sw_error *error);
/* Reports a row that is none. Returns OK: the others are imported. */
/* A cell of SW_REASON_NAME. */
bool sw_import_is_reason(const char *cell);
sw_code sw_import_bad_row(sw_import *import, uint32_t origin, const char *format, ...)
    __attribute__((format(printf, 3, 4)));
/* Adds a row to the plan. What is wrong with it is reported; only a lack of memory ends the import. */
sw_code sw_import_add(sw_import *import, const sw_model_type *type, json_t *fields, uint32_t origin,
                      sw_error *error);

/* --- send.c --- */

sw_code sw_import_send(sw_import *import, sw_error *error);

/* --- secret.c --- */

/* Whether a row is a line of `export --secrets-to`. */
bool sw_import_is_secret(const json_t *row);
/* Keeps it until the rows are sent; reports it if there is no key to open it. */
sw_code sw_import_add_secret(sw_import *import, json_t *row, uint32_t origin, sw_error *error);
/* Sets those that were kept; in a trial they are only opened. Fails only for what ends the import. */
sw_code sw_import_send_secrets(sw_import *import, sw_error *error);

/* --- report.c --- */

/* A row that failed. `type` may be NULL. Counts it, prints it, marks its origin. */
void sw_import_fail(sw_import *import, uint32_t origin, const sw_model_type *type, const char *key,
                    const sw_error *error);
/* A cell without a place. */
void sw_import_unplaced(sw_import *import, uint32_t input, uint32_t line, const char *column,
                        const char *cell, const char *reason);
/* Counts a cell of a column that was reported as a whole. */
void sw_import_count_unplaced(sw_import *import, const char *column);
/* Something worth saying once, about a file. */
void sw_import_note(sw_import *import, uint32_t input, uint32_t line, const char *text);
/* Draws the progress line, at most ten times a second and only on a terminal. */
void sw_import_progress(sw_import *import, bool last);
/* `rejected`: rows in the file of rejects. */
void sw_import_summary(sw_import *import, uint64_t rejected);

/* --- rejects.c --- */

/* Whether --rejects can be written, before anything is sent. */
sw_code sw_import_check_rejects(const sw_import *import, sw_error *error);
/* Writes what --rejects asks for, but never over an input whose other rows are not in; *count rows of it. */
sw_code sw_import_write_rejects(sw_import *import, uint64_t *count, sw_error *error);

#endif

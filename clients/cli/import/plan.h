/* The rows of an import: packed requests in memory, each with the place it came from and the rows that it has
 * to wait for. Used by `sitewire import`: import_read.c fills a plan, import_send.c works it off. A row costs
 * its own encoded bytes and about 100 more. */
#ifndef SW_CLI_IMPORT_PLAN_H
#define SW_CLI_IMPORT_PLAN_H

#include "cli/import/model.h"
#include <jansson.h>

#define SW_NO_ROW UINT32_MAX

typedef struct sw_import_plan sw_import_plan;

/* A row of an input file. One may give rows of several resources. */
typedef struct sw_origin {
    uint32_t file, line;
    const char *raw; /* its text, if the plan keeps that */
    size_t raw_size;
    const char *reason; /* why it is rejected, all reasons in one text, or NULL */
} sw_origin;

typedef enum { SW_ROW_WAITING, SW_ROW_READY, SW_ROW_SENT, SW_ROW_DONE, SW_ROW_FAILED } sw_row_state;

typedef struct sw_row {
    const sw_model_type *type;
    const uint8_t *request; /* an encoded Update<R>Request */
    const char *key;        /* see sw_model_key */
    uint32_t size;
    uint32_t origin;
    uint32_t waits;         /* rows that have to be finished before */
    uint32_t first_edge;    /* rows that wait for this one */
    uint32_t same_key;      /* the row before with the same key, or SW_NO_ROW */
    uint32_t last_same_key; /* in the first row with a key: the last one */
    uint32_t retry_at;      /* successes of the run when it was sent last */
    bool refers;            /* to a row of this plan */
    bool last_try;          /* it is not sent again, whatever comes */
    bool broken;            /* a row that it waited for has failed */
    sw_row_state state;
} sw_row;

/* What is counted for one resource. */
typedef struct sw_tally {
    uint64_t created, updated, unchanged, failed;
    uint64_t repeated; /* equal to a row before it; not sent */
} sw_tally;

/* Lends the model. `validate_only`: the rows ask for a trial. */
sw_code sw_import_plan_new(const sw_model *model, bool validate_only, bool keep_raw, sw_import_plan **plan,
                           sw_error *error);
void sw_import_plan_destroy(sw_import_plan **plan);

/* A new origin: its index, or SW_NO_ROW when memory is out. */
uint32_t sw_import_plan_origin(sw_import_plan *plan, uint32_t file, uint32_t line, const char *raw,
                               size_t raw_size);
sw_origin *sw_import_plan_origin_at(sw_import_plan *plan, uint32_t origin);
size_t sw_import_plan_origins(const sw_import_plan *plan);
/* Adds a reason to reject an origin. */
void sw_import_plan_reject(sw_import_plan *plan, uint32_t origin, const char *field, const char *reason);

/* Adds a row: `fields` is a JSON object, which this changes. null clears a field; computed fields are left
 * out and counted. A row equal to one before is counted as repeated and not added. INVALID_ARGUMENT for a row
 * that is wrong in itself or contradicts one before. */
sw_code sw_import_plan_add(sw_import_plan *plan, const sw_model_type *type, json_t *fields, uint32_t origin,
                           sw_error *error);
/* Once, after the last row: finds out which rows wait for which. */
sw_code sw_import_plan_link(sw_import_plan *plan, sw_error *error);

size_t sw_import_plan_rows(const sw_import_plan *plan);
sw_row *sw_import_plan_row(sw_import_plan *plan, uint32_t row);
sw_tally *sw_import_plan_tally(sw_import_plan *plan, const sw_model_type *type);
/* Values left out because the registry sets them itself. */
uint64_t sw_import_plan_computed(const sw_import_plan *plan);

/* The next row that waits for nothing, which becomes SENT; SW_NO_ROW if there is none now. */
uint32_t sw_import_plan_take(sw_import_plan *plan);
/* A row is finished, well or not: those that wait for it may go. */
void sw_import_plan_finish(sw_import_plan *plan, uint32_t row, bool well);
/* Nothing is under way and nothing is ready: lets the first of the rows go that wait for each other in a
 * circle. False if none waits. */
bool sw_import_plan_break_circle(sw_import_plan *plan);
/* Puts a row that was sent back among those that are ready. */
void sw_import_plan_again(sw_import_plan *plan, uint32_t row);

#endif

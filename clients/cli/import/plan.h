/* The rows of an import: encoded requests in memory, each with its origin and the rows that it
 * must wait for. The readers fill a plan, send.c sends its rows. A row takes its encoded size
 * and about 100 bytes more. Not thread-safe. */
#ifndef SW_CLI_IMPORT_PLAN_H
#define SW_CLI_IMPORT_PLAN_H

#include "cli/import/model.h"
#include <jansson.h>

#define SW_NO_ROW UINT32_MAX

typedef struct sw_import_plan sw_import_plan;

/* A row of an input file. Several rows of the plan may come from it. */
typedef struct sw_origin {
    uint32_t file, line;
    const char *raw; /* the row as text, if the plan keeps it */
    size_t raw_size;
    const char *reason; /* why it is rejected (all reasons in one text), or NULL */
} sw_origin;

typedef enum { SW_ROW_WAITING, SW_ROW_READY, SW_ROW_SENT, SW_ROW_DONE, SW_ROW_FAILED } sw_row_state;

typedef struct sw_row {
    const sw_model_type *type;
    const uint8_t *request; /* an encoded Update<R>Request */
    const char *key;        /* see sw_model_key */
    uint32_t size;
    uint32_t origin;
    uint32_t waits;         /* number of rows that must finish first */
    uint32_t first_edge;    /* to the rows that wait for this one */
    uint32_t same_key;      /* the previous row with the same key, or SW_NO_ROW */
    uint32_t last_same_key; /* valid in the first row with a key: the last row with it */
    uint32_t retry_at;      /* number of successes when it was last sent */
    bool refers;            /* to another row of this plan */
    bool last_try;          /* it is not sent again, whatever the reply */
    bool broken;            /* a row that it waited for has failed */
    sw_row_state state;
} sw_row;

/* Counters of one resource. */
typedef struct sw_tally {
    uint64_t created, updated, unchanged, failed;
    uint64_t repeated; /* equal to an earlier row; not sent */
} sw_tally;

/* Borrows the model. `validate_only`: the requests ask for a dry run. */
sw_code sw_import_plan_new(const sw_model *model, bool validate_only, bool keep_raw, sw_import_plan **plan,
                           sw_error *error);
void sw_import_plan_destroy(sw_import_plan **plan);

/* Adds an origin. Returns its index, or SW_NO_ROW when out of memory. */
uint32_t sw_import_plan_origin(sw_import_plan *plan, uint32_t file, uint32_t line, const char *raw,
                               size_t raw_size);
sw_origin *sw_import_plan_origin_at(sw_import_plan *plan, uint32_t origin);
size_t sw_import_plan_origins(const sw_import_plan *plan);
/* Adds a reason why an origin is rejected. */
void sw_import_plan_reject(sw_import_plan *plan, uint32_t origin, const char *field, const char *reason);

/* Adds a row. `fields` is a JSON object, which this function changes: null clears a field;
 * computed fields are removed and counted. A row that equals an earlier one is only counted as
 * repeated. INVALID_ARGUMENT if the row is wrong in itself or contradicts an earlier one. */
sw_code sw_import_plan_add(sw_import_plan *plan, const sw_model_type *type, json_t *fields, uint32_t origin,
                           sw_error *error);
/* Call once, after the last row: finds out which row waits for which. */
sw_code sw_import_plan_link(sw_import_plan *plan, sw_error *error);

size_t sw_import_plan_rows(const sw_import_plan *plan);
sw_row *sw_import_plan_row(sw_import_plan *plan, uint32_t row);
sw_tally *sw_import_plan_tally(sw_import_plan *plan, const sw_model_type *type);
/* Number of values that were removed because the registry sets them. */
uint64_t sw_import_plan_computed(const sw_import_plan *plan);

/* The next row that waits for nothing; it becomes SENT. SW_NO_ROW if there is none now. */
uint32_t sw_import_plan_take(sw_import_plan *plan);
/* Marks a row as DONE or FAILED and releases the rows that wait for it. */
void sw_import_plan_finish(sw_import_plan *plan, uint32_t row, bool well);
/* Call when no row is sent or ready: rows may wait for each other in a circle. Makes the first
 * of them ready. False if no row waits. */
bool sw_import_plan_break_circle(sw_import_plan *plan);
/* Makes a row that was sent ready again. */
void sw_import_plan_again(sw_import_plan *plan, uint32_t row);

#endif

/* The refused calls of a service, written into users.refusal once a second, which `sitewire
 * refusals` lists. Used by main.c. One thread. */
#ifndef SW_SERVICE_REFUSALS_H
#define SW_SERVICE_REFUSALS_H

#include "base/refusal_book.h"
#include "rpc/dispatch.h"
#include "store/store.h"

/* Of each entry three texts and two words, whose bytes may take six each, and their names. */
#define SW_REFUSALS_JSON ((SW_REFUSALS_MAX + 1) * (6 * (3 * SW_REFUSAL_TEXT + 2 * SW_REFUSAL_WORD) + 256))

typedef struct sw_refusals_writer {
    const char *process; /* which service refused */
    sw_refusal_book book;
    char json[SW_REFUSALS_JSON]; /* the parameter of the running statement */
} sw_refusals_writer;

/* Sees the refused calls of the dispatch from now on, and writes them through the store. The writer
 * outlives both. Call before sw_store_start. */
sw_code sw_refusals_writer_open(sw_refusals_writer *writer, const char *process, sw_dispatch *dispatch,
                                sw_store *store, sw_error *error);
/* Takes what was noted, as a JSON array; NULL if there is nothing. For tests. */
const char *sw_refusals_writer_take(sw_refusals_writer *writer);

#endif

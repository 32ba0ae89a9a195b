/* Remembers the refused calls of a service, and records them in users.refusal, which `sitewire
 * refusals` lists. Equal refusals are counted. Bounds: 64 different ones at a time, written once a
 * second; those beyond are counted as one. Used by main.c. One thread. */
#ifndef SW_SERVICE_REFUSALS_H
#define SW_SERVICE_REFUSALS_H

#include "rpc/dispatch.h"
#include "store/store.h"

#define SW_REFUSALS_MAX  64
#define SW_REFUSAL_TEXT  320 /* bytes of a text with its NUL; a longer one is cut */
#define SW_REFUSALS_JSON (SW_REFUSALS_MAX * 4 * SW_REFUSAL_TEXT * 6)

typedef struct sw_refusal_entry {
    char caller[SW_REFUSAL_TEXT], key[64], method[SW_REFUSAL_TEXT], reason[SW_REFUSAL_TEXT];
    sw_code code;
    uint64_t count;
} sw_refusal_entry;

typedef struct sw_refusal_book {
    const char *process; /* which service refused */
    uint64_t total;      /* for Stats */
    size_t count;
    sw_refusal_entry items[SW_REFUSALS_MAX + 1]; /* the last one counts those beyond the bound */
    char json[SW_REFUSALS_JSON];                 /* the parameter of the running statement */
} sw_refusal_book;

/* Sees the refused calls of the dispatch from now on, and writes them through the store. The book
 * outlives both. Call before sw_store_start. */
sw_code sw_refusal_book_open(sw_refusal_book *book, const char *process, sw_dispatch *dispatch,
                             sw_store *store, sw_error *error);

/* For tests: notes one refusal; and takes what was noted as a JSON array, NULL if there is
 * nothing. */
void sw_refusal_book_note(sw_refusal_book *book, sw_view caller, sw_view key, sw_view method,
                          const sw_error *error);
const char *sw_refusal_book_take(sw_refusal_book *book);

#endif

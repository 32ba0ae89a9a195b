/* Remembers refusals until they are recorded in users.refusal, which `sitewire refusals` lists.
 * Equal ones are counted. Bounds: 64 different ones between two takings; those beyond are counted
 * as one. Used by services (service/refusals.h) and by the broker. One thread. */
#ifndef SW_BASE_REFUSAL_BOOK_H
#define SW_BASE_REFUSAL_BOOK_H

#include "base/view.h"
#include <sitewire/status.h>
#include <stdint.h>

#define SW_REFUSALS_MAX 64
#define SW_REFUSAL_TEXT 320 /* bytes of a text with its NUL; a longer one is cut */
#define SW_REFUSAL_WORD 64

typedef struct sw_refusal_entry {
    char caller[SW_REFUSAL_TEXT], method[SW_REFUSAL_TEXT], reason[SW_REFUSAL_TEXT];
    char key[SW_REFUSAL_WORD], address[SW_REFUSAL_WORD];
    sw_code code;
    int64_t count;
} sw_refusal_entry;

typedef struct sw_refusal_book {
    uint64_t total; /* for Stats */
    size_t count;
    sw_refusal_entry items[SW_REFUSALS_MAX + 1]; /* the last one counts those beyond the bound */
} sw_refusal_book;

/* What is noted; everything may be empty except `reason`. Text that is not UTF-8 is kept with `?`
 * instead of all but ASCII. */
typedef struct sw_refusal_note {
    sw_view caller, key, address, method, reason;
    sw_code code;
    int64_t count; /* of equal ones; 0 is 1 */
} sw_refusal_note;

void sw_refusal_book_note(sw_refusal_book *book, const sw_refusal_note *note);

#endif

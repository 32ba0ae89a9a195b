/* Page tokens: where a page ended, with a MAC, so that only the services can make them. Used by the
 * standard methods and the fuzzer. */
#ifndef SW_STORE_PAGE_H
#define SW_STORE_PAGE_H

#include "store/bind/filter.h"

#define SW_PAGE_KEY       32 /* bytes of the key that all instances share */
#define SW_PAGE_SHAPE     16
#define SW_PAGE_TOKEN_MAX 65536

/* A hash of everything that must be the same for the next page: all but sizes. */
void sw_page_shape(const sw_table *table, const sw_selection *selection, uint8_t shape[SW_PAGE_SHAPE]);

/* The token for the page after row `row` of a result that has the columns of table->select. NULL
 * when out of memory, or if the values are too long. */
char *sw_page_encode(const uint8_t key[SW_PAGE_KEY], const uint8_t shape[SW_PAGE_SHAPE],
                     const sw_order *order, const PGresult *result, int row, sw_arena *arena);

/* The values in a token, one for each key of the order. INVALID_ARGUMENT (`page_token`) if the
 * services did not make it for this request, RESOURCE_EXHAUSTED when out of memory. */
sw_code sw_page_decode(const uint8_t key[SW_PAGE_KEY], const uint8_t shape[SW_PAGE_SHAPE],
                       const sw_table *table, const sw_order *order, const char *token, sw_arena *arena,
                       sw_value *values, sw_error *error);

#endif

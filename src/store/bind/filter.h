/* Filters, search and order of List requests: checked against the resource, and converted to SQL.
 * Used by the standard methods and the fuzzer. */
#ifndef SW_STORE_FILTER_H
#define SW_STORE_FILTER_H

#include "sitewire/rpc/v1/rpc.pb-c.h"
#include "store/bind/table.h"

#define SW_FILTERS_MAX       32
#define SW_FILTER_VALUES_MAX 1000
#define SW_ORDER_MAX         16
#define SW_SEARCH_MAX        256 /* bytes */

/* Which rows a request asks for. */
typedef struct sw_selection {
    Sw__Filter *const *filters;
    size_t filter_count;
    Sw__OrderBy *const *orders;
    size_t order_count;
    const char *search; /* or NULL */
    sw_value read_time; /* as of that time; without data: the rows of now */
} sw_selection;

/* The order. The key is added to it, so that no two rows are equal. NULL is greater than any
 * value. */
typedef struct sw_order {
    int count;
    struct {
        int column;
        bool descending;
    } keys[SW_ORDER_MAX + SW_KEYS_MAX];
} sw_order;

/* Appends ` WHERE ...` for filters and search (` WHERE true` without any). INVALID_ARGUMENT names
 * the field at fault in the request, and the remedy. */
sw_code sw_filter_where(const sw_table *table, const sw_selection *selection, sw_sql *sql, sw_error *error);

sw_code sw_order_resolve(const sw_table *table, const sw_selection *selection, sw_order *order,
                         sw_error *error);
/* Appends ` ORDER BY ...`. */
void sw_order_by(const sw_table *table, const sw_order *order, sw_sql *sql);
/* Appends ` AND (...)`: the rows after the one with these values, one for each key of the order. */
void sw_order_after(const sw_table *table, const sw_order *order, const sw_value *values, sw_sql *sql);

#endif

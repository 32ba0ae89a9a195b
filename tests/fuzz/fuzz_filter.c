/* Filters, order and search of a List request: any of them is refused or becomes SQL whose text has
 * no byte of a value in it. */
#include "sitewire/referential/v1/referential.pb-c.h"
#include "store/bind/filter.h"
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* What the text may be made of: all of it comes from our own words and the descriptors. */
static void check_text(const sw_sql *sql)
{
    if (strlen(sql->text) != sql->length)
        abort();
    for (const char *at = sql->text; *at; at++)
        if (*at == ';' || *at < ' ' || *at > '~')
            abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const sw_resource resource = {&sw__referential__descriptor,
                                         &sw__certificate__descriptor,
                                         "Certificates",
                                         "referential.certificate",
                                         1,
                                         NULL,
                                         NULL,
                                         NULL};
    static sw_table *table;
    static sw_arena *arena;
    if (!table) {
        arena = sw_arena_new(0);
        if (!arena || sw_table_new(&resource, &table, NULL) != SW_OK)
            abort();
        sw_table_assume(table);
    }
    sw_arena_reset(arena);
    Sw__ListCertificatesRequest *request =
        sw__list_certificates_request__unpack(sw_arena_allocator(arena), size, data);
    if (!request)
        return 0;
    sw_selection selection = {request->filters,    request->n_filters, request->order_by,
                              request->n_order_by, request->search,    {0}};
    sw_sql sql;
    sw_order order;
    sw_error error;
    sw_sql_init(&sql, arena);
    if (sw_filter_where(table, &selection, &sql, &error) != SW_OK ||
        sw_order_resolve(table, &selection, &order, &error) != SW_OK)
        return error.code == SW_INVALID_ARGUMENT && *error.field ? 0 : (abort(), 0);
    sw_value values[SW_ORDER_MAX + SW_KEYS_MAX];
    for (int i = 0; i < order.count; i++)
        values[i] = size % 2 ? sw_value_text("x") : (sw_value){SW_OID_TEXT, true, NULL, 0};
    sw_order_after(table, &order, values, &sql);
    sw_order_by(table, &order, &sql);
    check_text(&sql);
    return 0;
}

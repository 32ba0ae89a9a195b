/* Page tokens: only those that were made here decode. The first byte says whether the rest is a
 * token, or the inside of one that is given a right MAC, so that what lies behind it is reached
 * too. */
#include "sitewire/referential/v1/referential.pb-c.h"
#include "store/bind/page.h"
#include <sodium.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const sw_resource resource = {&sw__referential__descriptor,
                                         &sw__website__descriptor,
                                         "Websites",
                                         "referential.website",
                                         1,
                                         NULL,
                                         NULL,
                                         NULL};
    static const uint8_t key[SW_PAGE_KEY] = "key", shape[SW_PAGE_SHAPE] = "shape";
    static sw_table *table;
    static sw_arena *arena;
    if (!table) {
        arena = sw_arena_new(0);
        if (!arena || sw_table_new(&resource, &table, NULL) != SW_OK)
            abort();
        sw_table_assume(table);
    }
    if (size == 0 || size > 4096)
        return 0;
    sw_arena_reset(arena);
    sw_order order;
    sw_selection selection = {0};
    sw_value values[SW_ORDER_MAX + SW_KEYS_MAX];
    sw_error error;
    sw_order_resolve(table, &selection, &order, &error);
    char *token = sw_arena_strndup(arena, (const char *)data + 1, size - 1);
    bool sealed = *data & 1;
    if (sealed) {
        size_t inside = size - 1, whole = 16 + 1 + SW_PAGE_SHAPE + inside;
        size_t room = sodium_base64_encoded_len(whole, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
        unsigned char *bytes = sw_arena_alloc(arena, whole);
        bytes[16] = 1;
        memcpy(bytes + 17, shape, SW_PAGE_SHAPE);
        memcpy(bytes + 17 + SW_PAGE_SHAPE, data + 1, inside);
        crypto_generichash(bytes, 16, bytes + 16, whole - 16, key, SW_PAGE_KEY);
        token = sw_arena_alloc(arena, room);
        sodium_bin2base64(token, room, bytes, whole, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    }
    sw_code code = sw_page_decode(key, shape, table, &order, token, arena, values, &error);
    if (code == SW_OK && !sealed)
        abort(); /* forged */
    if (code != SW_OK && (code != SW_INVALID_ARGUMENT || strcmp(error.field, "page_token") != 0))
        abort();
    return 0;
}

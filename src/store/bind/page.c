/* Page tokens (page.h): base64url of a MAC (16 bytes), the version (1), the shape (16), and for
 * each key of the order its length (4, big-endian; all ones for NULL) and its value as PostgreSQL
 * sent it. */
#include "store/bind/page.h"
#include "base/error.h"
#include <sodium.h>
#include <string.h>

enum { MAC = 16, VERSION = 1, HEAD = MAC + 1 + SW_PAGE_SHAPE };
static const uint32_t null_length = UINT32_MAX;

static void feed(crypto_generichash_state *state, const char *text)
{
    unsigned char length[8];
    text = text ? text : "";
    sw_put_be((char *)length, strlen(text), 8);
    crypto_generichash_update(state, length, sizeof(length));
    crypto_generichash_update(state, (const unsigned char *)text, strlen(text));
}

static void feed_number(crypto_generichash_state *state, size_t number)
{
    unsigned char bytes[8];
    sw_put_be((char *)bytes, number, 8);
    crypto_generichash_update(state, bytes, sizeof(bytes));
}

void sw_page_shape(const sw_table *table, const sw_selection *selection, uint8_t shape[SW_PAGE_SHAPE])
{
    crypto_generichash_state state;
    crypto_generichash_init(&state, NULL, 0, SW_PAGE_SHAPE);
    feed(&state, table->resource->table);
    feed(&state, selection->search);
    feed_number(&state, selection->filter_count);
    for (size_t i = 0; i < selection->filter_count; i++) {
        const Sw__Filter *filter = selection->filters[i];
        feed(&state, filter->field);
        feed(&state, filter->op);
        feed_number(&state, filter->n_values);
        for (size_t n = 0; n < filter->n_values; n++)
            feed(&state, filter->values[n]);
    }
    crypto_generichash_update(&state, (const unsigned char *)selection->read_time.data,
                              (unsigned long long)selection->read_time.size);
    feed_number(&state, selection->order_count);
    for (size_t i = 0; i < selection->order_count; i++) {
        feed(&state, selection->orders[i]->field);
        feed_number(&state, selection->orders[i]->has_descending && selection->orders[i]->descending);
    }
    crypto_generichash_final(&state, shape, SW_PAGE_SHAPE);
}

static void authenticate(const uint8_t *key, const char *bytes, size_t size, uint8_t mac[MAC])
{
    crypto_generichash(mac, MAC, (const unsigned char *)bytes + MAC, size - MAC, key, SW_PAGE_KEY);
}

char *sw_page_encode(const uint8_t key[SW_PAGE_KEY], const uint8_t shape[SW_PAGE_SHAPE],
                     const sw_order *order, const PGresult *result, int row, sw_arena *arena)
{
    size_t size = HEAD;
    for (int i = 0; i < order->count; i++)
        size += 4 + (size_t)PQgetlength(result, row, order->keys[i].column);
    size_t room = sodium_base64_encoded_len(size, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    if (room > SW_PAGE_TOKEN_MAX)
        return NULL;
    char *bytes = sw_arena_alloc(arena, size), *token = sw_arena_alloc(arena, room);
    if (!bytes || !token)
        return NULL;
    bytes[MAC] = VERSION;
    memcpy(bytes + MAC + 1, shape, SW_PAGE_SHAPE);
    char *at = bytes + HEAD;
    for (int i = 0; i < order->count; i++) {
        int column = order->keys[i].column;
        size_t length = (size_t)PQgetlength(result, row, column);
        bool null = PQgetisnull(result, row, column);
        sw_put_be(at, null ? null_length : length, 4);
        memcpy(at + 4, PQgetvalue(result, row, column), length);
        at += 4 + length;
    }
    authenticate(key, bytes, size, (uint8_t *)bytes);
    return sodium_bin2base64(token, room, (unsigned char *)bytes, size,
                             sodium_base64_VARIANT_URLSAFE_NO_PADDING);
}

static sw_code fail_token(sw_error *error, const char *why)
{
    return sw_fail_field(error, SW_INVALID_ARGUMENT, "page_token",
                         "%s: pass next_page_token as it came, or none for the first page", why);
}

static sw_code fail_memory(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the request needs too much memory");
}

sw_code sw_page_decode(const uint8_t key[SW_PAGE_KEY], const uint8_t shape[SW_PAGE_SHAPE],
                       const sw_table *table, const sw_order *order, const char *token, sw_arena *arena,
                       sw_value *values, sw_error *error)
{
    size_t length = strlen(token), size;
    uint8_t mac[MAC];
    char *bytes = length <= SW_PAGE_TOKEN_MAX ? sw_arena_alloc(arena, length + 1) : NULL;
    if (length <= SW_PAGE_TOKEN_MAX && !bytes)
        return fail_memory(error);
    if (!bytes ||
        sodium_base642bin((unsigned char *)bytes, length, token, length, NULL, &size, NULL,
                          sodium_base64_VARIANT_URLSAFE_NO_PADDING) != 0 ||
        size < HEAD || bytes[MAC] != VERSION)
        return fail_token(error, "not a page token");
    authenticate(key, bytes, size, mac);
    if (sodium_memcmp(mac, bytes, MAC) != 0)
        return fail_token(error, "not a page token of this system");
    if (memcmp(bytes + MAC + 1, shape, SW_PAGE_SHAPE) != 0)
        return fail_token(error, "the filters, order, search or time are not those of the page before");
    const char *at = bytes + HEAD, *end = bytes + size;
    for (int i = 0; i < order->count; i++) {
        const sw_column *column = &table->columns[order->keys[i].column];
        if (end - at < 4)
            return fail_token(error, "cut short");
        uint32_t used = (uint32_t)sw_get_be(at, 4);
        at += 4;
        values[i] = (sw_value){column->bind == SW_BIND_TEXT ? SW_OID_TEXT : column->type,
                               column->bind != SW_BIND_CAST, NULL, 0};
        if (used == null_length)
            continue;
        if (used > (size_t)(end - at))
            return fail_token(error, "cut short");
        values[i].data = sw_arena_strndup(arena, at, used);
        if (!values[i].data)
            return fail_memory(error); /* otherwise it would be taken for NULL */
        values[i].size = (int)used;
        at += used;
    }
    return at == end ? SW_OK : fail_token(error, "too long");
}

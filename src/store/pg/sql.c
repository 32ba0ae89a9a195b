/* Builds statements and their parameters (sql.h). */
#include "store/pg/sql.h"
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

void sw_sql_init(sw_sql *sql, sw_arena *arena)
{
    static char nothing[] = "";
    *sql = (sw_sql){.arena = arena, .text = nothing};
}

bool sw_sql_is_whole(const sw_sql *sql)
{
    return !sql->failed && !sw_arena_is_short(sql->arena);
}

/* Makes room for `more` bytes and a NUL. Old text stays in the arena: doubling bounds that. */
static bool reserve(sw_sql *sql, size_t more)
{
    if (sql->failed)
        return false;
    if (sql->length + more < sql->capacity)
        return true;
    size_t capacity = (sql->length + more + 1) * 2;
    if (capacity < 1024)
        capacity = 1024;
    char *text = sw_arena_alloc(sql->arena, capacity);
    if (!text) {
        sql->failed = true;
        return false;
    }
    if (sql->length)
        memcpy(text, sql->text, sql->length);
    sql->text = text;
    sql->capacity = capacity;
    return true;
}

static void append(sw_sql *sql, const char *text, size_t size)
{
    if (!reserve(sql, size))
        return;
    memcpy(sql->text + sql->length, text, size);
    sql->length += size;
    sql->text[sql->length] = '\0';
}

void sw_sql_add(sw_sql *sql, const char *text)
{
    append(sql, text, strlen(text));
}

void sw_sql_printf(sw_sql *sql, const char *format, ...)
{
    va_list list, again;
    va_start(list, format);
    va_copy(again, list);
    int size = vsnprintf(NULL, 0, format, list);
    va_end(list);
    if (size >= 0 && reserve(sql, (size_t)size + 1)) {
        vsnprintf(sql->text + sql->length, (size_t)size + 1, format, again);
        sql->length += (size_t)size;
    }
    va_end(again);
}

void sw_sql_name(sw_sql *sql, const char *identifier)
{
    append(sql, "\"", 1);
    for (; *identifier; identifier++) {
        if (*identifier == '.')
            append(sql, "\".\"", 3);
        else if (*identifier == '"')
            append(sql, "\"\"", 2);
        else
            append(sql, identifier, 1);
    }
    append(sql, "\"", 1);
}

static bool grow(sw_sql *sql)
{
    int room = sql->room ? sql->room * 2 : 16;
    size_t n = (size_t)room, old = (size_t)sql->count;
    const char **values = sw_arena_alloc(sql->arena, n * sizeof(*values));
    int *sizes = sw_arena_alloc(sql->arena, n * sizeof(*sizes));
    int *formats = sw_arena_alloc(sql->arena, n * sizeof(*formats));
    Oid *types = sw_arena_alloc(sql->arena, n * sizeof(*types));
    if (!values || !sizes || !formats || !types)
        return false;
    if (old) {
        memcpy(values, sql->values, old * sizeof(*values));
        memcpy(sizes, sql->sizes, old * sizeof(*sizes));
        memcpy(formats, sql->formats, old * sizeof(*formats));
        memcpy(types, sql->types, old * sizeof(*types));
    }
    sql->values = values;
    sql->sizes = sizes;
    sql->formats = formats;
    sql->types = types;
    sql->room = room;
    return true;
}

int sw_sql_bind(sw_sql *sql, const sw_value *value)
{
    if (sql->count == sql->room && (sql->failed || !grow(sql))) {
        sql->failed = true;
        return 0;
    }
    int i = sql->count++;
    sql->values[i] = value->data;
    sql->sizes[i] = value->size;
    sql->formats[i] = value->binary;
    sql->types[i] = value->type;
    return sql->count;
}

void sw_sql_param(sw_sql *sql, const sw_value *value)
{
    char name[16];
    int n = snprintf(name, sizeof(name), "$%d", sw_sql_bind(sql, value));
    append(sql, name, (size_t)n);
}

void sw_put_be(char *to, uint64_t value, size_t size)
{
    for (size_t i = size; i-- > 0; value >>= 8)
        to[i] = (char)(value & 0xff);
}

uint64_t sw_get_be(const char *from, size_t size)
{
    uint64_t value = 0;
    for (size_t i = 0; i < size; i++)
        value = value << 8 | (uint8_t)from[i];
    return value;
}

bool sw_get_int(const char *from, int size, int64_t *number)
{
    uint64_t bits = size == 8 || size == 4 || size == 2 ? sw_get_be(from, (size_t)size) : 0;
    *number = size == 8 ? (int64_t)bits : size == 4 ? (int32_t)bits : (int16_t)bits;
    return size == 8 || size == 4 || size == 2;
}

sw_value sw_value_text(const char *text)
{
    return (sw_value){SW_OID_TEXT, true, text, text ? (int)strnlen(text, INT_MAX) : 0};
}

sw_value sw_value_bytes(const void *data, size_t size)
{
    return (sw_value){SW_OID_BYTEA, true, data ? data : "", (int)(size > INT_MAX ? INT_MAX : size)};
}

sw_value sw_value_bool(sw_arena *arena, bool value)
{
    (void)arena;
    return (sw_value){SW_OID_BOOL, true, value ? "\1" : "\0", 1};
}

sw_value sw_value_int8(sw_arena *arena, int64_t value)
{
    char *data = sw_arena_alloc(arena, 8);
    if (data)
        sw_put_be(data, (uint64_t)value, 8);
    return (sw_value){SW_OID_INT8, true, data, 8};
}

/* The format of array_recv: dimensions, has-null flag, element type, then length and lower bound of
 * each dimension, then the elements. */
sw_value sw_value_texts(sw_arena *arena, char *const *texts, size_t count)
{
    size_t size = 20;
    for (size_t i = 0; i < count && size < INT_MAX; i++)
        size += 4 + strlen(texts[i]);
    sw_value value = {SW_OID_TEXT_ARRAY, true, NULL, 0};
    char *data = size < INT_MAX ? sw_arena_alloc(arena, size) : NULL;
    if (!data)
        return value;
    sw_put_be(data, count ? 1 : 0, 4);
    sw_put_be(data + 8, SW_OID_TEXT, 4);
    sw_put_be(data + 12, count, 4);
    sw_put_be(data + 16, 1, 4);
    char *at = data + 20;
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(texts[i]);
        sw_put_be(at, length, 4);
        memcpy(at + 4, texts[i], length);
        at += 4 + length;
    }
    value.data = data;
    value.size = count ? (int)size : 12;
    return value;
}

/* Text of a statement and its parameters, built in a call's arena. Values are always parameters;
 * identifiers are quoted and come from descriptors. Used by all of the store that makes
 * statements. */
#ifndef SW_STORE_SQL_H
#define SW_STORE_SQL_H

#include "base/arena.h"
#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

/* Built-in types by their fixed OIDs (pg_type.dat). */
enum {
    SW_OID_BOOL = 16,
    SW_OID_BYTEA = 17,
    SW_OID_INT8 = 20,
    SW_OID_INT2 = 21,
    SW_OID_INT4 = 23,
    SW_OID_TEXT = 25,
    SW_OID_FLOAT8 = 701,
    SW_OID_INET = 869,
    SW_OID_TEXT_ARRAY = 1009,
    SW_OID_INT8_ARRAY = 1016,
    SW_OID_VARCHAR = 1043,
    SW_OID_TIMESTAMPTZ = 1184
};

/* A parameter's value as libpq takes it. `data` NULL is SQL's NULL; text format ends with a NUL. */
typedef struct sw_value {
    Oid type;
    bool binary;
    const char *data;
    int size;
} sw_value;

struct sw_known_statement;

typedef struct sw_sql {
    sw_arena *arena;
    struct sw_known_statement
        *known; /* or NULL: its text is always the same, and left out where this knows the statement */
    char *text;
    size_t length, capacity;
    int count, room; /* parameters */
    const char **values;
    int *sizes, *formats;
    Oid *types;
    bool failed; /* out of memory: what follows is ignored */
} sw_sql;

void sw_sql_init(sw_sql *sql, sw_arena *arena);
/* False when out of memory: the text, or a value made in the same arena, is missing. Such a
 * statement must not be sent: a missing value would be taken for NULL. */
bool sw_sql_is_whole(const sw_sql *sql);
void sw_sql_add(sw_sql *sql, const char *text);
void sw_sql_printf(sw_sql *sql, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* `"identifier"`; of `schema.table` each part. */
void sw_sql_name(sw_sql *sql, const char *identifier);
/* Appends `$n` for a new parameter. */
void sw_sql_param(sw_sql *sql, const sw_value *value);
/* Adds a parameter without text, and returns its number n. */
int sw_sql_bind(sw_sql *sql, const sw_value *value);

/* Values in binary format, in the arena; data is NULL when out of memory. */
sw_value sw_value_text(const char *text); /* lent, not copied */
sw_value sw_value_bytes(const void *data, size_t size);
sw_value sw_value_bool(sw_arena *arena, bool value);
sw_value sw_value_int8(sw_arena *arena, int64_t value);
sw_value sw_value_texts(sw_arena *arena, char *const *texts, size_t count);

/* Big-endian integers, as PostgreSQL's binary format has them. */
void sw_put_be(char *to, uint64_t value, size_t size);
uint64_t sw_get_be(const char *from, size_t size);
/* An int2, int4 or int8; false for other sizes. */
bool sw_get_int(const char *from, int size, int64_t *number);

#endif

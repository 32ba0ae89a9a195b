/* A resource's table: its fields, matched by name with the columns of the database. Used by the
 * standard methods. */
#ifndef SW_STORE_TABLE_H
#define SW_STORE_TABLE_H

#include "store/bind/bind.h"
#include "store/bind/resource.h"
#include "store/pg/statement.h"

#define SW_FIELDS_MAX 64 /* fields of a resource: one bit each */
#define SW_KEYS_MAX   4  /* key fields */

typedef uint64_t sw_fields; /* a set of fields, by index in the descriptor */

typedef struct sw_table {
    const sw_resource *resource;
    const char *type;     /* `Website` */
    char *name;           /* quoted: `"referential"."website"` */
    int count, key_count; /* fields; they come in the order of their numbers, so the key comes first */
    int revision;         /* index of that field, or -1 */
    sw_fields keys, bookkeeping, computed;
    sw_column *columns;     /* one for each field */
    char *select;           /* the columns as a select list; strings of other types in text form */
    sw_known_statement get; /* the statement of a Get without read_time */
} sw_table;

/* INTERNAL names a resource that does not fit its descriptor. */
sw_code sw_table_new(const sw_resource *resource, sw_table **table, sw_error *error);
void sw_table_destroy(sw_table **table);

/* Takes the types of the columns from rows first to end - 1 of a result in text format (table,
 * column, type OID, not null, type name). FAILED_PRECONDITION names a field that has no column, or
 * one of a type that does not fit. */
sw_code sw_table_load(sw_table *table, const PGresult *rows, int first, int end, sw_error *error);
/* Takes the default types of the fields, with all columns not null. For tests without a
 * database. */
void sw_table_assume(sw_table *table);

/* Index of a field by name, or -1. */
int sw_table_find(const sw_table *table, const char *field);
/* The names of the fields in `set`, for error messages, in the arena. */
const char *sw_table_names(const sw_table *table, sw_fields set, sw_arena *arena);

#endif

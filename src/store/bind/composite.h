/* Messages in fields <-> composite types, by the names of their columns. The catalog of composite
 * types is read once per version of the schema (schema_check.c). Used by the rest of this
 * folder. */
#ifndef SW_STORE_COMPOSITE_H
#define SW_STORE_COMPOSITE_H

#include "store/bind/bind.h"

/* A composite type and the message that goes with it. A column without a field is
 * skipped when read, and NULL when written. */
typedef struct sw_row_type {
    const ProtobufCMessageDescriptor *message;
    Oid type;
    int count;
    sw_column *columns; /* in the order of the type */
    struct sw_row_type *next;
} sw_row_type;

/* A column of a composite type, as the catalog has it. The columns of a type are adjacent, in
 * order. */
typedef struct sw_attribute {
    Oid row, array; /* the composite type, and the type of arrays of it */
    Oid type;
    const char *name;
} sw_attribute;

typedef struct sw_attributes {
    const sw_attribute *list;
    size_t count;
    sw_row_type *rows; /* built from them so far */
} sw_attributes;

/* Sets `bind` of a column whose field and type are set, and `row` for a composite type.
 * SW_BIND_NONE if they do not fit. Each row type is built once, in the arena. */
void sw_column_fit(sw_column *column, sw_attributes *attributes, sw_arena *arena);

#endif

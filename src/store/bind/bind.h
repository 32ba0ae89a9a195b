/* Converts fields of messages to parameters, and result columns to fields, by name, through the
 * descriptors of protobuf-c. Used by the parts of the store that build statements and read
 * results. */
#ifndef SW_STORE_BIND_H
#define SW_STORE_BIND_H

#include "store/pg/sql.h"
#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>

/* How a value is converted. All but SW_BIND_CAST use the binary format. */
typedef enum {
    SW_BIND_NONE, /* a field that no column type fits */
    SW_BIND_TEXT, /* string <-> text, varchar */
    SW_BIND_CAST, /* string <-> any other type, by its text form: inet, uuid ... */
    SW_BIND_BOOL,
    SW_BIND_INT,   /* any integer field <-> int2, int4, int8 */
    SW_BIND_FLOAT, /* double <-> float8 */
    SW_BIND_TIME,  /* google.protobuf.Timestamp <-> timestamptz */
    SW_BIND_TEXTS, /* repeated string <-> text[] */
    SW_BIND_BYTES, /* bytes <-> bytea */
    SW_BIND_INTS,  /* repeated integers <- int8[], in results only */
    SW_BIND_ROW,   /* message <-> composite type (composite.h) */
    SW_BIND_ROWS   /* repeated message <-> array of it */
} sw_bind;

struct sw_row_type;

/* A field and the column, parameter or result column that goes with it. */
typedef struct sw_column {
    const ProtobufCFieldDescriptor *field;
    sw_bind bind;
    Oid type;           /* of the column, domains resolved */
    char type_name[64]; /* as SQL writes it */
    bool nullable;
    const struct sw_row_type *row; /* of SW_BIND_ROW and SW_BIND_ROWS */
} sw_column;

/* How `field` is converted to and from a column of that type; SW_BIND_NONE if it cannot be. */
sw_bind sw_bind_find(const ProtobufCFieldDescriptor *field, Oid type);
/* The column type of a field by default (for tests, and parameters without a type). */
Oid sw_bind_default_type(const ProtobufCFieldDescriptor *field);

/* Where the value of a field is in its message. */
static inline void *sw_field_at(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field)
{
    return (char *)message + field->offset;
}

/* `has_x`, or the count `n_x` of a repeated field, through its type. */
static inline void *sw_field_quantifier(const ProtobufCMessage *message,
                                        const ProtobufCFieldDescriptor *field)
{
    return (char *)message + field->quantifier_offset;
}

/* Whether a field of a message is set; a repeated one if it has elements. */
bool sw_field_is_set(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
/* Completes a part of a key: false if it is missing. An unset number becomes 0, which proto3 does
 * not send. */
bool sw_field_complete_key(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
void sw_field_clear(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
/* Values of singular fields; the default if unset. */
const char *sw_field_string(const ProtobufCMessage *message,
                            const ProtobufCFieldDescriptor *field); /* or NULL */
int64_t sw_field_int(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
bool sw_field_bool(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
ProtobufCMessage *sw_field_message(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *field);
void sw_field_set_string(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, const char *value);
void sw_field_set_int(ProtobufCMessage *message, const ProtobufCFieldDescriptor *field, int64_t value);

/* The field as a parameter, lent or in the arena. An unset field is NULL, and so is an empty string
 * in a nullable column. INVALID_ARGUMENT says what is wrong, without naming the field. */
sw_code sw_bind_field(const ProtobufCMessage *message, const sw_column *column, sw_arena *arena,
                      sw_value *value, sw_error *error);
/* Checks and converts a value in text form (of a filter). */
sw_code sw_bind_text(const char *text, const sw_column *column, sw_arena *arena, sw_value *value,
                     sw_error *error);

/* Reads row `row` of a result in binary format into a message: result column i goes to columns[i];
 * a column without a field is skipped. Strings point into the result. INTERNAL if a value has the
 * wrong size for its type. */
sw_code sw_bind_row(const PGresult *result, int row, const sw_column *columns, int count,
                    ProtobufCMessage *message, sw_arena *arena, sw_error *error);
/* Reads one value, not NULL, in binary format. False if it does not fit, or when out of memory. */
bool sw_bind_value(const char *data, int size, const sw_column *column, ProtobufCMessage *message,
                   sw_arena *arena);

#endif

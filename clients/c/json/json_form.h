/* How a message looks in JSON: as an object of its fields, or in a form of its own, as those of
 * google.protobuf have (https://protobuf.dev/programming-guides/json/). Used by json_read.c and
 * json_write.c. Thread-safe. */
#ifndef SW_CLIENT_JSON_FORM_H
#define SW_CLIENT_JSON_FORM_H

#include <protobuf-c/protobuf-c.h>
#include <stdbool.h>

#define SW_JSON_NULL "google.protobuf.NullValue"

typedef enum sw_json_form {
    SW_JSON_FIELDS, /* an object */
    SW_JSON_TIMESTAMP,
    SW_JSON_DURATION,
    SW_JSON_MASK,
    SW_JSON_WRAPPER, /* BoolValue ...: what its field `value` holds */
    SW_JSON_STRUCT,  /* an object of any kind */
    SW_JSON_LIST,    /* an array of any kind */
    SW_JSON_VALUE,   /* any JSON */
    SW_JSON_ANY,     /* an object with "@type"; only in schemas that were read at run time */
} sw_json_form;

/* A type that bears one of these names but not the fields has SW_JSON_FIELDS. */
sw_json_form sw_json_form_of(const ProtobufCMessageDescriptor *type);

/* Whether JSON's null is a value of this field, not its absence. */
bool sw_json_takes_null(const ProtobufCFieldDescriptor *field);

/* Maps are known in schemas that were read at run time; elsewhere they are arrays of entries. */
bool sw_json_is_map(const ProtobufCFieldDescriptor *field);
void sw_json_map_fields(const ProtobufCMessageDescriptor *entry, const ProtobufCFieldDescriptor **key,
                        const ProtobufCFieldDescriptor **value);

/* The json_name of a field whose schema was read at run time; NULL if it is not known. */
const char *sw_json_name(const ProtobufCFieldDescriptor *field);

/* The type that an Any names; NULL if the schema does not have it. */
const ProtobufCMessageDescriptor *sw_json_any_type(const ProtobufCMessage *any);

#endif

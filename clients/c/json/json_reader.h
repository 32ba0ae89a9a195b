/* Reading proto3 JSON: the state that json_read.c shares with json_scalar.c and json_known.c. */
#ifndef SW_CLIENT_JSON_READER_H
#define SW_CLIENT_JSON_READER_H

#include "c/json/json.h"
#include "c/json/json_value.h"

typedef struct sw_json_reader {
    ProtobufCAllocator *allocator;
    sw_error *error;
    char path[SW_ERROR_FIELD_SIZE]; /* of the field that is read */
    size_t path_length;
    unsigned depth;
} sw_json_reader;

/* NULL without memory. */
void *sw_json_allocate(sw_json_reader *r, size_t size);
ProtobufCMessage *sw_json_new_message(sw_json_reader *r, const ProtobufCMessageDescriptor *type);

sw_code sw_json_exhausted(sw_json_reader *r);
/* INVALID_ARGUMENT with the path. */
sw_code __attribute__((format(printf, 2, 3))) sw_json_fail(sw_json_reader *r, const char *format, ...);
/* "expected WHAT, not ..." */
sw_code sw_json_expected(sw_json_reader *r, const char *what, const json_t *json);
/* Appends a field, or an element if `name` is NULL, to the path, which is cut at its end. Returns
 * the length that sw_json_leave restores. */
size_t sw_json_enter(sw_json_reader *r, const char *name, size_t index);
void sw_json_leave(sw_json_reader *r, size_t before);

/* --- json_scalar.c --- */
sw_code sw_json_copy_text(sw_json_reader *r, const char *text, size_t size, char **to);
/* One value that is not a message. */
sw_code sw_json_read_scalar(sw_json_reader *r, const ProtobufCFieldDescriptor *field, const json_t *json,
                            void *to);
/* The key of a map: text, a whole number or a bool, as the name of a member. */
sw_code sw_json_read_key(sw_json_reader *r, const ProtobufCFieldDescriptor *field, const char *name,
                         void *to);

/* --- json_read.c --- */
/* One value. */
sw_code sw_json_read_element(sw_json_reader *r, const ProtobufCFieldDescriptor *field, const json_t *json,
                             void *to);
/* A repeated field, or a map, which is empty so far. */
sw_code sw_json_read_repeated(sw_json_reader *r, ProtobufCMessage *message,
                              const ProtobufCFieldDescriptor *field, const json_t *json);
/* The members of an object as the fields of a message, which is empty so far. */
sw_code sw_json_read_fields(sw_json_reader *r, const json_t *json, ProtobufCMessage *message);
/* Sets *message also on failure, so that the caller can free it. */
sw_code sw_json_read_message(sw_json_reader *r, const ProtobufCMessageDescriptor *type, const json_t *json,
                             ProtobufCMessage **message);

/* --- json_known.c --- */
/* A message whose JSON is not an object of its fields (json_form.h). */
sw_code sw_json_read_known(sw_json_reader *r, const json_t *json, ProtobufCMessage *message);

#endif

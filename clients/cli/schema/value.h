/* Values as people type them: text to JSON by the type of the field, and JSON to the text of a
 * cell. Used for keys, `field=value` words, filters, tables and CSV. */
#ifndef SW_CLI_SCHEMA_VALUE_H
#define SW_CLI_SCHEMA_VALUE_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>

/* Parses one value of a field (one element, if it is repeated). Numbers are checked for their
 * range; a bool is true, false, yes, no, 1 or 0; an enum its name or number; a Timestamp an RFC
 * 3339 time or a date; a message is JSON. *value is a new reference. INVALID_ARGUMENT names the
 * field and its type. */
sw_code sw_word_parse(const ProtobufCFieldDescriptor *field, const char *text, json_t **value,
                      sw_error *error);

/* Sets `field=value` in `object`. A repeated field takes values separated by commas, which are
 * added to those of earlier words. `field=@FILE` reads a file (`@-` stdin; `@@x` is the text
 * @x). `field=` clears the field: its value is left out. *field is for update masks. */
sw_code sw_word_assign(const ProtobufCMessageDescriptor *message, const char *word, json_t *object,
                       const ProtobufCFieldDescriptor **field, sw_error *error);
/* True for a word of the form `field=...`. */
bool sw_word_is_assignment(const char *word);

/* The type as describe and messages show it: "string", "int64", "Timestamp", "repeated string"
 * ... Written to `text`, which is returned. */
const char *sw_word_type_name(const ProtobufCFieldDescriptor *field, char *text, size_t size);
bool sw_word_is_number(const ProtobufCFieldDescriptor *field);

/* Turns what people type (in-progress) into a constant of the registry (IN_PROGRESS). Cuts it to
 * `size`. */
void sw_word_upper(char *to, size_t size, const char *text, size_t length);

/* The text of a cell: "" for NULL or null; lists are joined with commas; objects are JSON.
 * malloc'ed. */
char *sw_cell_text(const json_t *value);

/* --- Fields of JSON replies --- */

/* "" if the field is missing or not text. */
const char *sw_json_text(const json_t *object, const char *field);
/* Accepts 64-bit numbers, which are strings in proto3 JSON. 0 if the field is missing or
 * negative. */
uint64_t sw_json_number(const json_t *object, const char *field);
/* A Timestamp in microseconds since 1970; 0 if the field is missing. */
int64_t sw_json_time_us(const json_t *object, const char *field);

#endif

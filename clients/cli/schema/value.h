/* Values as people type them: text to JSON by the type of a field, and JSON to the text of a cell. Used by
 * keys, `field=value` words, filters, tables and CSV. */
#ifndef SW_CLI_VALUE_H
#define SW_CLI_VALUE_H

#include <jansson.h>
#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>

/* One value of a field (one element, if it is repeated). Numbers are checked for range; a bool is true,
 * false, yes, no, 1 or 0; an enum its name or number; a Timestamp an RFC 3339 time or a date; a message is
 * JSON. *value is a new reference. INVALID_ARGUMENT names field and type. */
sw_code sw_word_parse(const ProtobufCFieldDescriptor *field, const char *text, json_t **value,
                      sw_error *error);

/* `field=value` into `object`: a repeated field takes its values separated by commas, and adds to those of
 * earlier words; `field=@FILE` reads a file (`@-`: stdin, `@@x`: the text @x); `field=` clears (the value is
 * left out). *field is set for masks. */
sw_code sw_word_assign(const ProtobufCMessageDescriptor *message, const char *word, json_t *object,
                       const ProtobufCFieldDescriptor **field, sw_error *error);
/* Whether a word has the form `field=...`. */
bool sw_word_is_assignment(const char *word);

/* "string", "int64", "Timestamp", "repeated string", ...: what describe and messages say. Static, or `text`.
 */
const char *sw_word_type_name(const ProtobufCFieldDescriptor *field, char *text, size_t size);
bool sw_word_is_number(const ProtobufCFieldDescriptor *field);

/* A word of the registry such as IN_PROGRESS from `length` bytes as people type it: in-progress. Cut to `size`. */
void sw_word_upper(char *to, size_t size, const char *text, size_t length);

/* The text of a cell: "" for NULL or null, lists joined with commas, objects as JSON. malloc'ed. */
char *sw_cell_text(const json_t *value);

/* --- Fields of replies in JSON --- */

/* "" if it is not there, or no text. */
const char *sw_json_text(const json_t *object, const char *field);
/* A 64-bit one is a string in proto3 JSON. 0 if it is not there, or negative. */
uint64_t sw_json_number(const json_t *object, const char *field);
/* A Timestamp in microseconds since 1970; 0 if it is not there. */
int64_t sw_json_time_us(const json_t *object, const char *field);

#endif

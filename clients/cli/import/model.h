/* What import and export know of resources, all of it read from the schema: keys, references, the fields that
 * the registry sets itself, and the order in which rows can be made. docs/import.md says what the schema must
 * hold. */
#ifndef SW_CLI_IMPORT_MODEL_H
#define SW_CLI_IMPORT_MODEL_H

#include "cli/schema/resource.h"

#define SW_KEY_TEXT_SIZE 2048 /* of a key in text form, NUL included */

typedef struct sw_model sw_model;
typedef struct sw_model_type sw_model_type;

/* Fields that hold the key of another resource, in the order of that key. */
typedef struct sw_model_reference {
    const sw_model_type *target;
    const ProtobufCFieldDescriptor *fields[SW_RESOURCE_KEYS_MAX];
} sw_model_reference;

typedef enum { SW_FIELD_PLAIN, SW_FIELD_COMPUTED, SW_FIELD_REVISION } sw_field_kind;

struct sw_model_type {
    const char *name; /* `Website` */
    const ProtobufCMessageDescriptor *message;
    sw_schema_resource resource;          /* its methods; list and update are not NULL */
    const ProtobufCFieldDescriptor *body; /* the field of the update request that holds the resource */
    size_t key_count;
    const ProtobufCFieldDescriptor *key[SW_RESOURCE_KEYS_MAX];
    sw_field_kind *kinds; /* by index of the message's fields */
    size_t reference_count;
    sw_model_reference *references;
    size_t index; /* in the model: a resource comes after those that it refers to */
};

/* Lends the schema, which must outlive the model. */
sw_code sw_model_new(const sw_schema *schema, sw_model **model, sw_error *error);
void sw_model_destroy(sw_model **model);

/* All resources, in the order in which their rows can be made. */
size_t sw_model_types(const sw_model *model, const sw_model_type *const **types);

/* By any spelling of singular or plural: `Website`, `websites`, `docroot_environment`. NULL if there is none;
 * `size` bytes of `name` count. */
const sw_model_type *sw_model_find(const sw_model *model, const char *name, size_t size);
/* The same for a word that a person gave, or a prefix; INVALID_ARGUMENT suggests the nearest. */
sw_code sw_model_require(const sw_model *model, const char *name, const sw_model_type **type,
                         sw_error *error);

const ProtobufCFieldDescriptor *sw_model_field(const sw_model_type *type, const char *name);
sw_field_kind sw_model_kind(const sw_model_type *type, const ProtobufCFieldDescriptor *field);

/* The text of some fields of a message, joined with a unit separator. False if one of them is empty or unset,
 * or if the text does not fit in SW_KEY_TEXT_SIZE bytes. */
bool sw_model_key(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *const *fields,
                  size_t count, char key[SW_KEY_TEXT_SIZE]);
/* A key for people: `/` instead of the separator. In place. */
char *sw_model_key_print(char *key);

#endif

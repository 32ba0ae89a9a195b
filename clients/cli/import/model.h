/* What import and export know about resources: keys, references, the fields that the registry
 * sets, and the order in which rows can be created. All of it is read from the schema;
 * docs/import.md says what the schema must contain. */
#ifndef SW_CLI_IMPORT_MODEL_H
#define SW_CLI_IMPORT_MODEL_H

#include "cli/schema/resource.h"

#define SW_KEY_TEXT_SIZE 2048 /* of a key as text, NUL included */

typedef struct sw_model sw_model;
typedef struct sw_model_type sw_model_type;

/* The fields that hold the key of another resource, in the order of that key. */
typedef struct sw_model_reference {
    const sw_model_type *target;
    const ProtobufCFieldDescriptor *fields[SW_RESOURCE_KEYS_MAX];
} sw_model_reference;

typedef enum { SW_FIELD_PLAIN, SW_FIELD_COMPUTED, SW_FIELD_REVISION } sw_field_kind;

struct sw_model_type {
    const char *name; /* `Website` */
    const ProtobufCMessageDescriptor *message;
    sw_schema_resource resource;          /* its methods; list and update are never NULL */
    const ProtobufCFieldDescriptor *body; /* of the Update request: holds the resource */
    size_t key_count;
    const ProtobufCFieldDescriptor *key[SW_RESOURCE_KEYS_MAX];
    sw_field_kind *kinds; /* by index in the message's fields */
    size_t reference_count;
    sw_model_reference *references;
    size_t index; /* in the model: after the resources that it refers to */
};

/* Borrows the schema, which must outlive the model. */
sw_code sw_model_new(const sw_schema *schema, sw_model **model, sw_error *error);
void sw_model_destroy(sw_model **model);

/* All resources, in the order in which their rows can be created. */
size_t sw_model_types(const sw_model *model, const sw_model_type *const **types);

/* By any spelling, singular or plural: `Website`, `websites`, `docroot_environment`. The name
 * has `size` bytes. NULL if there is no such resource. */
const sw_model_type *sw_model_find(const sw_model *model, const char *name, size_t size);
/* The same for a name that a person typed, which may be abbreviated. INVALID_ARGUMENT suggests
 * the nearest. */
sw_code sw_model_require(const sw_model *model, const char *name, const sw_model_type **type,
                         sw_error *error);

const ProtobufCFieldDescriptor *sw_model_field(const sw_model_type *type, const char *name);
sw_field_kind sw_model_kind(const sw_model_type *type, const ProtobufCFieldDescriptor *field);

/* The text of a key: the given fields of a message, joined with a unit separator. False if a
 * field is empty or unset, or if the text does not fit. */
bool sw_model_key(const ProtobufCMessage *message, const ProtobufCFieldDescriptor *const *fields,
                  size_t count, char key[SW_KEY_TEXT_SIZE]);
/* Makes a key readable, in place: `/` for the separator. */
char *sw_model_key_print(char *key);

#endif

/* Resources of the schema, found by what people type. A resource is any message R with a Get<R>
 * method; this code knows none by name. Used by every command on rows, import, export and
 * completion. */
#ifndef SW_CLI_SCHEMA_RESOURCE_H
#define SW_CLI_SCHEMA_RESOURCE_H

#include "c/json/schema.h"
#include <jansson.h>

#define SW_RESOURCE_KEYS_MAX 8
#define SW_RESOURCE_NAME_MAX 96

typedef struct sw_schema_resource {
    const ProtobufCMessageDescriptor *message;
    const sw_schema_method *get; /* never NULL; the others may be NULL */
    const sw_schema_method *list, *create, *update, *remove, *rename;
    size_t key_count;
    const ProtobufCFieldDescriptor *keys[SW_RESOURCE_KEYS_MAX]; /* of the Get request, in order */
    char name[SW_RESOURCE_NAME_MAX];                            /* `website-deployed` */
    char plural[SW_RESOURCE_NAME_MAX];                          /* `websites-deployed`, else like name */
} sw_schema_resource;

/* Calls `fn` with each resource of the schema until it returns false. The resource is lent for
 * the duration of the call. */
void sw_schema_resource_each(const sw_schema *schema,
                             bool (*fn)(const sw_schema_resource *resource, void *context), void *context);

/* Accepts any spelling: the message's name, singular or plural, in any case, with `-`, `_` or
 * nothing between the words; or an unambiguous prefix. INVALID_ARGUMENT suggests the nearest
 * names, or lists the candidates of an ambiguous prefix. */
sw_code sw_schema_resource_find(const sw_schema *schema, const char *word, sw_schema_resource *resource,
                                sw_error *error);
/* By the message's name (`WebsiteDeployed`); false if there is none. */
bool sw_schema_resource_of(const sw_schema *schema, const char *message, sw_schema_resource *resource);

/* Reads one key from words: `a/b/c` in one word, or its parts in consecutive words. Sets the
 * parts in `object` and *used to the number of words read. INVALID_ARGUMENT says what the key
 * consists of. */
sw_code sw_schema_resource_read_key(const sw_schema_resource *resource, const char *const *words,
                                    size_t count, size_t *used, json_t *object, sw_error *error);
/* The key of an item as `a/b/c`, malloc'ed for the caller; NULL when out of memory. */
char *sw_schema_resource_key_text(const sw_schema_resource *resource, const json_t *item);
/* The form of the key, for messages: `DOCROOT/ENVIRONMENT`. */
void sw_schema_resource_key_usage(const sw_schema_resource *resource, char *text, size_t size);

/* The name of the field that holds the resource in a Create or Update request; NULL if there is
 * none. */
const char *sw_schema_resource_body_field(const sw_schema_method *method,
                                          const ProtobufCMessageDescriptor *message);

#endif

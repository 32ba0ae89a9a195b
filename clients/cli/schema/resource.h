/* Resources of the schema, found by what people type. A resource is any message R with a Get<R> method;
 * nothing here knows one by name. Used by every command on resources, import, export and completion. */
#ifndef SW_CLI_RESOURCE_H
#define SW_CLI_RESOURCE_H

#include "c/json/schema.h"
#include <jansson.h>

#define SW_RESOURCE_KEYS_MAX 8
#define SW_RESOURCE_NAME_MAX 96

typedef struct sw_schema_resource {
    const ProtobufCMessageDescriptor *message;
    const sw_schema_method *get; /* never NULL; the others are where the service has no such method */
    const sw_schema_method *list, *create, *update, *remove, *rename;
    size_t key_count;
    const ProtobufCFieldDescriptor
        *keys[SW_RESOURCE_KEYS_MAX];   /* of the Get request, in its order; no messages */
    char name[SW_RESOURCE_NAME_MAX];   /* `website-deployed` */
    char plural[SW_RESOURCE_NAME_MAX]; /* `websites-deployed`: what its List method calls it, or the name */
} sw_schema_resource;

/* Calls `fn` with each resource of the schema until it returns false. The resource is lent for the call. */
void sw_schema_resource_each(const sw_schema *schema,
                             bool (*fn)(const sw_schema_resource *resource, void *context), void *context);

/* By any spelling: message name, singular or plural, `-`, `_` or nothing between words, any case, or a prefix
 * that only one has. INVALID_ARGUMENT suggests the nearest names, or tells the candidates of an ambiguous
 * prefix. */
sw_code sw_schema_resource_find(const sw_schema *schema, const char *word, sw_schema_resource *resource,
                                sw_error *error);
/* By message name (`WebsiteDeployed`); false if there is none. */
bool sw_schema_resource_of(const sw_schema *schema, const char *message, sw_schema_resource *resource);

/* Reads one key from words: either `a/b/c` in one word or its parts in consecutive words. *used words are
 * consumed; the parts are set in `object`. INVALID_ARGUMENT says what the key is made of. */
sw_code sw_schema_resource_read_key(const sw_schema_resource *resource, const char *const *words,
                                    size_t count, size_t *used, json_t *object, sw_error *error);
/* `a/b/c` of an item, malloc'ed for the caller; NULL when out of memory. */
char *sw_schema_resource_key_text(const sw_schema_resource *resource, const json_t *item);
/* `DOCROOT/ENVIRONMENT`, for messages. */
void sw_schema_resource_key_usage(const sw_schema_resource *resource, char *text, size_t size);

/* The field of the Create (or Update) request that holds the resource; NULL if there is none. */
const char *sw_schema_resource_body_field(const sw_schema_method *method,
                                          const ProtobufCMessageDescriptor *message);

#endif

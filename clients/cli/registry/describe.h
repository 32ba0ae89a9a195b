/* What `sitewire describe --json` prints: one object per line, for programs. Used by describe.c. */
#ifndef SW_CLI_REGISTRY_DESCRIBE_H
#define SW_CLI_REGISTRY_DESCRIBE_H

#include "cli/schema/resource.h"

/* All services, then all resources. */
void sw_describe_json_all(const sw_schema *schema);
void sw_describe_json_service(const sw_schema_service *service);
/* A message, with an example. */
void sw_describe_json_message(const sw_schema *schema, const ProtobufCMessageDescriptor *message);
/* A resource: its message, its key, and its methods by verb. */
void sw_describe_json_resource(const sw_schema *schema, const sw_schema_resource *resource);
void sw_describe_json_method(const sw_schema *schema, const sw_schema_method *method);

/* The standard methods of a resource by verb, in the order in which people read them. */
#define SW_DESCRIBE_VERBS 6
typedef struct sw_describe_verb {
    const char *verb;
    const sw_schema_method *method; /* NULL: the resource does not have it */
} sw_describe_verb;
void sw_describe_verbs(const sw_schema_resource *resource, sw_describe_verb verbs[SW_DESCRIBE_VERBS]);

#endif

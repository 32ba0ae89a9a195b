/* A schema that was read at run time, from Reflection: services, methods, messages with
 * comments, and descriptors for protobuf-c. Used by JSON calls, the command line and the
 * generator of stubs. A schema does not change, so any thread may read it. */
#ifndef SW_CLIENT_SCHEMA_H
#define SW_CLIENT_SCHEMA_H

#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>

typedef struct sw_schema sw_schema;

typedef struct sw_schema_method {
    const char *name;    /* `GetWebsite` */
    const char *path;    /* `/sitewire.referential.v1.Referential/GetWebsite` */
    const char *comment; /* leading comment from the .proto, or "" */
    const ProtobufCMessageDescriptor *request, *reply;
    bool streams;   /* server streaming */
    bool read_only; /* idempotency_level = NO_SIDE_EFFECTS */
} sw_schema_method;

typedef struct sw_schema_service {
    const char *name; /* with its package */
    const char *comment;
    size_t method_count;
    const sw_schema_method *methods;
} sw_schema_service;

/* Reads a serialized FileDescriptorSet, of which it keeps nothing. INVALID_ARGUMENT says what is
 * wrong with it; RESOURCE_EXHAUSTED: it is too large, or there is no memory. The caller destroys
 * *schema; everything below belongs to it. */
sw_code sw_schema_new(const void *set, size_t size, sw_schema **schema, sw_error *error);
void sw_schema_destroy(sw_schema **schema);
/* All services, sorted by name; returns their number. */
size_t sw_schema_services(const sw_schema *schema, const sw_schema_service **services);
/* By full name or by its last part; NULL if none or several have it. */
const sw_schema_service *sw_schema_find_service(const sw_schema *schema, const char *name);
/* By any form that <sitewire/client.h> allows for a method, or by its last part alone; NULL if
 * none or several match. */
const sw_schema_method *sw_schema_find_method(const sw_schema *schema, const char *name);
const ProtobufCMessageDescriptor *sw_schema_find_message(const sw_schema *schema, const char *name);
size_t sw_schema_messages(const sw_schema *schema, const ProtobufCMessageDescriptor *const **messages);
/* The leading comment of a message, or of its field if `field` is not NULL; "" if there is none. */
const char *sw_schema_comment(const sw_schema *schema, const ProtobufCMessageDescriptor *message,
                              const char *field);

#endif

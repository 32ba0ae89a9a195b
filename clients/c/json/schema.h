/* A schema read at run time from Reflection: services, methods, messages, comments, and dynamic descriptors that
 * protobuf-c packs and unpacks with. Used by JSON calls and by the command line. Internal to clients/. */
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
    const char *name; /* full name */
    const char *comment;
    size_t method_count;
    const sw_schema_method *methods;
} sw_schema_service;

/* From a serialized FileDescriptorSet; INVALID_ARGUMENT if it is none. The caller destroys it. */
sw_code sw_schema_new(const void *set, size_t size, sw_schema **schema, sw_error *error);
void sw_schema_destroy(sw_schema **schema);
size_t sw_schema_services(const sw_schema *schema, const sw_schema_service **services);
/* By full name or by last part; NULL if there is none or several. */
const sw_schema_service *sw_schema_find_service(const sw_schema *schema, const char *name);
const sw_schema_method *sw_schema_find_method(const sw_schema *schema,
                                              const char *name); /* any form of METHOD */
const ProtobufCMessageDescriptor *sw_schema_find_message(const sw_schema *schema, const char *name);
size_t sw_schema_messages(const sw_schema *schema, const ProtobufCMessageDescriptor *const **messages);
/* Leading comment of a message, or of a field of it (field NULL: the message itself); "" if none. */
const char *sw_schema_comment(const sw_schema *schema, const ProtobufCMessageDescriptor *message,
                              const char *field);

#endif

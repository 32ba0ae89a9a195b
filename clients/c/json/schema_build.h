/* What schema.c shares with its builders, schema_comment.c and schema_layout.c. */
#ifndef SW_CLIENT_SCHEMA_BUILD_H
#define SW_CLIENT_SCHEMA_BUILD_H

#include "base/arena.h"
#include "base/error.h"
#include "c/json/schema.h"
#include "wire/validate.h"
#include <google/protobuf/descriptor.pb-c.h>

/* Numbers in the path of a declaration: two for each level of nesting. */
#define SW_PATH_MAX (2 * SW_MESSAGE_DEPTH_MAX)

typedef Google__Protobuf__SourceCodeInfo__Location sw_location;

/* The comments of one file, sorted by path. */
typedef struct sw_comments {
    const sw_location **locations;
    size_t count;
} sw_comments;

/* A message or enum: its declaration and its descriptor. */
typedef struct sw_schema_type {
    const char *name; /* full */
    const char *package;
    const Google__Protobuf__FileDescriptorProto *file;
    const sw_comments *comments;                      /* of its file */
    const Google__Protobuf__DescriptorProto *message; /* either this */
    const Google__Protobuf__EnumDescriptorProto *enumeration;
    int32_t path[SW_PATH_MAX];
    size_t path_length;
    union {
        ProtobufCMessageDescriptor *message_descriptor;
        ProtobufCEnumDescriptor *enum_descriptor;
    };
} sw_schema_type;

struct sw_schema {
    sw_arena *arena;
    sw_schema_type *types; /* sorted by name */
    size_t type_count;
    const ProtobufCMessageDescriptor **messages;
    size_t message_count;
    sw_schema_service *services; /* sorted by name */
    size_t service_count;
};

/* What JSON needs beyond a message's descriptor, which holds it as `reserved1`. A field holds its
 * json_name as `reserved2`. */
typedef struct sw_schema_note {
    const sw_schema *schema;
    bool is_map_entry; /* has one `key`, which is not a message, bytes or real, and one `value` */
} sw_schema_note;

/* --- schema_comment.c --- */
bool sw_comments_index(sw_arena *arena, const Google__Protobuf__FileDescriptorProto *file,
                       sw_comments *comments);
/* The leading comment of the declaration at `path`, without its margin; "" if there is none. */
const char *sw_comments_find(sw_arena *arena, const sw_comments *comments, const int32_t *path,
                             size_t length);

/* --- schema_layout.c --- */
const sw_schema_type *sw_schema_type_find(const sw_schema *schema, const char *name);
/* Fill in the descriptors, which exist already so that fields can point to them.
 * INVALID_ARGUMENT names what is wrong in the schema. */
sw_code sw_schema_layout_message(sw_schema *schema, sw_schema_type *type, sw_error *error);
sw_code sw_schema_layout_enum(sw_schema *schema, sw_schema_type *type, sw_error *error);

#endif

/* From a FileDescriptorSet to descriptors, services and comments, see schema.h. Everything lives
 * in one arena. */
#include "c/json/schema.h"
#include "base/error.h"
#include "c/json/schema_build.h"
#include "c/json/unpack.h"

#include <stdlib.h>
#include <string.h>

#define SET_MAX   (16U << 20)  /* bytes of a FileDescriptorSet */
#define ARENA_MAX (256U << 20) /* bytes of the schema in memory */

typedef Google__Protobuf__FileDescriptorProto file_proto;

static sw_code exhausted(sw_error *error)
{
    return sw_fail(error, SW_RESOURCE_EXHAUSTED, "the schema is too large");
}

/* --- Collecting the types --- */

typedef struct collector {
    sw_schema *schema;
    const file_proto *file;
    const sw_comments *comments;
    int32_t path[SW_PATH_MAX];
    size_t path_length;
    bool failed;
} collector;

static size_t count_types(const Google__Protobuf__DescriptorProto *message)
{
    size_t count = 1 + message->n_enum_type;
    for (size_t i = 0; i < message->n_nested_type; i++)
        count += count_types(message->nested_type[i]);
    return count;
}

static sw_schema_type *add_type(collector *from, const char *scope, const char *name)
{
    sw_schema *schema = from->schema;
    sw_schema_type *type = &schema->types[schema->type_count];
    *type =
        (sw_schema_type){.file = from->file, .comments = from->comments, .path_length = from->path_length};
    type->package = from->file->package != NULL ? from->file->package : "";
    memcpy(type->path, from->path, sizeof(type->path));
    type->name =
        name == NULL ? NULL : sw_arena_printf(schema->arena, "%s%s%s", scope, scope[0] ? "." : "", name);
    if (type->name == NULL)
        from->failed = true;
    else
        schema->type_count++;
    return from->failed ? NULL : type;
}

static void push(collector *from, int32_t kind, size_t index)
{
    from->path[from->path_length++] = kind;
    from->path[from->path_length++] = (int32_t)index;
}

static void add_enum(collector *from, const char *scope, const Google__Protobuf__EnumDescriptorProto *proto)
{
    sw_schema_type *type = add_type(from, scope, proto->name);
    if (type == NULL)
        return;
    type->enumeration = proto;
    type->enum_descriptor = sw_arena_alloc(from->schema->arena, sizeof(*type->enum_descriptor));
    from->failed |= type->enum_descriptor == NULL;
}

/* sw_unpack has bounded the depth of nesting, and so the length of the path. */
static void add_message(collector *from, const char *scope, const Google__Protobuf__DescriptorProto *proto)
{
    sw_schema_type *type = add_type(from, scope, proto->name);
    if (type == NULL)
        return;
    type->message = proto;
    type->message_descriptor = sw_arena_alloc(from->schema->arena, sizeof(*type->message_descriptor));
    from->failed |= type->message_descriptor == NULL;
    const char *name = type->name;
    for (size_t i = 0; i < proto->n_nested_type && !from->failed; i++) {
        push(from, 3, i); /* DescriptorProto.nested_type */
        add_message(from, name, proto->nested_type[i]);
        from->path_length -= 2;
    }
    for (size_t i = 0; i < proto->n_enum_type && !from->failed; i++)
        add_enum(from, name, proto->enum_type[i]);
}

static void add_file(collector *from)
{
    const file_proto *file = from->file;
    const char *package = file->package != NULL ? file->package : "";
    for (size_t i = 0; i < file->n_message_type && !from->failed; i++) {
        from->path_length = 0;
        push(from, 4, i); /* FileDescriptorProto.message_type */
        add_message(from, package, file->message_type[i]);
    }
    from->path_length = 0;
    for (size_t i = 0; i < file->n_enum_type && !from->failed; i++)
        add_enum(from, package, file->enum_type[i]);
}

static int compare_types(const void *a, const void *b)
{
    return strcmp(((const sw_schema_type *)a)->name, ((const sw_schema_type *)b)->name);
}

/* --- Services --- */

static sw_code fill_method(sw_schema *schema, const char *service, const sw_comments *comments,
                           const int32_t *path, const Google__Protobuf__MethodDescriptorProto *proto,
                           sw_schema_method *method, sw_error *error)
{
    const char *names[] = {proto->input_type, proto->output_type};
    const ProtobufCMessageDescriptor *types[2];
    for (size_t i = 0; i < 2; i++) {
        const char *name = names[i] != NULL ? names[i] : "";
        const sw_schema_type *type = sw_schema_type_find(schema, name + (name[0] == '.'));
        if (type == NULL || type->message == NULL || proto->name == NULL)
            return sw_fail(error, SW_INVALID_ARGUMENT, "schema: the type '%s' of method %s/%s is missing",
                           name, service, proto->name != NULL ? proto->name : "");
        types[i] = type->message_descriptor;
    }
    *method = (sw_schema_method){
        .name = proto->name,
        .path = sw_arena_printf(schema->arena, "/%s/%s", service, proto->name),
        .comment = sw_comments_find(schema->arena, comments, path, 4),
        .request = types[0],
        .reply = types[1],
        .streams = proto->has_server_streaming && proto->server_streaming,
        .read_only = proto->options != NULL && proto->options->has_idempotency_level &&
                     proto->options->idempotency_level ==
                         GOOGLE__PROTOBUF__METHOD_OPTIONS__IDEMPOTENCY_LEVEL__NO_SIDE_EFFECTS,
    };
    return method->path != NULL ? SW_OK : exhausted(error);
}

static sw_code add_service(sw_schema *schema, const file_proto *file, const sw_comments *comments,
                           size_t index, sw_error *error)
{
    const Google__Protobuf__ServiceDescriptorProto *proto = file->service[index];
    const char *package = file->package != NULL ? file->package : "";
    if (proto->name == NULL)
        return sw_fail(error, SW_INVALID_ARGUMENT, "schema: a service has no name");
    int32_t path[4] = {6, (int32_t)index, 2,
                       0}; /* FileDescriptorProto.service, ServiceDescriptorProto.method */
    sw_schema_method *methods = sw_arena_alloc(schema->arena, (proto->n_method + 1) * sizeof(*methods));
    const char *name = sw_arena_printf(schema->arena, "%s%s%s", package, package[0] ? "." : "", proto->name);
    if (methods == NULL || name == NULL)
        return exhausted(error);
    for (size_t i = 0; i < proto->n_method; i++) {
        path[3] = (int32_t)i;
        sw_code code = fill_method(schema, name, comments, path, proto->method[i], &methods[i], error);
        if (code != SW_OK)
            return code;
    }
    schema->services[schema->service_count++] =
        (sw_schema_service){.name = name,
                            .comment = sw_comments_find(schema->arena, comments, path, 2),
                            .method_count = proto->n_method,
                            .methods = methods};
    return SW_OK;
}

static int compare_services(const void *a, const void *b)
{
    return strcmp(((const sw_schema_service *)a)->name, ((const sw_schema_service *)b)->name);
}

/* --- Building --- */

/* The sets of several processes are merged by concatenation, so a file may be there several
 * times. */
static size_t drop_doubles(Google__Protobuf__FileDescriptorSet *set)
{
    size_t kept = 0;
    for (size_t i = 0; i < set->n_file; i++) {
        bool seen = false;
        for (size_t k = 0; k < kept && !seen; k++)
            seen = set->file[i]->name != NULL && set->file[k]->name != NULL &&
                   strcmp(set->file[i]->name, set->file[k]->name) == 0;
        if (!seen)
            set->file[kept++] = set->file[i];
    }
    return kept;
}

static sw_code collect_types(sw_schema *schema, file_proto *const *files, size_t file_count,
                             const sw_comments *comments, sw_error *error)
{
    size_t count = 0;
    for (size_t i = 0; i < file_count; i++) {
        count += files[i]->n_enum_type;
        for (size_t k = 0; k < files[i]->n_message_type; k++)
            count += count_types(files[i]->message_type[k]);
    }
    schema->types = sw_arena_alloc(schema->arena, (count + 1) * sizeof(*schema->types));
    schema->messages = sw_arena_alloc(schema->arena, (count + 1) * sizeof(*schema->messages));
    if (schema->types == NULL || schema->messages == NULL)
        return exhausted(error);
    for (size_t i = 0; i < file_count; i++) {
        collector from = {.schema = schema, .file = files[i], .comments = &comments[i]};
        add_file(&from);
        if (from.failed)
            return sw_fail(error, SW_INVALID_ARGUMENT,
                           "schema: %s has a type without a name, or is too large",
                           files[i]->name != NULL ? files[i]->name : "a file");
    }
    qsort(schema->types, schema->type_count, sizeof(*schema->types), compare_types);
    for (size_t i = 1; i < schema->type_count; i++)
        if (strcmp(schema->types[i].name, schema->types[i - 1].name) == 0)
            return sw_fail(error, SW_INVALID_ARGUMENT, "schema: type %s is declared twice",
                           schema->types[i].name);
    return SW_OK;
}

static sw_code lay_out_types(sw_schema *schema, sw_error *error)
{
    sw_code code = SW_OK;
    for (size_t i = 0; i < schema->type_count && code == SW_OK; i++) {
        sw_schema_type *type = &schema->types[i];
        if (type->enumeration != NULL) {
            code = sw_schema_layout_enum(schema, type, error);
        } else {
            code = sw_schema_layout_message(schema, type, error);
            schema->messages[schema->message_count++] = type->message_descriptor;
        }
    }
    return code;
}

static sw_code build(sw_schema *schema, const void *bytes, size_t size, sw_error *error)
{
    ProtobufCMessage *message;
    if (size > SET_MAX)
        return exhausted(error);
    sw_code code = sw_unpack(&google__protobuf__file_descriptor_set__descriptor, (sw_view){bytes, size},
                             sw_arena_allocator(schema->arena), &message, error);
    if (code == SW_RESOURCE_EXHAUSTED)
        return exhausted(error);
    if (code != SW_OK)
        return sw_fail(error, SW_INVALID_ARGUMENT, "the schema is not a FileDescriptorSet");
    Google__Protobuf__FileDescriptorSet *set = (void *)message;
    size_t file_count = drop_doubles(set), service_count = 0;
    sw_comments *comments = sw_arena_alloc(schema->arena, (file_count + 1) * sizeof(*comments));
    if (comments == NULL)
        return exhausted(error);
    for (size_t i = 0; i < file_count; i++) {
        service_count += set->file[i]->n_service;
        if (!sw_comments_index(schema->arena, set->file[i], &comments[i]))
            return exhausted(error);
    }
    code = collect_types(schema, set->file, file_count, comments, error);
    if (code == SW_OK)
        code = lay_out_types(schema, error);
    schema->services = sw_arena_alloc(schema->arena, (service_count + 1) * sizeof(*schema->services));
    if (code == SW_OK && schema->services == NULL)
        code = exhausted(error);
    for (size_t i = 0; i < file_count && code == SW_OK; i++)
        for (size_t k = 0; k < set->file[i]->n_service && code == SW_OK; k++)
            code = add_service(schema, set->file[i], &comments[i], k, error);
    if (code == SW_OK)
        qsort(schema->services, schema->service_count, sizeof(*schema->services), compare_services);
    return code;
}

sw_code sw_schema_new(const void *set, size_t size, sw_schema **result, sw_error *error)
{
    *result = NULL;
    sw_arena *arena = sw_arena_new(ARENA_MAX);
    sw_schema *schema = arena != NULL ? sw_arena_alloc(arena, sizeof(*schema)) : NULL;
    if (schema == NULL) {
        sw_arena_destroy(&arena);
        return exhausted(error);
    }
    schema->arena = arena;
    sw_code code = build(schema, set, size, error);
    if (code == SW_OK)
        *result = schema;
    else
        sw_arena_destroy(&arena);
    return code;
}

void sw_schema_destroy(sw_schema **schema)
{
    if (*schema == NULL)
        return;
    sw_arena *arena = (*schema)->arena; /* which also holds the schema itself */
    sw_arena_destroy(&arena);
    *schema = NULL;
}

/* --- Finding --- */

/* Whether `name` is the whole of `full`, or its last part. */
static bool names(const char *name, size_t size, const char *full)
{
    const char *dot = strrchr(full, '.'), *last = dot != NULL ? dot + 1 : full;
    return (strlen(full) == size && memcmp(full, name, size) == 0) ||
           (strlen(last) == size && memcmp(last, name, size) == 0);
}

size_t sw_schema_services(const sw_schema *schema, const sw_schema_service **services)
{
    *services = schema->services;
    return schema->service_count;
}

static const sw_schema_service *find_service(const sw_schema *schema, const char *name, size_t size)
{
    const sw_schema_service *found = NULL;
    for (size_t i = 0; i < schema->service_count; i++) {
        const sw_schema_service *service = &schema->services[i];
        if (!names(name, size, service->name))
            continue;
        if (strlen(service->name) == size) /* a full name is unambiguous */
            return service;
        if (found != NULL)
            return NULL;
        found = service;
    }
    return found;
}

const sw_schema_service *sw_schema_find_service(const sw_schema *schema, const char *name)
{
    return find_service(schema, name, strlen(name));
}

static const sw_schema_method *method_of(const sw_schema_service *service, const char *name)
{
    for (size_t i = 0; i < service->method_count; i++)
        if (strcmp(service->methods[i].name, name) == 0)
            return &service->methods[i];
    return NULL;
}

const sw_schema_method *sw_schema_find_method(const sw_schema *schema, const char *name)
{
    name += *name == '/';
    const char *slash = strrchr(name, '/');
    if (slash != NULL) {
        const sw_schema_service *service = find_service(schema, name, (size_t)(slash - name));
        return service != NULL ? method_of(service, slash + 1) : NULL;
    }
    const sw_schema_method *found = NULL;
    for (size_t i = 0; i < schema->service_count; i++) {
        const sw_schema_method *method = method_of(&schema->services[i], name);
        if (method != NULL && found != NULL)
            return NULL;
        found = method != NULL ? method : found;
    }
    return found;
}

const ProtobufCMessageDescriptor *sw_schema_find_message(const sw_schema *schema, const char *name)
{
    const sw_schema_type *type = sw_schema_type_find(schema, name);
    if (type != NULL)
        return type->message != NULL ? type->message_descriptor : NULL;
    const ProtobufCMessageDescriptor *found = NULL;
    for (size_t i = 0; i < schema->message_count; i++) {
        if (!names(name, strlen(name), schema->messages[i]->name))
            continue;
        if (found != NULL)
            return NULL;
        found = schema->messages[i];
    }
    return found;
}

size_t sw_schema_messages(const sw_schema *schema, const ProtobufCMessageDescriptor *const **messages)
{
    *messages = schema->messages;
    return schema->message_count;
}

const char *sw_schema_comment(const sw_schema *schema, const ProtobufCMessageDescriptor *message,
                              const char *field)
{
    const sw_schema_type *type = sw_schema_type_find(schema, message->name);
    if (type == NULL || type->message == NULL)
        return "";
    int32_t path[SW_PATH_MAX + 2];
    size_t length = type->path_length;
    memcpy(path, type->path, length * sizeof(*path));
    if (field != NULL) {
        size_t index = 0, count = type->message->n_field;
        while (index < count && strcmp(type->message->field[index]->name, field) != 0)
            index++;
        if (index == count)
            return "";
        path[length++] = 2; /* DescriptorProto.field */
        path[length++] = (int32_t)index;
    }
    return sw_comments_find(schema->arena, type->comments, path, length);
}

/* Services, messages and methods as JSON: see describe.h. */
#include "cli/registry/describe.h"
#include "cli/schema/example.h"
#include "cli/schema/output.h"
#include "cli/schema/value.h"
#include <stdlib.h>
#include <string.h>

static void print(json_t *line)
{
    sw_print_json_line(line);
    json_decref(line);
}

/* A comment as its lines stand in the .proto, without the space before each. */
static json_t *comment_of(const char *comment)
{
    char *text = strdup(comment + (*comment == ' ')), *to = text;
    for (const char *from = text; from != NULL && *from != '\0'; from++) {
        *to++ = *from;
        from += from[0] == '\n' && from[1] == ' ';
    }
    while (to > text && to[-1] == '\n')
        to--;
    json_t *value = json_stringn(text != NULL ? text : "", (size_t)(to - text));
    free(text);
    return value;
}

static json_t *field_of(const sw_schema *schema, const ProtobufCMessageDescriptor *message,
                        const ProtobufCFieldDescriptor *field)
{
    char type[128];
    json_t *object =
        json_pack("{s:s,s:s,s:o}", "name", field->name, "type", sw_word_type_name(field, type, sizeof(type)),
                  "comment", comment_of(sw_schema_comment(schema, message, field->name)));
    if (field->type != PROTOBUF_C_TYPE_ENUM)
        return object;
    const ProtobufCEnumDescriptor *values = field->descriptor;
    json_t *names = json_array();
    for (unsigned i = 0; i < values->n_values; i++)
        json_array_append_new(names, json_string(values->values[i].name));
    json_object_set_new(object, "values", names);
    return object;
}

static json_t *fields_of(const sw_schema *schema, const ProtobufCMessageDescriptor *message)
{
    json_t *fields = json_array();
    for (unsigned i = 0; i < message->n_fields; i++)
        json_array_append_new(fields, field_of(schema, message, &message->fields[i]));
    return fields;
}

static json_t *message_of(const sw_schema *schema, const ProtobufCMessageDescriptor *message)
{
    return json_pack("{s:s,s:o,s:o}", "message", message->name, "comment",
                     comment_of(sw_schema_comment(schema, message, NULL)), "fields",
                     fields_of(schema, message));
}

static json_t *method_of(const sw_schema_method *method)
{
    return json_pack("{s:s,s:o,s:s,s:s,s:b,s:b}", "method", method->path, "comment",
                     comment_of(method->comment), "request", method->request->name, "reply",
                     method->reply->name, "streams", method->streams, "read_only", method->read_only);
}

static json_t *service_of(const sw_schema_service *service)
{
    json_t *methods = json_array();
    for (size_t i = 0; i < service->method_count; i++)
        json_array_append_new(methods, method_of(&service->methods[i]));
    return json_pack("{s:s,s:o,s:o}", "service", service->name, "comment", comment_of(service->comment),
                     "methods", methods);
}

void sw_describe_verbs(const sw_schema_resource *resource, sw_describe_verb verbs[SW_DESCRIBE_VERBS])
{
    const sw_describe_verb all[SW_DESCRIBE_VERBS] = {
        {"get", resource->get},       {"list", resource->list},     {"create", resource->create},
        {"update", resource->update}, {"delete", resource->remove}, {"rename", resource->rename}};
    memcpy(verbs, all, sizeof(all));
}

/* Adds what makes a message a resource. */
static void add_resource(json_t *object, const sw_schema_resource *resource)
{
    sw_describe_verb verbs[SW_DESCRIBE_VERBS];
    json_t *key = json_array(), *methods = json_object();
    for (size_t i = 0; i < resource->key_count; i++)
        json_array_append_new(key, json_string(resource->keys[i]->name));
    sw_describe_verbs(resource, verbs);
    for (size_t i = 0; i < SW_DESCRIBE_VERBS; i++)
        if (verbs[i].method != NULL)
            json_object_set_new(methods, verbs[i].verb, json_string(verbs[i].method->path));
    json_object_set_new(object, "resource", json_string(resource->name));
    json_object_set_new(object, "plural", json_string(resource->plural));
    json_object_set_new(object, "key", key);
    json_object_set_new(object, "methods", methods);
}

static bool print_resource_line(const sw_schema_resource *resource, void *context)
{
    const sw_schema *schema = context;
    json_t *line = json_pack("{s:s,s:o}", "message", resource->message->name, "comment",
                             comment_of(sw_schema_comment(schema, resource->message, NULL)));
    add_resource(line, resource);
    print(line);
    return true;
}

void sw_describe_json_all(const sw_schema *schema)
{
    const sw_schema_service *services;
    size_t count = sw_schema_services(schema, &services);
    for (size_t i = 0; i < count; i++)
        print(service_of(&services[i]));
    sw_schema_resource_each(schema, print_resource_line, (void *)(uintptr_t)schema);
}

void sw_describe_json_service(const sw_schema_service *service)
{
    print(service_of(service));
}

void sw_describe_json_message(const sw_schema *schema, const ProtobufCMessageDescriptor *message)
{
    json_t *line = message_of(schema, message);
    json_object_set_new(line, "example", sw_example(message));
    print(line);
}

void sw_describe_json_resource(const sw_schema *schema, const sw_schema_resource *resource)
{
    json_t *line = message_of(schema, resource->message);
    add_resource(line, resource);
    json_object_set_new(line, "example", sw_example(resource->message));
    print(line);
}

void sw_describe_json_method(const sw_schema *schema, const sw_schema_method *method)
{
    json_t *line = method_of(method);
    json_object_set_new(line, "request_fields", fields_of(schema, method->request));
    json_object_set_new(line, "reply_fields", fields_of(schema, method->reply));
    json_object_set_new(line, "example", sw_example(method->request));
    print(line);
}

/* `sitewire describe`: what the running services offer, as Reflection reports it. */
#include "cli/registry/describe.h"
#include "base/error.h"
#include "cli/registry/commands.h"
#include "cli/schema/example.h"
#include "cli/schema/method.h"
#include "cli/schema/name.h"
#include "cli/schema/resource.h"
#include "cli/schema/value.h"
#include <stdlib.h>
#include <string.h>

#define COMMENT_MAX 400

/* Prints a comment, each line after `indent`. */
static void print_comment(const char *comment, const char *indent)
{
    while (*comment != '\0') {
        size_t length = strcspn(comment, "\n");
        const char *text = comment;
        while (length > 0 && *text == ' ') {
            text++;
            length--;
        }
        if (length > 0 || comment[1] != '\0')
            printf("%s%.*s\n", indent, (int)length, text);
        comment = text + length;
        comment += *comment == '\n';
    }
}

/* The first line of a comment, and the rest of its last sentence. */
static void first_line(const char *comment, char *text, size_t size)
{
    size_t length = 0;
    bool first = true;
    for (comment += strspn(comment, " "); *comment != '\0' && length + 1 < size; comment++) {
        bool stop = length > 0 && text[length - 1] == '.';
        if (*comment == '\n') {
            if (stop || comment[1] == '\0' || comment[1] == '\n')
                break;
            first = false;
            comment += strspn(comment + 1, " ");
            text[length++] = ' ';
        } else if (*comment == ' ' && stop && !first) {
            break;
        } else {
            text[length++] = *comment;
        }
    }
    text[length] = '\0';
}

static void print_fields(const sw_schema *schema, const ProtobufCMessageDescriptor *message)
{
    char type[128];
    size_t name_width = 0, type_width = 0;
    for (unsigned i = 0; i < message->n_fields; i++) {
        size_t n = strlen(message->fields[i].name);
        size_t t = strlen(sw_word_type_name(&message->fields[i], type, sizeof(type)));
        name_width = n > name_width ? n : name_width;
        type_width = t > type_width ? t : type_width;
    }
    if (message->n_fields == 0)
        puts("  (no fields)");
    for (unsigned i = 0; i < message->n_fields; i++) {
        const ProtobufCFieldDescriptor *field = &message->fields[i];
        char comment[COMMENT_MAX];
        first_line(sw_schema_comment(schema, message, field->name), comment, sizeof(comment));
        sw_word_type_name(field, type, sizeof(type));
        if (*comment != '\0')
            printf("  %-*s  %-*s  %s\n", (int)name_width, field->name, (int)type_width, type, comment);
        else
            printf("  %-*s  %s\n", (int)name_width, field->name, type);
        if (field->type != PROTOBUF_C_TYPE_ENUM)
            continue;
        const ProtobufCEnumDescriptor *values = field->descriptor;
        printf("  %-*s  one of", (int)name_width, "");
        for (unsigned v = 0; v < values->n_values; v++)
            printf(" %s", values->values[v].name);
        putchar('\n');
    }
}

static void print_message(const sw_schema *schema, const ProtobufCMessageDescriptor *message)
{
    printf("message %s\n", message->name);
    print_comment(sw_schema_comment(schema, message, NULL), "  ");
    putchar('\n');
    print_fields(schema, message);
}

static void print_example(const char *title, const ProtobufCMessageDescriptor *message)
{
    json_t *example = sw_example(message);
    printf("\n%s\n", title);
    json_dumpf(example, stdout, JSON_INDENT(2));
    putchar('\n');
    json_decref(example);
}

static void print_method(const sw_schema *schema, const sw_schema_method *method)
{
    printf("method %s%s%s\n", method->path, method->streams ? ", a stream of replies" : "",
           method->read_only ? ", changes nothing" : "");
    print_comment(method->comment, "  ");
    printf("\nRequest %s\n", method->request->name);
    print_fields(schema, method->request);
    printf("\nReply %s\n", method->reply->name);
    print_fields(schema, method->reply);
    json_t *example = sw_example(method->request);
    char *text = json_dumps(example, JSON_COMPACT);
    printf("\nExample\n  sitewire call %s '%s'\n", method->path + (*method->path == '/'),
           text != NULL ? text : "{}");
    free(text);
    json_decref(example);
}

static void print_service(const sw_schema_service *service)
{
    size_t width = 0;
    for (size_t i = 0; i < service->method_count; i++) {
        size_t n = strlen(service->methods[i].name);
        width = n > width ? n : width;
    }
    printf("service %s\n", service->name);
    print_comment(service->comment, "  ");
    putchar('\n');
    for (size_t i = 0; i < service->method_count; i++) {
        const sw_schema_method *m = &service->methods[i];
        char comment[COMMENT_MAX];
        first_line(m->comment, comment, sizeof(comment));
        printf("  %-*s  %s -> %s%s%s%s\n", (int)width, m->name, sw_short_name(m->request->name),
               m->streams ? "stream of " : "", sw_short_name(m->reply->name), *comment != '\0' ? ": " : "",
               comment);
    }
}

typedef struct columns {
    const sw_schema *schema;
    int name, key;
} columns;

static bool measure_resource(const sw_schema_resource *resource, void *context)
{
    columns *c = context;
    char key[256];
    sw_schema_resource_key_usage(resource, key, sizeof(key));
    c->name = (int)strlen(resource->plural) > c->name ? (int)strlen(resource->plural) : c->name;
    c->key = (int)strlen(key) > c->key ? (int)strlen(key) : c->key;
    return true;
}

static bool print_resource_line(const sw_schema_resource *resource, void *context)
{
    const columns *c = context;
    char key[256], comment[COMMENT_MAX];
    sw_schema_resource_key_usage(resource, key, sizeof(key));
    first_line(sw_schema_comment(c->schema, resource->message, NULL), comment, sizeof(comment));
    printf("  %-*s  %-*s  %s\n", c->name, resource->plural, c->key, key, comment);
    return true;
}

static void print_all(const sw_schema *schema)
{
    const sw_schema_service *services;
    size_t count = sw_schema_services(schema, &services);
    puts("Services (`sitewire describe SERVICE`)");
    for (size_t i = 0; i < count; i++) {
        char comment[COMMENT_MAX];
        first_line(services[i].comment, comment, sizeof(comment));
        printf("  %-38s %3zu method%s  %s\n", services[i].name, services[i].method_count,
               services[i].method_count == 1 ? " " : "s", comment);
    }
    puts("\nResources, and their keys (`sitewire describe RESOURCE`, `sitewire list RESOURCE`)");
    columns c = {.schema = schema};
    sw_schema_resource_each(schema, measure_resource, &c);
    sw_schema_resource_each(schema, print_resource_line, &c);
}

static void print_resource(const sw_schema *schema, const sw_schema_resource *resource)
{
    char key[256];
    sw_describe_verb verbs[SW_DESCRIBE_VERBS];
    print_message(schema, resource->message);
    sw_schema_resource_key_usage(resource, key, sizeof(key));
    printf("\nKey %s\n\nMethods\n", key);
    sw_describe_verbs(resource, verbs);
    for (size_t i = 0; i < SW_DESCRIBE_VERBS; i++)
        if (verbs[i].method != NULL)
            printf("  sitewire %-6s %-30s %s\n", verbs[i].verb, resource->name, verbs[i].method->name);
    print_example("Example", resource->message);
}

static void print_plain_message(const sw_schema *schema, const ProtobufCMessageDescriptor *message)
{
    print_message(schema, message);
    print_example("Example", message);
}

sw_code sw_cmd_describe(sw_cli *cli, sw_error *error)
{
    const sw_schema *schema;
    const sw_schema_method *method;
    const sw_schema_service *service;
    const ProtobufCMessageDescriptor *message;
    sw_schema_resource resource;
    if (cli->args.word_count > 1)
        return sw_cli_usage(cli, error, "describe takes at most one name");
    sw_code code = sw_cli_schema(cli, &schema, error);
    if (code != SW_OK)
        return code;
    const char *name = cli->args.word_count == 1 ? cli->args.words[0] : NULL;
    if (name == NULL) {
        (cli->json ? sw_describe_json_all : print_all)(schema);
    } else if ((service = sw_schema_find_service(schema, name)) != NULL) {
        (cli->json ? sw_describe_json_service : print_service)(service);
    } else if (strchr(name, '/') == NULL && sw_schema_resource_find(schema, name, &resource, NULL) == SW_OK) {
        (cli->json ? sw_describe_json_resource : print_resource)(schema, &resource);
    } else if ((message = sw_schema_find_message(schema, name)) != NULL) {
        (cli->json ? sw_describe_json_message : print_plain_message)(schema, message);
    } else if ((code = sw_cli_method(schema, name, &method, error)) == SW_OK) {
        (cli->json ? sw_describe_json_method : print_method)(schema, method);
    } else if (code == SW_UNIMPLEMENTED) {
        const char *hint = strstr(error->message, "; did you mean");
        char text[256];
        snprintf(text, sizeof(text), "%s", hint != NULL ? hint : "; `sitewire describe` lists them");
        return sw_fail(error, SW_NOT_FOUND, "there is no service, method, message or resource '%s'%s", name,
                       text);
    }
    return code;
}

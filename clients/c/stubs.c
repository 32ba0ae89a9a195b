/* The generator of stubs, run by the build: a typed inline function for each method compiled in
 * (one header per package), and the table of methods that method.c searches. */
#include "c/json/schema.h"

#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

/* Made by proto/CMakeLists.txt. Here, sw_schema is the name of a type. */
extern const unsigned char compiled_schema[] __asm__("sw_schema");
extern const size_t compiled_schema_size __asm__("sw_schema_size");

/* As protoc-c names things: GetSSHKey -> get_sshkey. */
static void snake(const char *name, char *to)
{
    bool was_upper = true;
    for (; *name != '\0'; name++) {
        bool upper = isupper((unsigned char)*name) != 0;
        if (upper && !was_upper)
            *to++ = '_';
        *to++ = (char)tolower((unsigned char)*name);
        was_upper = upper;
    }
    *to = '\0';
}

static const char *last_part(const char *name)
{
    const char *dot = strrchr(name, '.');
    return dot != NULL ? dot + 1 : name;
}

/* `sw_get_website`; methods of one word get their service in front: `sw_health_check`. */
static void function_name(const sw_schema_service *service, const sw_schema_method *method, char *to)
{
    char own[128], owner[128];
    snake(method->name, own);
    snake(last_part(service->name), owner);
    if (strchr(own, '_') != NULL || strcmp(own, owner) == 0)
        snprintf(to, 300, "sw_%s", own);
    else
        snprintf(to, 300, "sw_%s_%s", owner, own);
}

static void print_comment(const sw_schema_service *service, const sw_schema_method *method)
{
    printf("/* %s/%s.", last_part(service->name), method->name);
    if (method->comment[0] != '\0')
        putchar(' ');
    for (const char *at = method->comment; *at != '\0'; at++) {
        if (*at == '\n')
            printf("\n * ");
        else
            putchar(*at);
    }
    printf(" */\n");
}

static void print_stub(const sw_schema_service *service, const sw_schema_method *method)
{
    char name[300], reply[128];
    function_name(service, method, name);
    snake(method->reply->short_name, reply);
    const char *request = method->request->short_name;
    print_comment(service, method);
    if (!method->streams)
        printf("static inline sw_code %s(sw_client *client, const Sw__%s *request, Sw__%s **reply,\n"
               "    const sw_call_options *options, sw_error *error)\n{\n"
               "    return sw_client_call(client, \"%s\", &request->base,\n"
               "        &sw__%s__descriptor, (ProtobufCMessage **)reply, options, error);\n}\n",
               name, request, method->reply->short_name, method->path, reply);
    printf("static inline sw_code %s_start(sw_client *client, const Sw__%s *request,\n"
           "    const sw_call_options *options, sw_reply_fn *fn, void *context, uint64_t *call_id, sw_error "
           "*error)\n"
           "{\n    return sw_client_start(client, \"%s\", &request->base, options, fn, context, call_id, "
           "error);\n"
           "}\n\n",
           name, request, method->path);
}

static void print_header(const sw_schema *schema, const char *package)
{
    const sw_schema_service *services;
    size_t count = sw_schema_services(schema, &services);
    char part[128], guard[128]; /* sitewire.referential.v1 -> referential */
    const char *begin = strchr(package, '.');
    snprintf(part, sizeof(part), "%s", begin != NULL ? begin + 1 : package);
    *strchrnul(part, '.') = '\0';
    for (size_t i = 0; i <= strlen(part); i++)
        guard[i] = (char)toupper((unsigned char)part[i]);
    printf(
        "/* The methods of %s as functions. The synchronous ones put the reply into *reply for the caller,\n"
        " * who frees it; the _start ones are asynchronous, and the only form of streams. Generated. */\n"
        "#ifndef SITEWIRE_%s_H\n#define SITEWIRE_%s_H\n\n#include <sitewire/client.h>\n"
        "#include <sitewire/%s/v1/%s.pb-c.h>\n\n#ifdef __cplusplus\nextern \"C\" {\n#endif\n\n",
        package, guard, guard, part, part);
    for (size_t i = 0; i < count; i++) {
        size_t length = strlen(package);
        if (strncmp(services[i].name, package, length) != 0 || services[i].name[length] != '.')
            continue;
        for (size_t k = 0; k < services[i].method_count; k++)
            print_stub(&services[i], &services[i].methods[k]);
    }
    printf("#ifdef __cplusplus\n}\n#endif\n#endif\n");
}

static int compare_methods(const void *a, const void *b)
{
    return strcmp((*(const sw_schema_method *const *)a)->path, (*(const sw_schema_method *const *)b)->path);
}

static void print_table(const sw_schema *schema)
{
    const sw_schema_service *services;
    const sw_schema_method *methods[4096];
    size_t count = sw_schema_services(schema, &services), total = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < services[i].method_count && total < 4096; k++)
            methods[total++] = &services[i].methods[k];
    qsort(methods, total, sizeof(*methods), compare_methods);
    printf("/* Generated: the methods compiled in. */\n#include \"c/method.h\"\n\n"
           "const sw_method_row sw_method_rows[] = {\n");
    for (size_t i = 0; i < total; i++)
        printf("    {\"%s\", %s},\n", methods[i]->path, methods[i]->read_only ? "true" : "false");
    printf("};\nconst size_t sw_method_row_count = sizeof(sw_method_rows) / sizeof(sw_method_rows[0]);\n");
}

/* `stubs table`, or `stubs PACKAGE` for its header; on stdout. */
int main(int argc, char **argv)
{
    sw_schema *schema;
    sw_error error;
    if (argc != 2 || sw_schema_new(compiled_schema, compiled_schema_size, &schema, &error) != SW_OK) {
        fprintf(stderr, "stubs: %s\n", argc != 2 ? "usage: stubs table | PACKAGE" : error.message);
        return 1;
    }
    if (strcmp(argv[1], "table") == 0)
        print_table(schema);
    else
        print_header(schema, argv[1]);
    sw_schema_destroy(&schema);
    return ferror(stdout) || fflush(stdout) != 0;
}

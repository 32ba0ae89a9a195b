/* Questions that one call answers: `where`, `impact`, `diff`, `expiring`, `whoami`, `explain`,
 * `who-can`. A table maps each to its method and to the fields of the request that the words
 * set. */
#include "base/error.h"
#include "cli/registry/commands.h"
#include "cli/schema/field.h"
#include "cli/schema/method.h"
#include "cli/schema/name.h"
#include "cli/schema/output.h"
#include "cli/schema/resource.h"
#include "cli/schema/value.h"
#include <string.h>

#define WORDS_MAX 4

typedef struct question {
    const char *command, *method;
    const char *fields[WORDS_MAX]; /* of the request, in the order of the words */
    size_t least;                  /* number of words required */
    const char *resource_field;    /* the field whose word names a resource, in any spelling */
    const char *rest_field;        /* the field that takes all further words, joined with `/` */
    const char *flag, *flag_field; /* a flag and the field that it sets, or NULL */
    const char *nothing;           /* printed for an empty answer */
} question;

static const question questions[] = {
    {"where",
     "FindVersions",
     {"type", "code", "version"},
     .least = 2,
     .resource_field = "type",
     .nothing = "it does not run anywhere"},
    {"impact",
     "ListImpact",
     {"type", "key"},
     .least = 2,
     .resource_field = "type",
     .rest_field = "key",
     .flag = "depth",
     .flag_field = "depth",
     .nothing = "nothing depends on it"},
    {"diff",
     "CompareEnvironments",
     {"docroot", "environment", "other_environment"},
     .least = 3,
     .flag = "all",
     .flag_field = "all",
     .nothing = "the two environments are alike in what was compared (see --all)"},
    {"expiring", "ListExpirations", {"within_days"}, .nothing = "nothing expires by then"},
    {.command = "whoami", .method = "WhoAmI"},
    {"explain",
     "Explain",
     {"action", "type", "key"},
     .least = 3,
     .resource_field = "type",
     .rest_field = "key",
     .flag = "as",
     .flag_field = "user",
     .nothing = "no reasons were found"},
    {"who-can",
     "WhoCan",
     {"action", "type", "key"},
     .least = 3,
     .resource_field = "type",
     .rest_field = "key",
     .nothing = "nobody may"},
};

static const question *find(const char *command)
{
    for (size_t i = 0; i < sizeof(questions) / sizeof(*questions); i++)
        if (strcmp(questions[i].command, command) == 0)
            return &questions[i];
    return NULL;
}

/* Sets one field of the request from text. */
static sw_code set(const sw_schema *schema, const question *q, const sw_schema_method *method,
                   const char *name, const char *text, json_t *request, sw_error *error)
{
    const ProtobufCFieldDescriptor *field;
    json_t *value = NULL;
    sw_schema_resource resource;
    sw_code code = sw_field_find(method->request, name, strlen(name), &field, error);
    if (code == SW_OK && q->resource_field != NULL && strcmp(q->resource_field, name) == 0) {
        code = sw_schema_resource_find(schema, text, &resource, error);
        if (code == SW_OK)
            value = json_string(sw_short_name(resource.message->name));
    } else if (code == SW_OK) {
        code = sw_word_parse(field, text, &value, error);
    }
    if (code == SW_OK)
        json_object_set_new(request, field->name, value);
    return code;
}

static sw_code build(sw_cli *cli, const sw_schema *schema, const question *q, const sw_schema_method *method,
                     json_t *request, sw_error *error)
{
    const sw_args *args = &cli->args;
    sw_code code = SW_OK;
    size_t fields = 0;
    while (fields < WORDS_MAX && q->fields[fields] != NULL)
        fields++;
    if (args->word_count < q->least || (args->word_count > fields && q->rest_field == NULL))
        return sw_cli_usage(cli, error, "%s takes %s", q->command,
                            *cli->command->usage != '\0' ? cli->command->usage : "no words");
    for (size_t i = 0; code == SW_OK && i < args->word_count; i++) {
        if (i < fields) {
            code = set(schema, q, method, q->fields[i], args->words[i], request, error);
        } else {
            json_t *so_far = json_object_get(request, q->rest_field);
            json_object_set_new(request, q->rest_field,
                                json_sprintf("%s/%s", json_string_value(so_far), args->words[i]));
        }
    }
    if (code == SW_OK && q->flag != NULL && sw_args_has(args, q->flag))
        code =
            set(schema, q, method, q->flag_field,
                sw_args_value(args, q->flag) != NULL ? sw_args_value(args, q->flag) : "true", request, error);
    return code;
}

static sw_code print_answer(sw_cli *cli, const question *q, const sw_schema_method *method,
                            const json_t *answer, sw_error *error)
{
    const ProtobufCFieldDescriptor *items =
        protobuf_c_message_descriptor_get_field_by_name(method->reply, "items");
    const json_t *list = json_object_get(answer, "items");
    sw_output output;
    size_t index;
    json_t *item;
    if (items == NULL || items->type != PROTOBUF_C_TYPE_MESSAGE) { /* a single answer */
        sw_print_record(cli, method->reply, answer);
        return SW_OK;
    }
    if (json_array_size(list) == 0 && !cli->json && !sw_args_has(&cli->args, "csv")) {
        fprintf(stderr, "%s\n", q->nothing);
        return SW_OK;
    }
    sw_code code = sw_output_begin(&output, cli, items->descriptor, NULL, 0, NULL, error);
    if (code == SW_OK)
        json_array_foreach(list, index, item) sw_output_item(&output, item);
    sw_output_end(&output, code != SW_OK);
    return code;
}

sw_code sw_cmd_question(sw_cli *cli, sw_error *error)
{
    const question *q = find(cli->command->name);
    const sw_schema *schema;
    const sw_schema_method *method;
    json_t *request = json_object(), *answer = NULL;
    sw_code code = sw_cli_schema(cli, &schema, error);
    if (code == SW_OK)
        code = sw_cli_method(schema, q->method, &method, error);
    if (code == SW_OK)
        code = build(cli, schema, q, method, request, error);
    if (code == SW_OK)
        code = sw_cli_call(cli, method->path, request, NULL, &answer, error);
    if (code == SW_OK)
        code = print_answer(cli, q, method, answer, error);
    json_decref(request);
    json_decref(answer);
    return code;
}

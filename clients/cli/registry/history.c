/* `sitewire history`: what changed, when, by whom and why, newest first, with the fields that
 * differ. */
#include "base/error.h"
#include "cli/registry/commands.h"
#include "cli/schema/name.h"
#include "cli/schema/output.h"
#include "cli/schema/resource.h"
#include "cli/schema/value.h"
#include <stdlib.h>
#include <string.h>

#define PAGE_SIZE 200

typedef struct history {
    sw_cli *cli;
    sw_schema_resource resource; /* valid if `key` is set */
    const char *type;            /* the name of its message; NULL for all */
    char *key;                   /* of all rows that ever had it, or to find the newest of them */
    int64_t row;                 /* permanent number of the row; 0: all rows */
    int64_t before;              /* only changes with smaller numbers; 0: all */
    int64_t limit, shown;
} history;

static void add_filter(json_t *filters, const char *field, const char *op, const char *value)
{
    json_array_append_new(filters, json_pack("{s:s, s:s, s:[s]}", "field", field, "op", op, "values", value));
}

static void add_number(json_t *filters, const char *field, const char *op, int64_t value)
{
    char text[24];
    if (value == 0)
        return;
    snprintf(text, sizeof(text), "%lld", (long long)value);
    add_filter(filters, field, op, text);
}

/* A request for the newest changes of the resource and key, or of the row once it is known. */
static json_t *begin(const history *h, int page_size)
{
    json_t *filters = json_array();
    if (h->row != 0)
        add_number(filters, "row_id", "=", h->row);
    if (h->type != NULL)
        add_filter(filters, "resource", "=", h->type);
    if (h->key != NULL && h->row == 0)
        add_filter(filters, "key", "=", h->key);
    add_number(filters, "id", "<", h->before);
    return json_pack("{s:o, s:[{s:s, s:b}], s:i}", "filters", filters, "order_by", "field", "id",
                     "descending", 1, "page_size", page_size);
}

static sw_code build(const history *h, json_t **request, sw_error *error)
{
    const sw_cli *cli = h->cli;
    char text[SW_TIME_TEXT];
    sw_code code = SW_OK;
    *request = begin(h, PAGE_SIZE);
    json_t *filters = json_object_get(*request, "filters");
    if (sw_args_has(&cli->args, "by"))
        add_filter(filters, "actor", "=", sw_args_value(&cli->args, "by"));
    static const struct {
        const char *flag, *op;
    } bounds[] = {{"since", ">="}, {"until", "<"}};
    for (size_t i = 0; i < 2 && code == SW_OK; i++)
        if (sw_args_has(&cli->args, bounds[i].flag) &&
            (code = sw_args_time(&cli->args, bounds[i].flag, text, error)) == SW_OK)
            add_filter(filters, "at", bounds[i].op, text);
    return code;
}

/* --- Output --- */

static bool is_bookkeeping(const char *field)
{
    return strcmp(field, "created_at") == 0 || strcmp(field, "updated_at") == 0 ||
           strcmp(field, "revision") == 0;
}

static bool is_empty(const json_t *value)
{
    return value == NULL || json_is_null(value) ||
           (json_is_string(value) && json_string_length(value) == 0) ||
           (json_is_array(value) && json_array_size(value) == 0);
}

static void print_value(const json_t *value)
{
    char *text = is_empty(value) ? NULL : json_dumps(value, JSON_ENCODE_ANY | JSON_COMPACT);
    sw_print_safe(text == NULL ? "(empty)" : text);
    free(text);
}

static void print_field(const char *field, const json_t *before, const json_t *after)
{
    if (is_bookkeeping(field) || json_equal(before, after) || (is_empty(before) && is_empty(after)))
        return;
    printf("    %s: ", field);
    if (before != NULL) {
        print_value(before);
        fputs(" -> ", stdout);
    }
    print_value(after);
    putchar('\n');
}

static void print_difference(const json_t *before, const json_t *after)
{
    const char *field;
    json_t *value;
    json_object_foreach((json_t *)(after != NULL ? after : before), field, value) print_field(
        field, after == NULL ? value : json_object_get(before, field), after == NULL ? NULL : value);
    if (after != NULL)
        json_object_foreach((json_t *)before, field, value) if (json_object_get(after, field) == NULL)
            print_field(field, value, NULL);
}

/* The rows before and after come as JSON in strings. */
static json_t *row_of(const json_t *item, const char *field)
{
    return *sw_json_text(item, field) == '\0' ? NULL
                                              : json_loads(sw_json_text(item, field), JSON_DECODE_ANY, NULL);
}

static void print_change(const history *h, json_t *item)
{
    json_t *before = row_of(item, "before"), *after = row_of(item, "after");
    if (h->cli->json) {
        json_object_set_new(item, "before", before == NULL ? json_null() : json_incref(before));
        json_object_set_new(item, "after", after == NULL ? json_null() : json_incref(after));
        sw_print_json_line(item);
    } else {
        const char *reason = sw_json_text(item, "reason"), *old = sw_json_text(item, "old_key");
        printf("%s%s  %-6s  %s ", h->shown > 0 ? "\n" : "", sw_json_text(item, "at"),
               sw_json_text(item, "operation"), sw_json_text(item, "resource"));
        sw_print_safe(old);
        fputs(*old != '\0' ? " -> " : "", stdout);
        sw_print_safe(sw_json_text(item, "key"));
        fputs("  by ", stdout);
        sw_print_safe(sw_json_text(item, "actor"));
        fputs(*reason != '\0' ? ": " : "", stdout);
        sw_print_safe(reason);
        putchar('\n');
        print_difference(before, after);
    }
    json_decref(before);
    json_decref(after);
}

/* --- Reading --- */

static sw_code list_changes(const history *h, json_t *request, json_t **reply, sw_error *error)
{
    return sw_cli_call(h->cli, "/sitewire.user.v1.Users/ListChanges", request, NULL, reply, error);
}

/* Finds the row that has the key, or had it last. */
static sw_code find_row(history *h, sw_error *error)
{
    json_t *request = begin(h, 1), *reply = NULL;
    sw_code code = list_changes(h, request, &reply, error);
    if (code == SW_OK)
        h->row = (int64_t)sw_json_number(json_array_get(json_object_get(reply, "items"), 0), "row_id");
    json_decref(request);
    json_decref(reply);
    return code;
}

static void print_page(history *h, const json_t *items)
{
    size_t index;
    json_t *item;
    json_array_foreach(items, index, item)
    {
        if (h->shown == h->limit)
            return;
        print_change(h, item);
        h->shown++;
        h->before = (int64_t)sw_json_number(item, "id");
    }
}

static sw_code print_all(history *h, sw_error *error)
{
    for (;;) {
        json_t *request = NULL, *reply = NULL;
        sw_code code = build(h, &request, error);
        if (code == SW_OK)
            code = list_changes(h, request, &reply, error);
        if (code == SW_OK) {
            print_page(h, json_object_get(reply, "items"));
            sw_cli_renew_deadline(h->cli);
        }
        bool more = code == SW_OK && h->shown < h->limit && !ferror(stdout) &&
                    json_string_length(json_object_get(reply, "next_page_token")) > 0;
        json_decref(request);
        json_decref(reply);
        if (!more)
            return code;
    }
}

sw_code sw_cmd_history(sw_cli *cli, sw_error *error)
{
    const sw_args *args = &cli->args;
    history h = {.cli = cli};
    const sw_schema *schema;
    json_t *key = json_object();
    sw_code code = sw_args_number(args, "limit", 1, INT32_MAX, 100, &h.limit, error);
    if (code == SW_OK)
        code = sw_cli_schema(cli, &schema, error);
    if (code == SW_OK && args->word_count > 0) {
        size_t used = 0;
        code = sw_schema_resource_find(schema, args->words[0], &h.resource, error);
        if (code == SW_OK)
            h.type = sw_short_name(h.resource.message->name);
        if (code == SW_OK && args->word_count > 1)
            code = sw_schema_resource_read_key(&h.resource, args->words + 1, args->word_count - 1, &used, key,
                                               error);
        if (code == SW_OK && args->word_count > 1 + used)
            code = sw_cli_usage(cli, error, "history takes at most one KEY");
        if (code == SW_OK && args->word_count > 1)
            h.key = sw_schema_resource_key_text(&h.resource, key);
    }
    if (code == SW_OK && h.key != NULL && !sw_args_has(args, "all"))
        code = find_row(&h, error);
    if (code == SW_OK)
        code = print_all(&h, error);
    if (code == SW_OK && h.shown == 0 && !cli->json)
        fputs("no changes found\n", stderr);
    if (code == SW_OK && h.shown == h.limit && !cli->json)
        fprintf(stderr, "these are the newest %lld; --limit shows more\n", (long long)h.limit);
    free(h.key);
    json_decref(key);
    return code;
}

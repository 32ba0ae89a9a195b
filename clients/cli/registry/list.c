/* `sitewire list`, and lists for other commands: see list.h. */
#include "cli/registry/list.h"
#include "base/error.h"
#include "cli/registry/commands.h"
#include "cli/registry/read_time.h"
#include "cli/schema/filter.h"
#include "cli/schema/output.h"
#include "cli/schema/resource.h"
#include "cli/schema/value.h"
#include <stdlib.h>

#define PAGE_MOST 1000 /* the largest page of a service */

/* Fills the request of a List method from the flags and from words that are filters. */
static sw_code build_request(sw_cli *cli, const sw_listing *listing, const sw_schema_resource *resource,
                             json_t *request, sw_error *error)
{
    const sw_args *args = &cli->args;
    json_t *filters = json_array(), *item = NULL;
    json_object_set_new(request, "filters", filters);
    json_array_extend(filters, listing->filters);
    sw_code code = SW_OK;
    const char *text;
    for (size_t i = 0; code == SW_OK && (text = sw_args_value_at(args, "filter", i)) != NULL; i++) {
        code = sw_filter_parse(resource->message, text, &item, error);
        if (code == SW_OK)
            json_array_append_new(filters, item);
    }
    for (size_t i = listing->first_filter; code == SW_OK && i < args->word_count; i++) {
        code = sw_filter_parse(resource->message, args->words[i], &item, error);
        if (code == SW_OK)
            json_array_append_new(filters, item);
    }
    text = sw_args_has(args, "order") ? sw_args_value(args, "order") : listing->order;
    if (code == SW_OK && text != NULL) {
        code = sw_order_parse(resource->message, text, &item, error);
        if (code == SW_OK)
            json_object_set_new(request, "order_by", item);
    }
    if (code == SW_OK && (text = sw_args_value(args, "search")) != NULL)
        json_object_set_new(request, "search", json_string(text));
    return code == SW_OK ? sw_set_read_time(cli, resource->list, request, error) : code;
}

static sw_code print_count(sw_cli *cli, const sw_schema_resource *resource, json_t *request, sw_error *error)
{
    json_t *page = NULL;
    json_object_set_new(request, "page_size", json_integer(1));
    json_object_set_new(request, "show_total_size", json_true());
    sw_code code = sw_cli_call(cli, resource->list->path, request, NULL, &page, error);
    if (code == SW_OK) {
        json_t *total = json_object_get(page, "total_size");
        long long count = json_is_string(total) ? atoll(json_string_value(total)) : json_integer_value(total);
        printf(cli->json ? "{\"total_size\":%lld}\n" : "%lld\n", count);
    }
    json_decref(page);
    return code;
}

/* Prints page after page, until `limit` items are printed (0: all). */
static sw_code print_pages(sw_cli *cli, const sw_schema_resource *resource, json_t *request, size_t page_size,
                           size_t limit, sw_output *output, sw_error *error)
{
    for (;;) {
        size_t left = limit > 0 ? limit - output->rows : page_size;
        json_t *page = NULL;
        json_object_set_new(request, "page_size",
                            json_integer((json_int_t)(left < page_size ? left : page_size)));
        sw_code code = sw_cli_call(cli, resource->list->path, request, NULL, &page, error);
        if (code != SW_OK)
            return code;
        sw_cli_renew_deadline(cli);
        size_t index;
        json_t *item;
        json_array_foreach(json_object_get(page, "items"), index, item) sw_output_item(output, item);
        json_t *token = json_object_get(page, "next_page_token");
        bool more = json_string_length(token) > 0 && (limit == 0 || output->rows < limit) && !ferror(stdout);
        if (more)
            json_object_set(request, "page_token", token);
        json_decref(page);
        if (!more)
            return SW_OK;
    }
}

sw_code sw_list(sw_cli *cli, const sw_listing *listing, sw_error *error)
{
    const sw_schema *schema;
    sw_schema_resource resource;
    int64_t limit, page_size;
    if (sw_args_has(&cli->args, "count") && sw_args_has(&cli->args, "csv"))
        return sw_cli_usage(cli, error,
                            "--count prints one number (--json: an object with it); --csv is for rows");
    sw_code code = sw_args_number(&cli->args, "limit", 1, INT32_MAX, listing->limit, &limit, error);
    if (code == SW_OK)
        code = sw_args_number(&cli->args, "page-size", 1, PAGE_MOST, PAGE_MOST, &page_size, error);
    if (code == SW_OK)
        code = sw_cli_schema(cli, &schema, error);
    if (code == SW_OK)
        code = sw_schema_resource_find(schema, listing->resource, &resource, error);
    if (code == SW_OK && resource.list == NULL)
        code = sw_fail(error, SW_UNIMPLEMENTED, "%s cannot be listed", resource.plural);
    if (code != SW_OK)
        return code;
    json_t *request = json_object();
    code = build_request(cli, listing, &resource, request, error);
    if (code == SW_OK && sw_args_has(&cli->args, "count")) {
        code = print_count(cli, &resource, request, error);
    } else if (code == SW_OK) {
        sw_output output;
        code = sw_output_begin(&output, cli, resource.message, resource.keys, resource.key_count,
                               listing->fields, error);
        if (code == SW_OK)
            code = print_pages(cli, &resource, request, (size_t)page_size, (size_t)limit, &output, error);
        sw_output_end(&output, code != SW_OK);
    }
    json_decref(request);
    return code;
}

sw_code sw_cmd_list(sw_cli *cli, sw_error *error)
{
    if (cli->args.word_count < 1)
        return sw_cli_usage(cli, error, "list takes a RESOURCE");
    const sw_listing listing = {.resource = cli->args.words[0], .first_filter = 1};
    return sw_list(cli, &listing, error);
}

/* Reads JSON lines into rows of the plan. */
#include "cli/import/import.h"

#include "cli/rows/line_reader.h"
#include "cli/run/interrupt.h"
#include <string.h>

static json_t *parse_line(const char *text, size_t size, json_error_t *why)
{
    return json_loadb(text, size, JSON_REJECT_DUPLICATES | JSON_DECODE_ANY, why);
}

static sw_code read_object(sw_import *import, const sw_input *input, json_t *row, uint32_t origin,
                           sw_error *error)
{
    const sw_model_type *type = input->type;
    const json_t *named = json_object_get(row, "resource");
    if (type == NULL || (named != NULL && sw_model_field(type, "resource") == NULL)) {
        if (!json_is_string(named))
            return sw_import_bad_row(
                import, origin, "%s",
                "there is no member `resource` that says what this is; add it, or use --resource");
        sw_error why = {0};
        if (sw_model_require(import->model, json_string_value(named), &type, &why) != SW_OK)
            return sw_import_bad_row(import, origin, "%s", why.message);
        json_object_del(row, "resource");
    }
    json_object_del(row, SW_REASON_NAME);
    return sw_import_add(import, type, row, origin, error);
}

static sw_code read_json_line(sw_import *import, uint32_t index, const char *text, size_t size,
                              uint32_t origin, sw_error *error)
{
    json_error_t why;
    json_t *row = parse_line(text, size, &why);
    const json_t *line = json_object_get(row, SW_LINE_NAME); /* of a file of rejects */
    if (json_is_string(line)) {
        json_t *inner = parse_line(json_string_value(line), json_string_length(line), &why);
        json_decref(row);
        row = inner;
    }
    sw_code code;
    if (json_is_object(row) && sw_import_is_secret(row))
        code = sw_import_add_secret(import, row, origin, error);
    else if (json_is_object(row))
        code = read_object(import, &import->inputs[index], row, origin, error);
    else
        code = sw_import_bad_row(import, origin, "not a JSON object: %s",
                                 row ? "it is another kind of value" : why.text);
    json_decref(row);
    return code;
}

sw_code sw_import_read_jsonl(sw_import *import, uint32_t index, sw_error *error)
{
    sw_input *input = &import->inputs[index];
    sw_line_reader lines;
    sw_line_reader_open(&lines, input->file);
    sw_code code = SW_OK;
    int got = 0;
    while (code == SW_OK && !sw_cli_stopped() && (got = sw_line_reader_next(&lines)) > 0) {
        size_t size = lines.size;
        while (size > 0 && strchr(" \t\r\n", lines.text[size - 1]) != NULL && lines.text[size - 1] != '\0')
            size--;
        if (size == 0)
            continue;
        import->rows_read++;
        uint32_t origin = sw_import_plan_origin(import->plan, index, lines.number, lines.text, size);
        if (origin == SW_NO_ROW)
            code = sw_import_no_memory(error);
        else if (lines.too_long)
            code = sw_import_bad_row(import, origin, "%s", "longer than 4 MiB");
        else
            code = read_json_line(import, index, lines.text, size, origin, error);
        sw_import_progress(import, false);
    }
    if (code == SW_OK && got < 0)
        code = sw_import_read_failed(input, error);
    sw_line_reader_close(&lines);
    return code;
}

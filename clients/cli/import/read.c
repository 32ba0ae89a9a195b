/* What the readers of JSON lines (jsonl.c) and CSV (table.c) have in common, and the check of a
 * mapping against the schema. */
#include "cli/import/import.h"

#include "base/error.h"
#include "base/nearest.h"
#include <stdlib.h>
#include <string.h>

sw_code sw_import_read(sw_import *import, uint32_t input, sw_error *error)
{
    return import->inputs[input].kind == SW_INPUT_CSV ? sw_import_read_csv(import, input, error)
                                                      : sw_import_read_jsonl(import, input, error);
}

static sw_code check_target(const sw_map *map, const sw_map_target *target, const sw_model_type *type,
                            sw_error *error)
{
    for (const sw_map_field *field = target->fields; field != NULL; field = field->next) {
        const ProtobufCFieldDescriptor *found = sw_model_field(type, field->name);
        sw_nearest nearest;
        char hint[200];
        sw_nearest_init(&nearest, field->name, strlen(field->name));
        for (unsigned i = 0; i < type->message->n_fields; i++)
            sw_nearest_offer(&nearest, type->message->fields[i].name);
        sw_nearest_text(&nearest, "", hint, sizeof hint);
        if (found == NULL)
            return sw_fail(error, SW_INVALID_ARGUMENT, "%.200s:%u: %s has no field `%.80s`%s", map->path,
                           field->line, type->name, field->name, hint);
        if (sw_model_kind(type, found) != SW_FIELD_PLAIN)
            return sw_fail(error, SW_INVALID_ARGUMENT, "%.200s:%u: the registry sets %s.%s", map->path,
                           field->line, type->name, field->name);
    }
    for (size_t i = 0; i < type->key_count; i++) {
        bool set = false;
        for (const sw_map_field *field = target->fields; field != NULL; field = field->next)
            set = set || strcmp(field->name, type->key[i]->name) == 0;
        if (!set)
            return sw_fail(error, SW_INVALID_ARGUMENT,
                           "%.200s:%u: [%s] does not set `%s`, which is part of its key", map->path,
                           target->line, type->name, type->key[i]->name);
    }
    return SW_OK;
}

sw_code sw_import_check_map(sw_import *import, sw_error *error)
{
    size_t count = 0;
    for (const sw_map_target *target = import->map->targets; target != NULL; target = target->next)
        count++;
    import->map_types = calloc(count, sizeof *import->map_types);
    if (import->map_types == NULL)
        return sw_import_no_memory(error);
    for (const sw_map_target *target = import->map->targets; target != NULL; target = target->next) {
        sw_error why = {0};
        const sw_model_type **type = &import->map_types[target->index];
        if (sw_model_require(import->model, target->resource, type, &why) != SW_OK)
            return sw_fail(error, SW_INVALID_ARGUMENT, "%.200s:%u: %s", import->map->path, target->line,
                           why.message);
        sw_code code = check_target(import->map, target, *type, error);
        if (code != SW_OK)
            return code;
    }
    return SW_OK;
}

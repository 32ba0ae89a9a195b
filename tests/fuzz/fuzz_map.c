/* Mapping files of any text: refused with the line named, or evaluated for a row without leaving
 * the bounds. */
#include "cli/rows/map.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const char *const header[] = {"a", "b", "c d", ""};
static const char *const cells[] = {" One, Two ,,Three", "", "x|y\"z", "\xC3\xA9{}"};
#define COLUMNS 4

static void on_unplaced(void *context, size_t column, const char *reason)
{
    (void)context;
    if (column >= COLUMNS || *reason == '\0')
        abort();
}

static void evaluate(const sw_map *map)
{
    bool used[COLUMNS] = {0}, applies;
    sw_arena *arena = sw_arena_new(1 << 20);
    sw_template_row row = {.cells = cells, .used = used, .arena = arena, .unplaced = on_unplaced};
    for (const sw_map_target *target = map->targets; target != NULL; target = target->next) {
        sw_arena_reset(arena);
        if (sw_map_applies(target, &row, &applies, NULL) != SW_OK)
            continue;
        for (const sw_map_field *field = target->fields; field != NULL; field = field->next) {
            sw_values values;
            if (sw_template_values(&field->template, &row, &values, NULL) != SW_OK)
                continue;
            if (values.count == 0)
                abort();
            for (size_t i = 0; i < values.count; i++)
                if (strlen(values.items[i]) > 1 << 20)
                    abort();
        }
    }
    sw_arena_destroy(&arena);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    sw_map *map = NULL;
    sw_error error = {0};
    if (sw_map_parse("fuzz.map", (const char *)data, size, &map, &error) != SW_OK) {
        if (map != NULL || error.message[0] == '\0' || strncmp(error.message, "fuzz.map:", 9) != 0)
            abort();
        return 0;
    }
    if (sw_map_bind(map, header, COLUMNS, &error) == SW_OK)
        evaluate(map);
    sw_map_destroy(&map);
    return 0;
}

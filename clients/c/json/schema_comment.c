/* The comments of a schema, from the source code info of each file, see schema_build.h. */
#include "c/json/schema_build.h"

#include <stdlib.h>
#include <string.h>

static int compare_paths(const int32_t *a, size_t a_length, const int32_t *b, size_t b_length)
{
    for (size_t i = 0; i < a_length && i < b_length; i++)
        if (a[i] != b[i])
            return a[i] < b[i] ? -1 : 1;
    return a_length < b_length ? -1 : a_length > b_length;
}

static int compare_locations(const void *a, const void *b)
{
    const sw_location *one = *(const sw_location *const *)a, *other = *(const sw_location *const *)b;
    return compare_paths(one->path, one->n_path, other->path, other->n_path);
}

bool sw_comments_index(sw_arena *arena, const Google__Protobuf__FileDescriptorProto *file,
                       sw_comments *comments)
{
    *comments = (sw_comments){0};
    if (file->source_code_info == NULL || file->source_code_info->n_location == 0)
        return true;
    const Google__Protobuf__SourceCodeInfo *info = file->source_code_info;
    comments->locations = sw_arena_alloc(arena, info->n_location * sizeof(*comments->locations));
    if (comments->locations == NULL)
        return false;
    for (size_t i = 0; i < info->n_location; i++)
        if (info->location[i]->leading_comments != NULL)
            comments->locations[comments->count++] = info->location[i];
    qsort(comments->locations, comments->count, sizeof(*comments->locations), compare_locations);
    return true;
}

/* protoc keeps the blank after `//`, and the newline of each line. */
static const char *without_margin(sw_arena *arena, const char *text)
{
    char *clean = sw_arena_strndup(arena, text, strlen(text)), *to = clean;
    if (clean == NULL)
        return "";
    for (const char *from = text; *from != '\0';) {
        from += *from == ' ';
        const char *end = strchr(from, '\n');
        size_t size = end != NULL ? (size_t)(end - from) + 1 : strlen(from);
        memcpy(to, from, size);
        to += size;
        from += size;
    }
    while (to > clean && (to[-1] == '\n' || to[-1] == ' '))
        to--;
    *to = '\0';
    return clean;
}

const char *sw_comments_find(sw_arena *arena, const sw_comments *comments, const int32_t *path, size_t length)
{
    size_t low = 0, high = comments->count;
    while (low < high) {
        size_t middle = (low + high) / 2;
        const sw_location *location = comments->locations[middle];
        int order = compare_paths(path, length, location->path, location->n_path);
        if (order == 0)
            return without_margin(arena, location->leading_comments);
        if (order < 0)
            high = middle;
        else
            low = middle + 1;
    }
    return "";
}

/* The names of methods, see method.h. */
#include "c/method.h"
#include "base/error.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const void *key, const void *row)
{
    return strcmp(key, ((const sw_method_row *)row)->path);
}

/* The row of `Health/Check`, whatever its package; NULL if no row or several rows end so. */
static const sw_method_row *find_short(const char *name)
{
    const sw_method_row *found = NULL;
    size_t length = strlen(name);
    for (size_t i = 0; i < sw_method_row_count; i++) {
        size_t all = strlen(sw_method_rows[i].path);
        const char *end = sw_method_rows[i].path + all - length;
        if (all <= length || strcmp(end, name) != 0 || end[-1] != '.')
            continue;
        if (found != NULL)
            return NULL;
        found = &sw_method_rows[i];
    }
    return found;
}

sw_code sw_method_resolve(const char *method, char *path, size_t size, const sw_method_row **known,
                          sw_error *error)
{
    if (method == NULL)
        return sw_fail(error, SW_INVALID_ARGUMENT, "no method is given");
    const char *name = method[0] == '/' ? method + 1 : method, *slash = strchr(name, '/');
    if (slash == NULL || slash == name || slash[1] == '\0' || strchr(slash + 1, '/') != NULL)
        return sw_fail(error, SW_INVALID_ARGUMENT, "method '%.128s' must have the form Service/Method",
                       method);
    int length = snprintf(path, size, "/%s", name);
    if (length < 0 || (size_t)length >= size)
        return sw_fail(error, SW_INVALID_ARGUMENT, "the method's name is longer than %zu bytes", size - 2);
    const sw_method_row *row =
        bsearch(path, sw_method_rows, sw_method_row_count, sizeof(sw_method_row), compare);
    if (row == NULL && memchr(name, '.', (size_t)(slash - name)) == NULL && (row = find_short(name)) != NULL)
        snprintf(path, size, "%s", row->path);
    if (known != NULL)
        *known = row;
    return SW_OK;
}

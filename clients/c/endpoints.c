/* Parses and walks a list of endpoints, see endpoints.h. */
#include "c/endpoints.h"
#include "base/error.h"

#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

#define ENDPOINT_MAX 255 /* bytes */
#define SPACE        " \t\n"

static sw_code check_tcp(const char *endpoint, const char *address, sw_error *error)
{
    const char *colon = strrchr(address, ':');
    if (colon == NULL || colon == address)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "endpoints",
                             "endpoint '%s' must have the form tcp://HOST:PORT", endpoint);
    char *end;
    long port = strtol(colon + 1, &end, 10);
    if (*end != '\0' || colon[1] < '0' || colon[1] > '9' || port < 1 || port > 65535)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "endpoints",
                             "endpoint '%s': the port must be a number from 1 to 65535", endpoint);
    return SW_OK;
}

static sw_code check(const char *endpoint, sw_error *error)
{
    if (sw_endpoint_is_tcp(endpoint))
        return check_tcp(endpoint, endpoint + 6, error);
    if (strncmp(endpoint, "ipc://", 6) != 0)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "endpoints",
                             "endpoint '%s' must begin with tcp:// or ipc://", endpoint);
    size_t length = strlen(endpoint + 6), most = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    if (length == 0 || length > most)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "endpoints",
                             "endpoint '%s': the path must have 1 to %zu bytes", endpoint, most);
    return SW_OK;
}

static sw_code add(sw_endpoints *endpoints, const char *text, size_t size, sw_error *error)
{
    size_t margin = strspn(text, SPACE);
    margin = margin < size ? margin : size;
    text += margin;
    size -= margin;
    while (size > 0 && strchr(SPACE, text[size - 1]) != NULL)
        size--;
    if (size == 0 || size > ENDPOINT_MAX)
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "endpoints",
                             "endpoint '%.*s' is %s; expected tcp://HOST:PORT or ipc://PATH, comma-separated",
                             (int)(size < 64 ? size : 64), text, size == 0 ? "empty" : "too long");
    char **items = realloc(endpoints->items, (endpoints->count + 1) * sizeof(char *));
    if (items == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    endpoints->items = items;
    if ((items[endpoints->count] = strndup(text, size)) == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    return check(items[endpoints->count++], error);
}

sw_code sw_endpoints_parse(sw_endpoints *endpoints, const char *text, const char *variable, sw_error *error)
{
    *endpoints = (sw_endpoints){0};
    if (text == NULL)
        text = secure_getenv(variable);
    if (text == NULL || text[strspn(text, SPACE)] == '\0')
        return sw_fail_field(error, SW_INVALID_ARGUMENT, "endpoints",
                             "no endpoint is given; set %s, for instance by `. DIR/env`", variable);
    sw_code code = SW_OK;
    while (code == SW_OK && text != NULL) {
        const char *comma = strchr(text, ',');
        code = add(endpoints, text, comma != NULL ? (size_t)(comma - text) : strlen(text), error);
        text = comma != NULL ? comma + 1 : NULL;
    }
    return code;
}

void sw_endpoints_clear(sw_endpoints *endpoints)
{
    for (size_t i = 0; i < endpoints->count; i++)
        free(endpoints->items[i]);
    free(endpoints->items);
    *endpoints = (sw_endpoints){0};
}

const char *sw_endpoints_current(const sw_endpoints *endpoints)
{
    return endpoints->count == 0 ? "" : endpoints->items[endpoints->current];
}

void sw_endpoints_next(sw_endpoints *endpoints)
{
    endpoints->current = (endpoints->current + 1) % endpoints->count;
}

/* Fisher and Yates, with the multiplier of PCG. */
void sw_endpoints_shuffle(sw_endpoints *endpoints, uint64_t seed)
{
    for (size_t left = endpoints->count; left > 1; left--) {
        seed = seed * 6364136223846793005ULL + 1442695040888963407ULL;
        size_t at = (size_t)(seed >> 33) % left;
        char *last = endpoints->items[left - 1];
        endpoints->items[left - 1] = endpoints->items[at];
        endpoints->items[at] = last;
    }
}

bool sw_endpoint_is_tcp(const char *endpoint)
{
    return strncmp(endpoint, "tcp://", 6) == 0;
}

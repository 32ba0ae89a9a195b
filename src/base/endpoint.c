/* Checking endpoints (endpoint.h). */
#include "base/endpoint.h"

#include "base/error.h"
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>
#include <unistd.h>

#define ENDPOINT_MAX 256 /* with its NUL, as libzmq gives them back */

static sw_code check_tcp(const char *endpoint, bool bind, sw_error *error)
{
    const char *address = endpoint + strlen("tcp://"), *colon = strrchr(address, ':');
    if (colon == NULL || colon == address || colon[1] == '\0')
        return sw_fail(error, SW_INVALID_ARGUMENT, "%s is incomplete: give tcp://HOST:PORT", endpoint);
    if (!bind && *address == '*')
        return sw_fail(error, SW_INVALID_ARGUMENT,
                       "%s: `*` is only for listening: give the name or address of a host", endpoint);
    if (strcmp(colon + 1, "*") == 0)
        return bind ? SW_OK
                    : sw_fail(error, SW_INVALID_ARGUMENT, "%s: give the number of the port", endpoint);
    char *end;
    long port = strtol(colon + 1, &end, 10);
    if (*end != '\0' || colon[1] < '0' || colon[1] > '9' || port > 65535 || (port == 0 && !bind))
        return sw_fail(error, SW_INVALID_ARGUMENT, "%s: the port is a number from 1 to 65535", endpoint);
    return SW_OK;
}

static sw_code check_ipc(const char *endpoint, bool bind, sw_error *error)
{
    const char *path = endpoint + strlen("ipc://"), *slash = strrchr(path, '/');
    const size_t longest = sizeof(((struct sockaddr_un *)NULL)->sun_path) - 1;
    char folder[ENDPOINT_MAX] = ".";
    if (*path == '\0')
        return sw_fail(error, SW_INVALID_ARGUMENT, "%s is incomplete: give ipc://PATH", endpoint);
    if (strlen(path) > longest)
        return sw_fail(error, SW_INVALID_ARGUMENT, "%s: the path is longer than %zu bytes", endpoint,
                       longest);
    if (*path == '@' || !bind)
        return SW_OK;
    if (slash != NULL)
        snprintf(folder, sizeof(folder), "%.*s", slash == path ? 1 : (int)(slash - path), path);
    if (access(folder, W_OK | X_OK) != 0)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "%s: %s in the folder %s: it must exist, and the user of this program must be able to "
                       "write it",
                       endpoint, strerror(errno), folder);
    return SW_OK;
}

static sw_code check_one(const char *endpoint, bool bind, sw_error *error)
{
    if (strncmp(endpoint, "tcp://", 6) == 0)
        return check_tcp(endpoint, bind, error);
    if (strncmp(endpoint, "ipc://", 6) == 0)
        return check_ipc(endpoint, bind, error);
    return sw_fail(error, SW_INVALID_ARGUMENT, "`%s` is not an endpoint: give tcp://HOST:PORT or ipc://PATH",
                   endpoint);
}

sw_code sw_endpoints_check(const char *list, bool bind, sw_error *error)
{
    char endpoint[ENDPOINT_MAX];
    sw_code code = SW_OK;
    for (const char *at = list; code == SW_OK && at != NULL && *at != '\0';) {
        size_t size = strcspn(at, ",");
        if (size >= sizeof(endpoint))
            return sw_fail(error, SW_INVALID_ARGUMENT, "an endpoint is longer than %d bytes",
                           ENDPOINT_MAX - 1);
        snprintf(endpoint, sizeof(endpoint), "%.*s", (int)size, at);
        code = size == 0 ? SW_OK : check_one(endpoint, bind, error);
        at += size + (at[size] == ',');
    }
    return code;
}

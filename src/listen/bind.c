/* Binding to tcp and ipc (bind.h). */
#include "listen/bind.h"

#include "base/error.h"
#include "listen/network.h"
#include "net/address.h"
#include <arpa/inet.h>
#include <errno.h>
#include <ifaddrs.h>
#include <net/if.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 1024

bool sw_endpoint_is_network(const char *endpoint)
{
    return strncmp(endpoint, "tcp://", 6) == 0;
}

/* The path of an ipc endpoint that has a file; NULL for any other. */
static const char *file_of(const char *endpoint)
{
    return strncmp(endpoint, "ipc://", 6) == 0 && endpoint[6] != '@' ? endpoint + 6 : NULL;
}

/* --- addresses --- */

/* An interface by name, with its first IPv4 address. */
static bool find_interface(const char *name, struct in_addr *address)
{
    struct ifaddrs *all = NULL;
    bool found = false;
    if (getifaddrs(&all) != 0)
        return false;
    for (const struct ifaddrs *each = all; each != NULL && !found; each = each->ifa_next) {
        found = each->ifa_addr != NULL && each->ifa_addr->sa_family == AF_INET &&
                strcmp(each->ifa_name, name) == 0;
        if (found)
            *address = ((const struct sockaddr_in *)(const void *)each->ifa_addr)->sin_addr;
    }
    freeifaddrs(all);
    return found;
}

static bool parse_port(const char *text, in_port_t *port)
{
    char *end = NULL;
    long value = strcmp(text, "*") == 0 ? 0 : strtol(text, &end, 10);
    if ((end != NULL && (end == text || *end != '\0')) || value < 0 || value > UINT16_MAX)
        return false;
    *port = htons((uint16_t)value);
    return true;
}

static bool parse_tcp(const char *text, sw_address *address)
{
    char host[IF_NAMESIZE + INET6_ADDRSTRLEN];
    const char *colon = strrchr(text, ':');
    size_t size = colon == NULL ? 0 : (size_t)(colon - text);
    struct sockaddr_in *in = (void *)&address->storage;
    struct sockaddr_in6 *in6 = (void *)&address->storage;
    in_port_t port;
    if (size == 0 || size >= sizeof(host) || !parse_port(colon + 1, &port))
        return false;
    bool is_bracketed = text[0] == '[' && text[size - 1] == ']';
    snprintf(host, sizeof(host), "%.*s", (int)(size - 2 * is_bracketed), text + is_bracketed);
    if (inet_pton(AF_INET6, host, &in6->sin6_addr) == 1) {
        in6->sin6_family = AF_INET6;
        in6->sin6_port = port;
        address->size = sizeof(*in6);
        return true;
    }
    in->sin_family = AF_INET;
    in->sin_port = port;
    address->size = sizeof(*in);
    return strcmp(host, "*") == 0 || inet_pton(AF_INET, host, &in->sin_addr) == 1 ||
           find_interface(host, &in->sin_addr);
}

static bool parse(const char *endpoint, sw_address *address)
{
    memset(address, 0, sizeof(*address));
    return sw_endpoint_is_network(endpoint) ? parse_tcp(endpoint + 6, address)
                                            : sw_address_parse(endpoint, address);
}

/* --- binding --- */

/* Removes the socket file of a process that was killed: nobody listens on it. One that accepts is
 * another process's. */
static void remove_stale(const char *path, const sw_address *address)
{
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd >= 0 && connect(fd, (const struct sockaddr *)&address->storage, address->size) != 0 &&
        errno == ECONNREFUSED)
        unlink(path);
    if (fd >= 0)
        close(fd);
}

static int open_socket(const sw_address *address, bool is_guarded)
{
    const int on = 1;
    int fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (fd < 0)
        return -1;
    if (address->storage.ss_family != AF_UNIX)
        setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on));
    mode_t before = umask(0);
    umask(is_guarded ? before | 007 : before);
    bool good =
        bind(fd, (const struct sockaddr *)&address->storage, address->size) == 0 && listen(fd, BACKLOG) == 0;
    int error = errno;
    umask(before);
    if (!good)
        close(fd);
    errno = error;
    return good ? fd : -1;
}

static void describe(int fd, const char *endpoint, char bound[SW_ENDPOINT_SIZE])
{
    struct sockaddr_storage address = {0};
    socklen_t size = sizeof(address);
    char text[SW_ADDRESS_TEXT_SIZE];
    snprintf(bound, SW_ENDPOINT_SIZE, "%s", endpoint);
    if (sw_endpoint_is_network(endpoint) && getsockname(fd, (struct sockaddr *)&address, &size) == 0) {
        sw_network_text(&address, text);
        snprintf(bound, SW_ENDPOINT_SIZE, "tcp://%s", text);
    }
}

sw_code sw_listen_at(const char *endpoint, bool is_guarded, int *fd, char bound[SW_ENDPOINT_SIZE],
                     sw_error *error)
{
    sw_address address;
    const char *path = file_of(endpoint);
    if (!parse(endpoint, &address))
        return sw_fail(error, SW_INVALID_ARGUMENT,
                       "%s is not tcp://HOST:PORT with a numeric host, an interface or *, nor ipc://PATH",
                       endpoint);
    if (path != NULL)
        remove_stale(path, &address);
    *fd = open_socket(&address, is_guarded);
    if (*fd >= 0) {
        describe(*fd, endpoint, bound);
        return SW_OK;
    }
    if (errno == EADDRINUSE)
        return sw_fail(error, SW_ALREADY_EXISTS, "%s is in use by another process", endpoint);
    return sw_fail(error, SW_INVALID_ARGUMENT, "cannot bind %s: %s", endpoint, strerror(errno));
}

void sw_listen_close(int fd, const char *bound)
{
    const char *path = file_of(bound);
    close(fd);
    if (path != NULL)
        unlink(path);
}

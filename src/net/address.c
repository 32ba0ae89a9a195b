/* ZeroMQ endpoints as socket addresses (address.h). */
#include "net/address.h"

#include <netdb.h>
#include <netinet/in.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/un.h>

static bool parse_path(const char *path, sw_address *address)
{
    struct sockaddr_un *to = (struct sockaddr_un *)&address->storage;
    size_t length = strlen(path);
    if (length == 0 || length >= sizeof(to->sun_path))
        return false;
    to->sun_family = AF_UNIX;
    memcpy(to->sun_path, path, length + 1);
    address->size = sizeof(*to);
    if (path[0] == '@') { /* an abstract name of Linux, written as libzmq does */
        to->sun_path[0] = '\0';
        address->size = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + length);
    }
    return true;
}

static bool parse_host(const char *text, sw_address *address)
{
    char host[INET6_ADDRSTRLEN + 32];
    const char *colon = strrchr(text, ':');
    size_t length = colon == NULL ? 0 : (size_t)(colon - text);
    if (length > 2 && text[0] == '[' && text[length - 1] == ']') {
        text++;
        length -= 2;
    }
    char *end;
    long port = colon == NULL ? 0 : strtol(colon + 1, &end, 10);
    if (length == 0 || length >= sizeof(host) || port < 1 || port > UINT16_MAX || *end != '\0')
        return false;
    memcpy(host, text, length);
    host[length] = '\0';
    struct addrinfo *found = NULL,
                    hints = {.ai_flags = AI_NUMERICHOST | AI_NUMERICSERV, .ai_socktype = SOCK_STREAM};
    if (getaddrinfo(host, colon + 1, &hints, &found) != 0)
        return false;
    memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
    address->size = found->ai_addrlen;
    freeaddrinfo(found);
    return true;
}

bool sw_address_parse(const char *endpoint, sw_address *address)
{
    memset(address, 0, sizeof(*address));
    if (strncmp(endpoint, "ipc://", 6) == 0)
        return parse_path(endpoint + 6, address);
    return strncmp(endpoint, "tcp://", 6) == 0 && parse_host(endpoint + 6, address);
}

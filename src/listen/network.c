/* Addresses of 16 bytes (network.h). */
#include "listen/network.h"

#include "base/error.h"
#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool parse_address(const char *text, uint8_t address[16], int *most)
{
    *most = 128;
    if (inet_pton(AF_INET6, text, address) == 1)
        return true;
    *most = 32;
    memcpy(address, mapped, sizeof(mapped));
    return inet_pton(AF_INET, text, address + 12) == 1;
}

static bool parse_one(char *text, sw_network *network)
{
    char *slash = strchr(text, '/'), *end = NULL;
    int most;
    if (slash != NULL)
        *slash = '\0';
    if (!parse_address(text, network->address, &most))
        return false;
    long bits = slash == NULL ? most : strtol(slash + 1, &end, 10);
    if (slash != NULL && (end == slash + 1 || *end != '\0' || bits < 0 || bits > most))
        return false;
    network->bits = (uint8_t)(bits + 128 - most);
    return true;
}

sw_code sw_networks_parse(sw_networks *networks, const char *text, sw_error *error)
{
    networks->count = 0;
    for (const char *at = text == NULL ? "" : text; *at != '\0';) {
        char one[SW_ADDRESS_TEXT_SIZE];
        size_t size = strcspn(at, ",");
        snprintf(one, sizeof(one), "%.*s", (int)(size < sizeof(one) ? size : sizeof(one)), at);
        if (networks->count == SW_NETWORKS_MAX)
            return sw_fail(error, SW_INVALID_ARGUMENT, "more than %d networks", SW_NETWORKS_MAX);
        if (size >= sizeof(one) || !parse_one(one, &networks->items[networks->count]))
            return sw_fail(error, SW_INVALID_ARGUMENT,
                           "expected ADDRESS or ADDRESS/BITS, comma-separated, not `%.*s`",
                           (int)(size < 100 ? size : 100), at);
        networks->count++;
        at += size + (at[size] == ',');
    }
    return SW_OK;
}

static bool contains(const sw_network *network, const uint8_t address[16])
{
    size_t bytes = network->bits / 8, bits = network->bits % 8;
    uint8_t mask = (uint8_t)(0xff00U >> bits);
    return memcmp(network->address, address, bytes) == 0 &&
           (bits == 0 || ((network->address[bytes] ^ address[bytes]) & mask) == 0);
}

bool sw_networks_contain(const sw_networks *networks, const uint8_t address[16])
{
    for (size_t i = 0; i < networks->count; i++)
        if (contains(&networks->items[i], address))
            return true;
    return false;
}

bool sw_network_address(const struct sockaddr_storage *from, uint8_t address[16])
{
    if (from->ss_family == AF_INET6) {
        memcpy(address, &((const struct sockaddr_in6 *)(const void *)from)->sin6_addr, 16);
    } else if (from->ss_family == AF_INET) {
        memcpy(address, mapped, sizeof(mapped));
        memcpy(address + 12, &((const struct sockaddr_in *)(const void *)from)->sin_addr, 4);
    } else {
        memset(address, 0, 16);
    }
    return from->ss_family == AF_INET6 || from->ss_family == AF_INET;
}

void sw_network_text(const struct sockaddr_storage *from, char text[SW_ADDRESS_TEXT_SIZE])
{
    char host[INET6_ADDRSTRLEN] = "";
    const struct sockaddr_in *in = (const void *)from;
    const struct sockaddr_in6 *in6 = (const void *)from;
    bool is_6 = from->ss_family == AF_INET6;
    text[0] = '\0';
    if (is_6 || from->ss_family == AF_INET) {
        inet_ntop(from->ss_family, is_6 ? (const void *)&in6->sin6_addr : &in->sin_addr, host, sizeof(host));
        snprintf(text, SW_ADDRESS_TEXT_SIZE, is_6 ? "[%s]:%d" : "%s:%d", host,
                 ntohs(is_6 ? in6->sin6_port : in->sin_port));
    }
}

void sw_network_mask_host(uint8_t address[16])
{
    if (memcmp(address, mapped, sizeof(mapped)) != 0)
        memset(address + 8, 0, 8);
}

/* IP addresses of peers, and lists of networks: --trusted-addresses. IPv4 is kept as IPv6
 * (::ffff:a.b.c.d). Pure. Used by listener.c and the broker's options. */
#ifndef SW_LISTEN_NETWORK_H
#define SW_LISTEN_NETWORK_H

#include <sitewire/status.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/socket.h>

#define SW_NETWORKS_MAX      64
#define SW_ADDRESS_TEXT_SIZE 64 /* bytes, with NUL */

typedef struct sw_network {
    uint8_t address[16];
    uint8_t bits; /* of the address that count */
} sw_network;

typedef struct sw_networks {
    sw_network items[SW_NETWORKS_MAX];
    size_t count;
} sw_networks;

/* Reads ADDRESS[/BITS],... ; NULL is empty. INVALID_ARGUMENT names the part that is wrong. */
sw_code sw_networks_parse(sw_networks *networks, const char *text, sw_error *error);
bool sw_networks_contain(const sw_networks *networks, const uint8_t address[16]);

/* The address of a socket, and its text with the port. False for a Unix socket. */
bool sw_network_address(const struct sockaddr_storage *from, uint8_t address[16]);
void sw_network_text(const struct sockaddr_storage *from, char text[SW_ADDRESS_TEXT_SIZE]);
/* Zeroes what one host may choose: the lower half of an IPv6 address. */
void sw_network_mask_host(uint8_t address[16]);

#endif

/* Names of properties after a length of one byte, values after one of four (metadata.h). */
#include "listen/metadata.h"

#include <string.h>
#include <strings.h>

static const struct {
    const char *name, *peers[3];
} types[] = {
    [SW_SOCKET_ROUTER] = {"ROUTER", {"DEALER", "REQ", "ROUTER"}},
    [SW_SOCKET_XPUB] = {"XPUB", {"SUB", "XSUB"}},
    [SW_SOCKET_XSUB] = {"XSUB", {"PUB", "XPUB"}},
};

static const char type_name[] = "Socket-Type", identity_name[] = "Identity";

static bool is_peer(sw_socket_type own, sw_view type)
{
    for (int i = 0; i < 3 && types[own].peers[i] != NULL; i++)
        if (sw_view_equal(type, sw_view_of(types[own].peers[i])))
            return true;
    return false;
}

/* Takes the first property off. False at the end (*rest is empty), or if it is malformed. */
static bool next_property(sw_view *rest, sw_view *name, sw_view *value)
{
    const uint8_t *at = (const uint8_t *)rest->data;
    size_t length = rest->size == 0 ? 0 : at[0], head = 1 + length + 4;
    if (rest->size < head)
        return false;
    size_t size =
        (size_t)at[head - 4] << 24 | (size_t)at[head - 3] << 16 | (size_t)at[head - 2] << 8 | at[head - 1];
    if (rest->size - head < size)
        return false;
    *name = (sw_view){rest->data + 1, length};
    *value = (sw_view){rest->data + head, size};
    *rest = (sw_view){rest->data + head + size, rest->size - head - size};
    return true;
}

static bool is_named(sw_view name, const char *text)
{
    return name.size == strlen(text) && strncasecmp(name.data, text, name.size) == 0;
}

bool sw_metadata_accepts(sw_socket_type own, sw_view metadata, bool *reads_errors)
{
    const size_t size = strlen(SW_READS_ERRORS);
    bool accepted = false;
    sw_view name, value;
    *reads_errors = false;
    while (next_property(&metadata, &name, &value)) {
        if (is_named(name, type_name))
            accepted = is_peer(own, value);
        else if (is_named(name, identity_name))
            *reads_errors = value.size > size && memcmp(value.data, SW_READS_ERRORS, size) == 0;
    }
    return accepted && metadata.size == 0;
}

size_t sw_metadata_write(sw_socket_type own, uint8_t to[SW_METADATA_SIZE])
{
    size_t length = strlen(type_name), size = strlen(types[own].name);
    to[0] = (uint8_t)length;
    memcpy(to + 1, type_name, length);
    memcpy(to + 1 + length, (const uint8_t[4]){0, 0, 0, (uint8_t)size}, 4);
    memcpy(to + 5 + length, types[own].name, size);
    return 5 + length + size;
}

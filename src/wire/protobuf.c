/* Varints of several bytes (protobuf.h). */
#include "wire/protobuf.h"

bool sw_pb_long_varint(sw_pb_reader *reader, unsigned bytes_max, uint64_t *value)
{
    uint64_t sum = 0;
    for (unsigned i = 0; i < bytes_max && reader->at < reader->end; i++) {
        uint8_t byte = *reader->at++;
        if (i == SW_PB_VARINT_MAX - 1 && byte > 1)
            return false;
        sum |= (uint64_t)(byte & 0x7f) << 7 * i;
        if (byte < 0x80) {
            *value = sum;
            return true;
        }
    }
    return false;
}

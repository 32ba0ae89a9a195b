/* The protobuf of an Event by hand (event.h); test_watch compares it with protobuf-c's. */
#include "c/watch/event.h"
#include "base/utf8.h"

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

typedef struct field {
    uint32_t number;
    uint64_t value; /* of VARINT */
    sw_view bytes;  /* of BYTES */
} field;

static bool read_varint(sw_view *rest, uint64_t *value)
{
    *value = 0;
    for (size_t i = 0; i < rest->size && i < 10; i++) {
        uint8_t byte = (uint8_t)rest->data[i];
        *value |= (uint64_t)(byte & 0x7f) << (7 * i);
        if (byte < 0x80) {
            rest->data += i + 1;
            rest->size -= i + 1;
            return true;
        }
    }
    return false;
}

static bool skip(sw_view *rest, uint64_t size)
{
    if (size > rest->size)
        return false;
    rest->data += size;
    rest->size -= (size_t)size;
    return true;
}

static bool read_field(sw_view *rest, field *f)
{
    uint64_t tag;
    if (!read_varint(rest, &tag) || tag >> 3 == 0 || tag >> 3 > 0x1fffffff)
        return false;
    *f = (field){.number = (uint32_t)(tag >> 3)};
    switch (tag & 7) {
    case VARINT:
        return read_varint(rest, &f->value);
    case BYTES:
        if (!read_varint(rest, &f->value))
            return false;
        f->bytes = (sw_view){rest->data, (size_t)f->value};
        return skip(rest, f->value);
    case FIXED64:
        return skip(rest, 8);
    case FIXED32:
        return skip(rest, 4);
    default:
        return false;
    }
}

static bool read_time(sw_view bytes, int64_t *us)
{
    field f;
    int64_t seconds = 0, nanos = 0;
    while (bytes.size > 0) {
        if (!read_field(&bytes, &f))
            return false;
        if (f.number == 1)
            seconds = (int64_t)f.value;
        else if (f.number == 2)
            nanos = (int64_t)f.value;
    }
    return !__builtin_mul_overflow(seconds, 1000000, us) && !__builtin_add_overflow(*us, nanos / 1000, us);
}

static bool take_text(sw_view *to, sw_view text)
{
    *to = text;
    return text.size == 0 || sw_utf8_valid(text.data, text.size);
}

bool sw_event_decode(sw_view bytes, sw_event_view *event)
{
    field f;
    bool good = true;
    *event = (sw_event_view){0};
    while (good && bytes.size > 0) {
        if (!read_field(&bytes, &f))
            return false;
        switch (f.number) {
        case 1:
            event->position = (int64_t)f.value;
            break;
        case 2:
            good = take_text(&event->project, f.bytes);
            break;
        case 3:
            event->project_sequence = (int64_t)f.value;
            break;
        case 4:
            event->deployment = (int64_t)f.value;
            break;
        case 5:
            good = take_text(&event->kind, f.bytes);
            break;
        case 6:
            good = read_time(f.bytes, &event->at_us);
            break;
        case 7:
            good = take_text(&event->payload, f.bytes);
            break;
        case 8:
            event->previous_position = (int64_t)f.value;
            break;
        default:
            break;
        }
    }
    return good && event->position > 0 && event->project.size > 0;
}

bool sw_event_next(sw_view *rest, sw_view *item)
{
    field f;
    while (rest->size > 0) {
        sw_view before = *rest;
        if (!read_field(rest, &f)) {
            *rest = before;
            return false;
        }
        if (f.number == 1) {
            *item = f.bytes;
            return true;
        }
    }
    return false;
}

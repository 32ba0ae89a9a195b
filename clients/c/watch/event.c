/* Decodes events in place, see event.h. test_watch compares the results with those of
 * protobuf-c. */
#include "c/watch/event.h"
#include "wire/protobuf.h"

/* A google.protobuf.Timestamp, in microseconds. */
static bool read_time(const sw_pb_field *time, int64_t *us)
{
    sw_pb_reader reader = sw_pb_read(time->bytes);
    int64_t seconds = 0, nanos = 0;
    bool good = time->type == SW_PB_BYTES;
    for (sw_pb_field field; good && sw_pb_next(&reader, &field);) {
        if (field.number == 1)
            good = sw_pb_i64(&field, &seconds);
        else if (field.number == 2)
            good = sw_pb_i64(&field, &nanos);
    }
    return good && sw_pb_good(&reader) && !__builtin_mul_overflow(seconds, 1000000, us) &&
           !__builtin_add_overflow(*us, nanos / 1000, us);
}

static bool take_field(const sw_pb_field *field, sw_event_view *event)
{
    switch (field->number) {
    case 1:
        return sw_pb_i64(field, &event->position);
    case 2:
        return sw_pb_text(field, &event->project);
    case 3:
        return sw_pb_i64(field, &event->project_sequence);
    case 4:
        return sw_pb_i64(field, &event->deployment);
    case 5:
        return sw_pb_text(field, &event->kind);
    case 6:
        return read_time(field, &event->at_us);
    case 7:
        return sw_pb_text(field, &event->payload);
    case 8:
        return sw_pb_i64(field, &event->previous_position);
    default:
        return true;
    }
}

bool sw_event_decode(sw_view bytes, sw_event_view *event)
{
    sw_pb_reader reader = sw_pb_read(bytes);
    *event = (sw_event_view){0};
    for (sw_pb_field field; sw_pb_next(&reader, &field);)
        if (!take_field(&field, event))
            return false;
    return sw_pb_good(&reader) && event->position > 0 && event->project.size > 0;
}

bool sw_event_next(sw_view *rest, sw_view *item)
{
    sw_pb_reader reader = sw_pb_read(*rest);
    for (sw_pb_field field; sw_pb_next(&reader, &field);) {
        *rest = (sw_view){(const char *)reader.at, (size_t)(reader.end - reader.at)};
        if (field.number == 1 && field.type == SW_PB_BYTES) {
            *item = field.bytes;
            return true;
        }
    }
    return false;
}

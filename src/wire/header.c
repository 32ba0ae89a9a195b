/* The RPC headers, encoded and decoded by hand: every call has them, and protobuf-c would allocate
 * memory for each field. The bytes are plain protobuf, so other languages use generated code. */
#include "wire/header.h"

#include "wire/protobuf.h"
#include <stdio.h>
#include <string.h>

/* --- Encoding: each put adds the bytes that it needs and writes only where there is room --- */

typedef struct {
    uint8_t *to;
    size_t capacity, used;
} writer;

/* Where the next `size` bytes go, or NULL if there is no room for them. */
static uint8_t *reserve(writer *w, size_t size)
{
    bool fits = w->used <= w->capacity && size <= w->capacity - w->used;
    uint8_t *at = fits ? w->to + w->used : NULL;
    w->used += size;
    return at;
}

static size_t number_size(uint64_t value)
{
    return value == 0 ? 0 : 1 + sw_pb_varint_size(value);
}

static size_t text_size(sw_view text)
{
    return text.size == 0 ? 0 : 1 + sw_pb_varint_size(text.size) + text.size;
}

static void put_number(writer *w, unsigned field, uint64_t value)
{
    uint8_t *at = value == 0 ? NULL : reserve(w, number_size(value));
    if (at != NULL)
        sw_pb_put_varint(sw_pb_put_key(at, field, SW_PB_VARINT), value);
}

static void put_text(writer *w, unsigned field, sw_view text)
{
    uint8_t *at = text.size == 0 ? NULL : reserve(w, text_size(text));
    if (at != NULL)
        sw_pb_put_bytes(at, field, text);
}

/* The key and length of a message field, also of an empty one. */
static void put_message(writer *w, unsigned field, size_t size)
{
    uint8_t *at = reserve(w, 1 + sw_pb_varint_size(size));
    if (at != NULL)
        sw_pb_put_varint(sw_pb_put_key(at, field, SW_PB_BYTES), size);
}

static void put_pairs(writer *w, unsigned field, const sw_pair *pairs, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        put_message(w, field, text_size(pairs[i].key) + text_size(pairs[i].value));
        put_text(w, 1, pairs[i].key);
        put_text(w, 2, pairs[i].value);
    }
}

size_t sw_call_header_encode(const sw_call_header *header, uint8_t *to, size_t capacity)
{
    writer w = {to, capacity, 0};
    put_text(&w, 1, header->method);
    put_number(&w, 2, header->call_id);
    put_number(&w, 3, header->time_left_ms);
    put_text(&w, 4, header->request_id);
    put_number(&w, 5, header->credit);
    put_pairs(&w, 6, header->metadata, header->metadata_count);
    put_text(&w, 7, header->destination);
    put_number(&w, 8, header->elsewhere);
    return w.used;
}

size_t sw_handover_encode(const sw_handover *handover, uint8_t *to, size_t capacity)
{
    writer w = {to, capacity, 0};
    put_text(&w, 1, handover->caller);
    put_number(&w, 2, handover->queue_us);
    put_number(&w, 3, handover->time_left_ms);
    put_text(&w, 4, handover->key);
    put_number(&w, 5, handover->database);
    put_number(&w, 6, handover->timeline);
    return w.used;
}

static void put_detail(writer *w, const sw_detail *detail)
{
    size_t inner = 0;
    switch (detail->kind) {
    case SW_DETAIL_FIELD:
        inner = text_size(detail->field) + text_size(detail->description);
        break;
    case SW_DETAIL_RESOURCE:
        inner = text_size(detail->type) + text_size(detail->key) + text_size(detail->description);
        break;
    case SW_DETAIL_RETRY:
        inner = number_size(detail->delay_ms);
        break;
    case SW_DETAIL_EXECUTION:
        inner = number_size(detail->may_have_run);
        break;
    case SW_DETAIL_ELSEWHERE:
        break;
    }
    put_message(w, 4, 1 + sw_pb_varint_size(inner) + inner);
    put_message(w, (unsigned)detail->kind, inner);
    switch (detail->kind) {
    case SW_DETAIL_FIELD:
        put_text(w, 1, detail->field);
        put_text(w, 2, detail->description);
        break;
    case SW_DETAIL_RESOURCE:
        put_text(w, 1, detail->type);
        put_text(w, 2, detail->key);
        put_text(w, 3, detail->description);
        break;
    case SW_DETAIL_RETRY:
        put_number(w, 1, detail->delay_ms);
        break;
    case SW_DETAIL_EXECUTION:
        put_number(w, 1, detail->may_have_run);
        break;
    case SW_DETAIL_ELSEWHERE:
        break;
    }
}

size_t sw_reply_header_encode(const sw_reply_header *header, uint8_t *to, size_t capacity)
{
    writer w = {to, capacity, 0};
    const sw_timing *t = &header->timing;
    size_t timing = number_size(t->queue_us) + number_size(t->service_us) + number_size(t->sql_us);
    put_number(&w, 1, header->call_id);
    put_number(&w, 2, header->code);
    put_text(&w, 3, header->message);
    for (size_t i = 0; i < header->detail_count; i++)
        put_detail(&w, &header->details[i]);
    put_pairs(&w, 5, header->trailers, header->trailer_count);
    if (timing > 0) {
        put_message(&w, 6, timing);
        put_number(&w, 1, t->queue_us);
        put_number(&w, 2, t->service_us);
        put_number(&w, 3, t->sql_us);
    }
    return w.used;
}

/* --- Decoding --- */

static bool take_pair(const sw_pb_field *f, sw_pair *pairs, size_t *count)
{
    if (f->type != SW_PB_BYTES || *count == SW_METADATA_MAX)
        return false;
    sw_pair *pair = &pairs[(*count)++];
    *pair = (sw_pair){0};
    sw_pb_reader r = sw_pb_read(f->bytes);
    sw_pb_field inner;
    bool good = true;
    while (good && sw_pb_next(&r, &inner)) {
        if (inner.number == 1)
            good = sw_pb_text(&inner, &pair->key);
        else if (inner.number == 2)
            good = sw_pb_text(&inner, &pair->value);
    }
    return good && sw_pb_good(&r);
}

bool sw_call_header_decode(const void *from, size_t size, sw_call_header *header)
{
    /* Clearing the metadata, too, would cost more than everything else. */
    header->method = header->request_id = header->destination = (sw_view){0};
    header->call_id = 0;
    header->time_left_ms = header->credit = 0;
    header->elsewhere = false;
    header->metadata_count = 0;
    if (size > SW_HEADER_MAX)
        return false;
    sw_pb_reader r = sw_pb_read((sw_view){from, size});
    sw_pb_field f;
    uint64_t number;
    bool good = true;
    while (good && sw_pb_next(&r, &f)) {
        switch (f.number) {
        case 1:
            good = sw_pb_text(&f, &header->method);
            break;
        case 2:
            good = sw_pb_u64(&f, &header->call_id);
            break;
        case 3:
            good = sw_pb_u32(&f, &header->time_left_ms);
            break;
        case 4:
            good = sw_pb_text(&f, &header->request_id);
            break;
        case 5:
            good = sw_pb_u32(&f, &header->credit);
            break;
        case 6:
            good = take_pair(&f, header->metadata, &header->metadata_count);
            break;
        case 7:
            good = sw_pb_text(&f, &header->destination);
            break;
        case 8:
            good = sw_pb_u64(&f, &number);
            header->elsewhere = good && number != 0;
            break;
        default:
            break;
        }
    }
    return good && sw_pb_good(&r);
}

uint64_t sw_call_header_find_id(const void *from, size_t size)
{
    sw_pb_reader r = sw_pb_read((sw_view){from, size < SW_HEADER_MAX ? size : SW_HEADER_MAX});
    sw_pb_field f;
    uint64_t call_id = 0;
    while (call_id == 0 && sw_pb_next(&r, &f))
        if (f.number == 2 && !sw_pb_u64(&f, &call_id))
            call_id = 0;
    return call_id;
}

bool sw_handover_decode(const void *from, size_t size, sw_handover *handover)
{
    *handover = (sw_handover){0};
    if (size > SW_HEADER_MAX)
        return false;
    sw_pb_reader r = sw_pb_read((sw_view){from, size});
    sw_pb_field f;
    bool good = true;
    while (good && sw_pb_next(&r, &f)) {
        switch (f.number) {
        case 1:
            good = sw_pb_text(&f, &handover->caller);
            break;
        case 2:
            good = sw_pb_u32(&f, &handover->queue_us);
            break;
        case 3:
            good = sw_pb_u32(&f, &handover->time_left_ms);
            break;
        case 4:
            good = sw_pb_text(&f, &handover->key);
            break;
        case 5:
            good = sw_pb_u64(&f, &handover->database);
            break;
        case 6:
            good = sw_pb_u32(&f, &handover->timeline);
            break;
        default:
            break;
        }
    }
    return good && sw_pb_good(&r);
}

static bool take_timing(const sw_pb_field *f, sw_timing *timing)
{
    if (f->type != SW_PB_BYTES)
        return false;
    sw_pb_reader r = sw_pb_read(f->bytes);
    sw_pb_field inner;
    bool good = true;
    while (good && sw_pb_next(&r, &inner)) {
        switch (inner.number) {
        case 1:
            good = sw_pb_u32(&inner, &timing->queue_us);
            break;
        case 2:
            good = sw_pb_u32(&inner, &timing->service_us);
            break;
        case 3:
            good = sw_pb_u32(&inner, &timing->sql_us);
            break;
        default:
            break;
        }
    }
    return good && sw_pb_good(&r);
}

/* The member of a detail. Fields 1 to 3 differ from kind to kind. */
static bool take_detail_member(const sw_pb_field *f, sw_detail *detail)
{
    if (f->type != SW_PB_BYTES)
        return false;
    detail->kind = (sw_detail_kind)f->number;
    sw_pb_reader r = sw_pb_read(f->bytes);
    sw_pb_field inner;
    bool good = true;
    while (good && sw_pb_next(&r, &inner)) {
        uint64_t at = inner.number;
        uint64_t number;
        switch (detail->kind) {
        case SW_DETAIL_FIELD:
            if (at == 1 || at == 2)
                good = sw_pb_text(&inner, at == 1 ? &detail->field : &detail->description);
            break;
        case SW_DETAIL_RESOURCE:
            if (at >= 1 && at <= 3)
                good = sw_pb_text(&inner, at == 1   ? &detail->type
                                          : at == 2 ? &detail->key
                                                    : &detail->description);
            break;
        case SW_DETAIL_RETRY:
            if (at == 1)
                good = sw_pb_u32(&inner, &detail->delay_ms);
            break;
        case SW_DETAIL_EXECUTION:
            if (at == 1) {
                good = sw_pb_u64(&inner, &number);
                detail->may_have_run = number != 0;
            }
            break;
        case SW_DETAIL_ELSEWHERE:
            break;
        }
    }
    return good && sw_pb_good(&r);
}

/* Skips details of an unknown kind. */
static bool take_detail(const sw_pb_field *f, sw_reply_header *header)
{
    if (f->type != SW_PB_BYTES)
        return false;
    sw_detail detail = {0};
    sw_pb_reader r = sw_pb_read(f->bytes);
    sw_pb_field inner;
    bool good = true;
    while (good && sw_pb_next(&r, &inner))
        if (inner.number >= SW_DETAIL_FIELD && inner.number <= SW_DETAIL_ELSEWHERE)
            good = take_detail_member(&inner, &detail);
    if (!good || !sw_pb_good(&r))
        return false;
    if (detail.kind == 0)
        return true;
    if (header->detail_count == SW_DETAILS_MAX)
        return false;
    header->details[header->detail_count++] = detail;
    return true;
}

bool sw_reply_header_decode(const void *from, size_t size, sw_reply_header *header)
{
    header->call_id = 0;
    header->code = 0;
    header->message = (sw_view){0};
    header->detail_count = header->trailer_count = 0;
    header->timing = (sw_timing){0};
    if (size > SW_HEADER_MAX)
        return false;
    sw_pb_reader r = sw_pb_read((sw_view){from, size});
    sw_pb_field f;
    bool good = true;
    while (good && sw_pb_next(&r, &f)) {
        switch (f.number) {
        case 1:
            good = sw_pb_u64(&f, &header->call_id);
            break;
        case 2:
            good = sw_pb_u32(&f, &header->code);
            break;
        case 3:
            good = sw_pb_text(&f, &header->message);
            break;
        case 4:
            good = take_detail(&f, header);
            break;
        case 5:
            good = take_pair(&f, header->trailers, &header->trailer_count);
            break;
        case 6:
            good = take_timing(&f, &header->timing);
            break;
        default:
            break;
        }
    }
    return good && sw_pb_good(&r);
}

/* --- Meaning --- */

sw_view sw_method_service(sw_view method)
{
    if (method.size < 4 || method.data[0] != '/')
        return (sw_view){0};
    const char *slash = memrchr(method.data + 1, '/', method.size - 1);
    if (slash == NULL || slash == method.data + 1 || slash == method.data + method.size - 1)
        return (sw_view){0};
    sw_view service = {method.data + 1, (size_t)(slash - method.data - 1)};
    return memchr(service.data, '/', service.size) == NULL ? service : (sw_view){0};
}

void sw_reply_header_from_error(const sw_error *error, sw_reply_header *header)
{
    header->code = (uint32_t)error->code;
    header->message = sw_view_of(error->message);
    header->detail_count = 0;
    if (error->field[0] != '\0')
        header->details[header->detail_count++] = (sw_detail){
            .kind = SW_DETAIL_FIELD, .field = sw_view_of(error->field), .description = header->message};
    if (error->resource[0] != '\0') {
        const char *slash = strchr(error->resource, '/');
        sw_view all = sw_view_of(error->resource);
        size_t type = slash == NULL ? all.size : (size_t)(slash - error->resource);
        header->details[header->detail_count++] = (sw_detail){.kind = SW_DETAIL_RESOURCE,
                                                              .type = {all.data, type},
                                                              .key = sw_view_of(slash ? slash + 1 : NULL)};
    }
    if (error->code == SW_UNAVAILABLE || error->code == SW_DEADLINE_EXCEEDED || error->code == SW_ABORTED ||
        error->code == SW_CANCELLED)
        header->details[header->detail_count++] =
            (sw_detail){.kind = SW_DETAIL_EXECUTION, .may_have_run = !error->retry_safe};
}

static void copy_text(char *to, size_t capacity, sw_view from)
{
    size_t size = from.size < capacity ? from.size : capacity - 1;
    while (size > 0 && size < from.size && ((unsigned char)from.data[size] & 0xc0) == 0x80)
        size--;
    if (size > 0)
        memcpy(to, from.data, size);
    to[size] = '\0';
}

void sw_error_from_reply_header(const sw_reply_header *header, sw_error *error)
{
    *error = (sw_error){.code = header->code < SW_CODE_COUNT ? (sw_code)header->code : SW_UNKNOWN};
    copy_text(error->message, sizeof(error->message), header->message);
    for (size_t i = 0; i < header->detail_count; i++) {
        const sw_detail *detail = &header->details[i];
        switch (detail->kind) {
        case SW_DETAIL_FIELD:
            if (error->field[0] == '\0')
                copy_text(error->field, sizeof(error->field), detail->field);
            break;
        case SW_DETAIL_RESOURCE:
            if (error->resource[0] == '\0') {
                char text[SW_ERROR_RESOURCE_SIZE * 2];
                int length = snprintf(text, sizeof(text), "%.*s/%.*s", (int)(detail->type.size % 4096),
                                      detail->type.data, (int)(detail->key.size % 4096), detail->key.data);
                size_t size = length < 0 ? 0 : (size_t)length;
                copy_text(error->resource, sizeof(error->resource),
                          (sw_view){text, size < sizeof(text) ? size : sizeof(text) - 1});
            }
            break;
        case SW_DETAIL_RETRY:
        case SW_DETAIL_ELSEWHERE:
            break;
        case SW_DETAIL_EXECUTION:
            error->retry_safe = !detail->may_have_run;
            break;
        }
    }
}

/* The RPC headers, encoded and decoded by hand: they stand on every call's path, and protobuf-c would
 * allocate for each field. The bytes are plain protobuf, so other languages use their generated code. */
#include "wire/header.h"

#include "base/utf8.h"
#include <stdio.h>
#include <string.h>

/* --- views --- */

sw_view sw_view_of(const char *text)
{
    return text == NULL ? (sw_view){0} : (sw_view){text, strlen(text)};
}

bool sw_view_equal(sw_view a, sw_view b)
{
    return a.size == b.size && (a.size == 0 || memcmp(a.data, b.data, a.size) == 0);
}

/* --- encoding: each put returns the bytes needed and writes only where there is room --- */

enum { VARINT = 0, FIXED64 = 1, BYTES = 2, FIXED32 = 5 };

typedef struct {
    uint8_t *to;
    size_t capacity, used;
} writer;

static void put_byte(writer *w, uint8_t byte)
{
    if (w->used < w->capacity)
        w->to[w->used] = byte;
    w->used++;
}

static void put_varint(writer *w, uint64_t value)
{
    for (; value >= 0x80; value >>= 7)
        put_byte(w, (uint8_t)(value | 0x80));
    put_byte(w, (uint8_t)value);
}

static void put_number(writer *w, unsigned field, uint64_t value)
{
    if (value == 0)
        return;
    put_byte(w, (uint8_t)(field << 3 | VARINT));
    put_varint(w, value);
}

static void put_text(writer *w, unsigned field, sw_view text)
{
    if (text.size == 0)
        return;
    put_byte(w, (uint8_t)(field << 3 | BYTES));
    put_varint(w, text.size);
    if (text.size <= w->capacity && w->used <= w->capacity - text.size)
        memcpy(w->to + w->used, text.data, text.size);
    w->used += text.size;
}

static size_t varint_size(uint64_t value)
{
    size_t size = 1;
    for (; value >= 0x80; value >>= 7)
        size++;
    return size;
}

static size_t number_size(uint64_t value)
{
    return value == 0 ? 0 : 1 + varint_size(value);
}

static size_t text_size(sw_view text)
{
    return text.size == 0 ? 0 : 1 + varint_size(text.size) + text.size;
}

/* A message field follows: its key and length. Written even when it is empty. */
static void put_message(writer *w, unsigned field, size_t size)
{
    put_byte(w, (uint8_t)(field << 3 | BYTES));
    put_varint(w, size);
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
    return w.used;
}

size_t sw_handover_encode(const sw_handover *handover, uint8_t *to, size_t capacity)
{
    writer w = {to, capacity, 0};
    put_text(&w, 1, handover->caller);
    put_number(&w, 2, handover->queue_us);
    put_number(&w, 3, handover->time_left_ms);
    put_text(&w, 4, handover->key);
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
    }
    put_message(w, 4, 1 + varint_size(inner) + inner);
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

/* --- decoding --- */

typedef struct {
    const uint8_t *at, *end;
} reader;

/* One field: its number, and its value as a number or as bytes. */
typedef struct {
    uint64_t number;
    unsigned type;
    uint64_t value;
    sw_view bytes;
} field;

static bool get_varint(reader *r, uint64_t *value)
{
    *value = 0;
    for (unsigned shift = 0; shift < 64; shift += 7) {
        if (r->at == r->end)
            return false;
        uint8_t byte = *r->at++;
        if (shift == 63 && byte > 1)
            return false;
        *value |= (uint64_t)(byte & 0x7f) << shift;
        if (byte < 0x80)
            return true;
    }
    return false;
}

/* The next field; false at the end (r->at == r->end) and for broken bytes (r->at is set to NULL). */
static bool get_field(reader *r, field *f)
{
    uint64_t key;
    if (r->at == r->end)
        return false;
    if (!get_varint(r, &key) || key >> 3 == 0 || key >> 3 > 0x1fffffff)
        goto broken;
    *f = (field){.number = key >> 3, .type = key & 7};
    size_t left = (size_t)(r->end - r->at);
    switch (f->type) {
    case VARINT:
        if (!get_varint(r, &f->value))
            goto broken;
        return true;
    case BYTES:
        if (!get_varint(r, &f->value) || f->value > (uint64_t)(r->end - r->at))
            goto broken;
        f->bytes = (sw_view){(const char *)r->at, (size_t)f->value};
        r->at += f->value;
        return true;
    case FIXED64:
    case FIXED32:
        if (left < (f->type == FIXED64 ? 8U : 4U))
            goto broken;
        r->at += f->type == FIXED64 ? 8 : 4;
        return true;
    default: /* groups are not in use */
        goto broken;
    }
broken:
    r->at = NULL;
    return false;
}

static reader read_view(sw_view view)
{
    const uint8_t *data = (const uint8_t *)(view.size == 0 ? "" : view.data);
    return (reader){data, data + view.size};
}

static bool take_text(const field *f, sw_view *to)
{
    if (f->type != BYTES || !sw_utf8_valid(f->bytes.data, f->bytes.size))
        return false;
    *to = f->bytes;
    return true;
}

/* uint32 takes the low 32 bits of a longer varint, as protobuf says. */
static bool take_u32(const field *f, uint32_t *to)
{
    *to = (uint32_t)f->value;
    return f->type == VARINT;
}

static bool take_u64(const field *f, uint64_t *to)
{
    *to = f->value;
    return f->type == VARINT;
}

static bool take_pair(const field *f, sw_pair *pairs, size_t *count)
{
    if (f->type != BYTES || *count == SW_METADATA_MAX)
        return false;
    sw_pair *pair = &pairs[(*count)++];
    *pair = (sw_pair){0};
    reader r = read_view(f->bytes);
    field inner;
    bool good = true;
    while (good && get_field(&r, &inner)) {
        if (inner.number == 1)
            good = take_text(&inner, &pair->key);
        else if (inner.number == 2)
            good = take_text(&inner, &pair->value);
    }
    return good && r.at != NULL;
}

bool sw_call_header_decode(const void *from, size_t size, sw_call_header *header)
{
    /* Not the whole struct: clearing the metadata would cost more than the rest. */
    header->method = header->request_id = header->destination = (sw_view){0};
    header->call_id = 0;
    header->time_left_ms = header->credit = 0;
    header->metadata_count = 0;
    if (size > SW_HEADER_MAX)
        return false;
    reader r = read_view((sw_view){from, size});
    field f;
    bool good = true;
    while (good && get_field(&r, &f)) {
        switch (f.number) {
        case 1:
            good = take_text(&f, &header->method);
            break;
        case 2:
            good = take_u64(&f, &header->call_id);
            break;
        case 3:
            good = take_u32(&f, &header->time_left_ms);
            break;
        case 4:
            good = take_text(&f, &header->request_id);
            break;
        case 5:
            good = take_u32(&f, &header->credit);
            break;
        case 6:
            good = take_pair(&f, header->metadata, &header->metadata_count);
            break;
        case 7:
            good = take_text(&f, &header->destination);
            break;
        default:
            break;
        }
    }
    return good && r.at != NULL;
}

bool sw_handover_decode(const void *from, size_t size, sw_handover *handover)
{
    *handover = (sw_handover){0};
    if (size > SW_HEADER_MAX)
        return false;
    reader r = read_view((sw_view){from, size});
    field f;
    bool good = true;
    while (good && get_field(&r, &f)) {
        switch (f.number) {
        case 1:
            good = take_text(&f, &handover->caller);
            break;
        case 2:
            good = take_u32(&f, &handover->queue_us);
            break;
        case 3:
            good = take_u32(&f, &handover->time_left_ms);
            break;
        case 4:
            good = take_text(&f, &handover->key);
            break;
        default:
            break;
        }
    }
    return good && r.at != NULL;
}

static bool take_timing(const field *f, sw_timing *timing)
{
    if (f->type != BYTES)
        return false;
    reader r = read_view(f->bytes);
    field inner;
    bool good = true;
    while (good && get_field(&r, &inner)) {
        switch (inner.number) {
        case 1:
            good = take_u32(&inner, &timing->queue_us);
            break;
        case 2:
            good = take_u32(&inner, &timing->service_us);
            break;
        case 3:
            good = take_u32(&inner, &timing->sql_us);
            break;
        default:
            break;
        }
    }
    return good && r.at != NULL;
}

/* The member of a detail. Fields 1 to 3 mean something else in each kind. */
static bool take_detail_member(const field *f, sw_detail *detail)
{
    if (f->type != BYTES)
        return false;
    detail->kind = (sw_detail_kind)f->number;
    reader r = read_view(f->bytes);
    field inner;
    bool good = true;
    while (good && get_field(&r, &inner)) {
        uint64_t at = inner.number;
        uint64_t number;
        switch (detail->kind) {
        case SW_DETAIL_FIELD:
            if (at == 1 || at == 2)
                good = take_text(&inner, at == 1 ? &detail->field : &detail->description);
            break;
        case SW_DETAIL_RESOURCE:
            if (at >= 1 && at <= 3)
                good = take_text(&inner, at == 1   ? &detail->type
                                         : at == 2 ? &detail->key
                                                   : &detail->description);
            break;
        case SW_DETAIL_RETRY:
            if (at == 1)
                good = take_u32(&inner, &detail->delay_ms);
            break;
        case SW_DETAIL_EXECUTION:
            if (at == 1) {
                good = take_u64(&inner, &number);
                detail->may_have_run = number != 0;
            }
            break;
        }
    }
    return good && r.at != NULL;
}

/* Details of a kind that this version does not know are skipped. */
static bool take_detail(const field *f, sw_reply_header *header)
{
    if (f->type != BYTES)
        return false;
    sw_detail detail = {0};
    reader r = read_view(f->bytes);
    field inner;
    bool good = true;
    while (good && get_field(&r, &inner))
        if (inner.number >= SW_DETAIL_FIELD && inner.number <= SW_DETAIL_EXECUTION)
            good = take_detail_member(&inner, &detail);
    if (!good || r.at == NULL)
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
    reader r = read_view((sw_view){from, size});
    field f;
    bool good = true;
    while (good && get_field(&r, &f)) {
        switch (f.number) {
        case 1:
            good = take_u64(&f, &header->call_id);
            break;
        case 2:
            good = take_u32(&f, &header->code);
            break;
        case 3:
            good = take_text(&f, &header->message);
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
    return good && r.at != NULL;
}

/* --- meaning --- */

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
            break;
        case SW_DETAIL_EXECUTION:
            error->retry_safe = !detail->may_have_run;
            break;
        }
    }
}

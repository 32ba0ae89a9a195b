/* The RPC headers (proto/sitewire/rpc/v1/rpc.proto) as views into a frame: encoded and decoded
 * without allocation. Used by broker, dispatch and client. Thread-safe. */
#ifndef SW_WIRE_HEADER_H
#define SW_WIRE_HEADER_H

#include "base/view.h"
#include <sitewire/status.h>
#include <stddef.h>
#include <stdint.h>

#define SW_METADATA_MAX 64
#define SW_DETAILS_MAX  8
#define SW_HEADER_MAX   16384 /* bytes of an encoded header */

typedef struct sw_pair {
    sw_view key, value;
} sw_pair;

typedef struct sw_call_header {
    sw_view method, request_id, destination;
    uint64_t call_id;
    uint32_t time_left_ms, credit;
    bool elsewhere; /* the client can go to another broker */
    size_t metadata_count;
    sw_pair metadata[SW_METADATA_MAX];
} sw_call_header;

typedef struct sw_handover {
    sw_view caller, key;
    uint32_t queue_us, time_left_ms;
    uint64_t database; /* 0, unless the worker uses an older timeline of it than this one: */
    uint32_t timeline;
} sw_handover;

typedef struct sw_timing {
    uint32_t queue_us, service_us, sql_us;
} sw_timing;

/* One detail of any kind; each member names the kinds in which it is valid. */
typedef enum {
    SW_DETAIL_FIELD = 1,
    SW_DETAIL_RESOURCE,
    SW_DETAIL_RETRY,
    SW_DETAIL_EXECUTION,
    SW_DETAIL_ELSEWHERE /* has no members */
} sw_detail_kind;
typedef struct sw_detail {
    sw_detail_kind kind;
    sw_view field;       /* FIELD */
    sw_view type, key;   /* RESOURCE */
    sw_view description; /* FIELD, RESOURCE */
    uint32_t delay_ms;   /* RETRY */
    bool may_have_run;   /* EXECUTION */
} sw_detail;

typedef struct sw_reply_header {
    uint64_t call_id;
    uint32_t code;
    sw_view message;
    size_t detail_count;
    sw_detail details[SW_DETAILS_MAX];
    size_t trailer_count;
    sw_pair trailers[SW_METADATA_MAX];
    sw_timing timing;
} sw_reply_header;

/* Encoders return the number of bytes needed. If that exceeds `capacity`, the contents of `to` are
 * undefined. */
size_t sw_call_header_encode(const sw_call_header *header, uint8_t *to, size_t capacity);
size_t sw_handover_encode(const sw_handover *handover, uint8_t *to, size_t capacity);
size_t sw_reply_header_encode(const sw_reply_header *header, uint8_t *to, size_t capacity);

/* Decoders skip unknown fields. The views point into `from`. False for malformed protobuf, invalid
 * UTF-8 or a NUL in text, more entries than the maxima, or more than SW_HEADER_MAX bytes. Whether a
 * method is well-formed or a request_id printable is not checked. */
bool sw_call_header_decode(const void *from, size_t size, sw_call_header *header);
/* The call_id of a header that does not decode, so that the call can be refused; 0 if the id itself
 * cannot be read. */
uint64_t sw_call_header_find_id(const void *from, size_t size);
bool sw_handover_decode(const void *from, size_t size, sw_handover *handover);
bool sw_reply_header_decode(const void *from, size_t size, sw_reply_header *header);

/* The service part of `/package.Service/Method`; empty for any other form. */
sw_view sw_method_service(sw_view method);

/* Fills a reply header from an error: code, message and details; call id, trailers and timing stay
 * as they are. Views point into *error. */
void sw_reply_header_from_error(const sw_error *error, sw_reply_header *header);
/* The reverse, for a client: not local, and retry_safe if a detail says that the call has not
 * run. */
void sw_error_from_reply_header(const sw_reply_header *header, sw_error *error);

#endif

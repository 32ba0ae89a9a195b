/* One row per answer (answer.h). docs/protocol.md, section 3, has the same table for readers. */
#include "broker/io/answer.h"

#include "base/utf8.h"
#include <stdio.h>

typedef enum {
    NOTHING,
    NOT_RUN,
    MAY_HAVE_RUN,
    RETRY,
    NOT_RUN_HERE, /* another broker may serve the call */
    REQUEST_ID    /* the field at fault */
} detail;

#define RETRY_MS 100 /* a full queue of 20 000 calls empties within about a second */

static const struct {
    sw_code code;
    detail detail;
    const char *text; /* %s: the service or instance */
} answers[SW_ANSWER_COUNT] = {
    [SW_ANSWER_BAD_HEADER] = {SW_INVALID_ARGUMENT, NOTHING,
                              "the call's header must be a CallHeader of at most 16 KiB with at most 64 "
                              "metadata entries"},
    [SW_ANSWER_BAD_CALL_ID] = {SW_INVALID_ARGUMENT, NOTHING,
                               "the call's call_id is 0 or differs from that of its frame; count from 1"},
    [SW_ANSWER_BAD_METHOD] = {SW_INVALID_ARGUMENT, NOTHING,
                              "the call's method must have the form /package.Service/Method"},
    [SW_ANSWER_BAD_REQUEST_ID] = {SW_INVALID_ARGUMENT, REQUEST_ID,
                                  "a request_id has at most 128 bytes; a UUID will do"},
    [SW_ANSWER_BAD_FRAME] = {SW_INVALID_ARGUMENT, NOTHING,
                             "the request is no compact message: its lengths, flags or number of frames are "
                             "wrong"},
    [SW_ANSWER_NOT_RPC] = {SW_INVALID_ARGUMENT, NOTHING,
                           "%s is an RPC service: send two body frames, a CallHeader and the payload"},
    [SW_ANSWER_TOO_LARGE] = {SW_RESOURCE_EXHAUSTED, NOTHING,
                             "the message is larger than this broker accepts (--message-bytes)"},
    [SW_ANSWER_CALL_EXISTS] = {SW_ALREADY_EXISTS, NOTHING,
                               "a call of this client with the same call_id is in flight; use another"},
    [SW_ANSWER_UNKNOWN_SERVICE] = {SW_UNIMPLEMENTED, NOT_RUN_HERE,
                                   "no worker has registered the service %s; check its name, or start it"},
    [SW_ANSWER_UNREGISTERED] = {SW_UNAVAILABLE, NOT_RUN_HERE,
                                "no worker of %s has connected to this broker since its start"},
    [SW_ANSWER_ELSEWHERE] = {SW_UNAVAILABLE, NOT_RUN_HERE,
                             "no live worker of %s is connected to this broker"},
    [SW_ANSWER_NO_INSTANCE] = {SW_NOT_FOUND, NOT_RUN,
                               "the instance %s is not connected; `sitewire status` lists those that are"},
    [SW_ANSWER_NO_WORKER] = {SW_UNAVAILABLE, NOT_RUN, "no live worker of %s appeared within the call's time"},
    [SW_ANSWER_SERVICE_FULL] = {SW_RESOURCE_EXHAUSTED, RETRY, "the queue of %s is full"},
    [SW_ANSWER_CLIENT_FULL] = {SW_RESOURCE_EXHAUSTED, RETRY,
                               "this client has too many calls waiting; let some end first"},
    [SW_ANSWER_BROKER_FULL] = {SW_RESOURCE_EXHAUSTED, RETRY, "the queues of the broker are full"},
    [SW_ANSWER_EXPIRED_QUEUED] = {SW_DEADLINE_EXCEEDED, NOT_RUN,
                                  "the call's time ended before a worker of %s was free"},
    [SW_ANSWER_EXPIRED_RUNNING] = {SW_DEADLINE_EXCEEDED, MAY_HAVE_RUN,
                                   "the call's time ended before the worker of %s answered"},
    [SW_ANSWER_WORKER_LOST] = {SW_UNAVAILABLE, MAY_HAVE_RUN,
                               "the worker of %s was lost while it had the call"},
    [SW_ANSWER_CANCELLED_QUEUED] = {SW_CANCELLED, NOT_RUN, "cancelled before a worker of %s took the call"},
    [SW_ANSWER_CANCELLED_RUNNING] = {SW_CANCELLED, MAY_HAVE_RUN,
                                     "cancelled; the worker of %s cannot be notified and may go on"},
    [SW_ANSWER_DRAINING] = {SW_UNAVAILABLE, NOT_RUN_HERE, "the broker is shutting down; use another one"},
    [SW_ANSWER_CREDIT] = {SW_RESOURCE_EXHAUSTED, MAY_HAVE_RUN,
                          "the worker of %s sent more messages than the client's credit allows"},
    [SW_ANSWER_BAD_REPLY] = {SW_INTERNAL, MAY_HAVE_RUN,
                             "the worker of %s sent a malformed reply: it must have two frames"},
    /* These quote the reason instead: auth/auth.c. */
    [SW_ANSWER_REFUSED] = {SW_UNAUTHENTICATED, NOT_RUN, "%s"},
    [SW_ANSWER_UNCHECKED] = {SW_UNAVAILABLE, NOT_RUN, "cannot check the key of the caller: %s"},
    [SW_ANSWER_NOT_ADMIN] = {SW_PERMISSION_DENIED, NOT_RUN, "only admins may do this, and %s is not one"},
    [SW_ANSWER_NO_PROFILE] = {SW_PERMISSION_DENIED, NOT_RUN,
                              "%s has no access right yet; ask an admin, or the manager of a project, for a "
                              "role on it"},
};

sw_code sw_answer_code(sw_answer answer)
{
    return answers[answer].code;
}

void sw_answer_fill(sw_answer answer, uint64_t call_id, uint32_t queue_us, sw_view service,
                    char text[SW_ANSWER_TEXT_SIZE], sw_reply_header *header)
{
    /* The client may have sent any bytes as the name, but the text must be UTF-8. */
    sw_view name =
        sw_utf8_valid(service.data, service.size) ? service : SW_VIEW("(a name that is not UTF-8)");
#pragma GCC diagnostic push
/* each row takes at most one string */
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    char quoted[SW_NAME_MAX + 1];
    snprintf(quoted, sizeof(quoted), "%.*s", (int)sw_utf8_cut(name.data, name.size, SW_NAME_MAX), name.data);
    int size = snprintf(text, SW_ANSWER_TEXT_SIZE, answers[answer].text, quoted);
#pragma GCC diagnostic pop
    header->call_id = call_id;
    header->code = (uint32_t)answers[answer].code;
    header->message = (sw_view){text, size < 0 ? 0 : (size_t)size};
    header->trailer_count = header->detail_count = 0;
    header->timing = (sw_timing){.queue_us = queue_us};
    if (answers[answer].detail == NOTHING)
        return;
    header->detail_count = 1;
    header->details[0] = answers[answer].detail == RETRY
                             ? (sw_detail){.kind = SW_DETAIL_RETRY, .delay_ms = RETRY_MS}
                         : answers[answer].detail == REQUEST_ID
                             ? (sw_detail){.kind = SW_DETAIL_FIELD,
                                           .field = SW_VIEW("request_id"),
                                           .description = header->message}
                             : (sw_detail){.kind = SW_DETAIL_EXECUTION,
                                           .may_have_run = answers[answer].detail == MAY_HAVE_RUN};
    if (answers[answer].detail == NOT_RUN_HERE)
        header->details[header->detail_count++] = (sw_detail){.kind = SW_DETAIL_ELSEWHERE};
}

/* Replies, retries and deadlines of calls, see outcome.h. */
#include "c/outcome.h"
#include "base/clock.h"
#include "base/error.h"
#include "c/json/json.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_US 20000 /* longest first pause; it doubles with each failure */
#define BACKOFF_MAX_US   2000000
#define TRY_LEAST_US     20000 /* with less time left than this, another try is pointless */

/* --- Delivery --- */

/* Ends the call unless the reply is one message of a stream. The slot is released before the
 * callback runs, so that the callback can start the next call. */
static void deliver(sw_client *client, sw_pending_call *call, sw_reply *reply)
{
    sw_reply_fn *fn = call->fn;
    void *context = call->context;
    reply->total_us = sw_now_us() - call->started_us;
    reply->tries = call->tries;
    reply->endpoint = call->tries > 0 ? sw_link_endpoint(&client->link) : "";
    if (reply->final)
        sw_pending_release(&client->calls, call);
    client->callbacks++;
    client->delivered = reply;
    fn(reply, context);
    client->delivered = NULL;
    if (client->messages != NULL)
        sw_arena_reset(client->messages);
}

static void deliver_error(sw_client *client, sw_pending_call *call, sw_reply *reply, const sw_error *error)
{
    reply->code = error->code;
    reply->error = error;
    reply->final = true;
    reply->payload = "";
    deliver(client, call, reply);
}

/* How far the call got, for the message of a local failure. */
static void describe_tries(const sw_client *client, const sw_pending_call *call, char *text, size_t size)
{
    long long sent_ms = (sw_now_us() - call->sent_us) / 1000;
    const char *endpoint = sw_link_endpoint(&client->link);
    if (call->state == SW_PENDING_SENT)
        snprintf(text, size, "sent to %s %lld ms ago (try %u), no reply yet", endpoint, sent_ms, call->tries);
    else if (client->link.state == SW_LINK_UP)
        snprintf(text, size, "connected to %s, between tries (%u so far)", endpoint, call->tries);
    else
        snprintf(text, size, "not connected to %s%s%s (%u tries)", endpoint,
                 client->link.reason[0] ? ": " : "", client->link.reason, call->tries);
}

void sw_outcome_fail(sw_client *client, sw_pending_call *call, sw_code code, const char *format, ...)
{
    sw_error error;
    char text[SW_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    sw_fail(&error, code, "%s", text);
    error.retry_safe = call->tries == 0 || call->harmless;
    sw_reply reply = {0};
    deliver_error(client, call, &reply, &error);
}

/* --- Replies --- */

static bool take_trailers(sw_client *client, const sw_reply_header *header, sw_reply *reply)
{
    if (header->trailer_count == 0)
        return true;
    size_t size = 0;
    for (size_t i = 0; i < header->trailer_count; i++)
        size += header->trailers[i].key.size + header->trailers[i].value.size + 2;
    if (size > client->trailer_size) {
        char *text = realloc(client->trailer_text, size);
        if (text == NULL)
            return false;
        client->trailer_text = text;
        client->trailer_size = size;
    }
    char *at = client->trailer_text;
    for (size_t i = 0; i < header->trailer_count; i++) {
        const sw_view parts[2] = {header->trailers[i].key, header->trailers[i].value};
        const char *texts[2];
        for (size_t k = 0; k < 2; k++) {
            texts[k] = at;
            if (parts[k].size > 0)
                memcpy(at, parts[k].data, parts[k].size);
            at += parts[k].size;
            *at++ = '\0';
        }
        client->trailers[i] = (sw_metadata){texts[0], texts[1]};
    }
    reply->trailers = client->trailers;
    reply->trailer_count = header->trailer_count;
    return true;
}

typedef struct facts {
    bool not_run, retry, elsewhere;
    int64_t delay_us;
} facts;

static facts facts_of(const sw_reply_header *header)
{
    facts found = {0};
    for (size_t i = 0; i < header->detail_count; i++) {
        if (header->details[i].kind == SW_DETAIL_EXECUTION) {
            found.not_run = !header->details[i].may_have_run;
        } else if (header->details[i].kind == SW_DETAIL_ELSEWHERE) {
            found.elsewhere = true;
        } else if (header->details[i].kind == SW_DETAIL_RETRY) {
            found.retry = true;
            found.delay_us = (int64_t)header->details[i].delay_ms * 1000;
        }
    }
    return found;
}

/* Whether the failure may pass by itself. */
static bool may_pass(uint32_t code, const facts *found)
{
    switch (code) {
    case SW_UNAVAILABLE:
        return true;
    case SW_RESOURCE_EXHAUSTED:
        return found->retry;
    case SW_ABORTED:
        return found->retry || found->not_run;
    default:
        return false;
    }
}

/* Schedules another try after a pause; false if the call ends with this failure. Another try is
 * safe whether the call has run or not: it either changes nothing, or has a request_id under
 * which it takes effect only once. */
static bool try_again(sw_client *client, sw_pending_call *call, uint32_t code, const facts *found)
{
    if (!may_pass(code, found) || call->cancelled || call->delivered || call->failures >= call->failures_max)
        return false;
    uint32_t shift = call->failures < 7 ? call->failures : 7;
    int64_t most = (int64_t)BACKOFF_FIRST_US << shift;
    most = most < BACKOFF_MAX_US ? most : BACKOFF_MAX_US;
    int64_t resume = sw_now_us() + found->delay_us + sw_random_upto(&client->random, most);
    if (resume + TRY_LEAST_US >= call->deadline_us)
        return false; /* this failure says more than DEADLINE_EXCEEDED would */
    call->failures++;
    call->may_have_run |= !found->not_run;
    sw_pending_move(&client->calls, call, SW_PENDING_BACKOFF);
    sw_pending_schedule(&client->calls, call, resume);
    return true;
}

/* The broker cannot serve the call: it leaves over the next connection, or after a pause if all
 * endpoints were tried. That is no failure of the call: it goes on until its deadline. False if it
 * ends now. */
static bool go_elsewhere(sw_client *client, sw_pending_call *call, uint32_t code)
{
    int64_t now_us = sw_now_us();
    call->unknown = code == SW_UNIMPLEMENTED ? call->unknown + 1 : 0;
    if (call->cancelled || call->delivered || call->unknown >= client->link.endpoints.count)
        return false;
    if (sw_mover_leave(&client->mover, now_us)) {
        sw_pending_move(&client->calls, call, SW_PENDING_WAITING);
        return true;
    }
    int64_t resume = now_us + SW_MOVER_PAUSE_US + sw_random_upto(&client->random, SW_MOVER_PAUSE_US / 2);
    if (call->failures_max == 0 || resume + TRY_LEAST_US >= call->deadline_us)
        return false;
    sw_pending_move(&client->calls, call, SW_PENDING_BACKOFF);
    sw_pending_schedule(&client->calls, call, resume);
    return true;
}

/* Whether the call goes on after a failure. */
static bool goes_on(sw_client *client, sw_pending_call *call, uint32_t code, const facts *found)
{
    if (found->elsewhere && client->link.endpoints.count > 1)
        return go_elsewhere(client, call, code);
    if (found->elsewhere && code == SW_UNAVAILABLE)
        sw_mover_leave(&client->mover, sw_now_us()); /* the only endpoint may be a balancer */
    return try_again(client, call, code, found);
}

static void add_times(sw_error *error, const sw_pending_call *call, const sw_timing *timing)
{
    size_t length = strlen(error->message);
    snprintf(error->message + length, sizeof(error->message) - length,
             "%stime spent: %lld ms in all; broker queue %u ms, service %u ms, of that SQL %u ms; %u %s",
             length > 0 ? "; " : "", (long long)((sw_now_us() - call->started_us) / 1000),
             timing->queue_us / 1000, timing->service_us / 1000, timing->sql_us / 1000, call->tries,
             call->tries == 1 ? "try" : "tries");
}

static void reply_failure(sw_client *client, sw_pending_call *call, const sw_reply_header *header,
                          sw_reply *reply)
{
    facts found = facts_of(header);
    uint32_t code = header->code;
    /* The key was replaced in its file, and this call did not run. */
    if (code == SW_UNAUTHENTICATED && sw_link_renew(&client->link, sw_now_us()))
        code = SW_UNAVAILABLE;
    if (goes_on(client, call, code, &found))
        return;
    sw_error error;
    sw_error_from_reply_header(header, &error);
    error.retry_safe = (found.not_run && !call->may_have_run) || call->harmless;
    if (error.code == SW_DEADLINE_EXCEEDED)
        add_times(&error, call, &header->timing);
    deliver_error(client, call, reply, &error);
}

/* The call fails on this side although its stream goes on: the service must stop, too. */
static void stop(sw_client *client, const sw_pending_call *call, bool final)
{
    if (!final)
        sw_sender_cancel(&client->sender, call);
}

static void reply_success(sw_client *client, sw_pending_call *call, sw_view payload, sw_reply *reply)
{
    if (payload.size > client->options.reply_max) {
        stop(client, call, reply->final);
        sw_outcome_fail(client, call, SW_RESOURCE_EXHAUSTED,
                        "the reply has %zu bytes; reply_max of the client is %zu", payload.size,
                        client->options.reply_max);
        return;
    }
    reply->payload = payload.size > 0 ? payload.data : "";
    reply->payload_size = payload.size;
    char *text = NULL;
    /* The end of a stream carries no message. */
    if (call->json != NULL && !(reply->final && call->streams && payload.size == 0)) {
        sw_error error;
        if (sw_json_from_bytes(call->json, payload, &text, &error) != SW_OK) {
            stop(client, call, reply->final);
            sw_outcome_fail(client, call, error.code, "%s", error.message);
            return;
        }
        reply->payload = text;
        reply->payload_size = strlen(text);
    }
    sw_mover_served(&client->mover, call);
    if (!reply->final) {
        call->delivered = true;
        if (call->credit > 0)
            call->credit--;
    }
    deliver(client, call, reply);
    free(text);
}

void sw_outcome_reply(sw_client *client, sw_pending_call *call, bool final, sw_view header_view,
                      sw_view payload)
{
    sw_reply_header header;
    if (!final && !call->streams)
        return; /* nobody asked for a stream */
    if (!sw_reply_header_decode(header_view.data, header_view.size, &header)) {
        stop(client, call, final);
        sw_outcome_fail(client, call, SW_INTERNAL, "the reply from %s has a header that cannot be decoded",
                        sw_link_endpoint(&client->link));
        return;
    }
    sw_reply reply = {.final = final,
                      .queue_us = header.timing.queue_us,
                      .service_us = header.timing.service_us,
                      .sql_us = header.timing.sql_us};
    if (!take_trailers(client, &header, &reply)) {
        stop(client, call, final);
        sw_outcome_fail(client, call, SW_RESOURCE_EXHAUSTED, "out of memory");
    } else if (final && header.code != SW_OK) {
        reply_failure(client, call, &header, &reply);
    } else {
        reply_success(client, call, payload, &reply);
    }
}

/* --- Loss and deadlines --- */

void sw_outcome_lost(sw_client *client)
{
    for (sw_pending_call *call; (call = client->calls.sent.first) != NULL;) {
        if (call->cancelled)
            sw_outcome_fail(client, call, SW_CANCELLED, "cancelled; the connection was lost meanwhile");
        else if (call->delivered || call->failures >= call->failures_max)
            sw_outcome_fail(
                client, call, SW_UNAVAILABLE,
                "the connection to %s was lost after the call was sent (try %u); it may have run%s",
                sw_link_endpoint(&client->link), call->tries,
                call->delivered ? ", and the stream is cut off" : "");
        else {
            call->failures++;
            call->may_have_run = true;
            sw_pending_move(&client->calls, call, SW_PENDING_WAITING);
        }
    }
}

void sw_outcome_unreachable(sw_client *client, bool refused)
{
    /* callbacks may add new calls behind it */
    const sw_pending_call *last = client->calls.waiting.last;
    bool more = last != NULL;
    for (sw_pending_call *call = client->calls.waiting.first, *next; more; call = next) {
        next = call->next;
        more = call != last;
        if (call->failures++ < call->failures_max && !refused)
            continue;
        const sw_link *link = &client->link;
        if (refused) {
            sw_outcome_fail(client, call, SW_UNAUTHENTICATED, "the broker at %s cannot be used: %s",
                            sw_link_endpoint(&client->link), link->reason);
            continue;
        }
        sw_outcome_fail(client, call, SW_UNAVAILABLE, "no broker at %s: %s%s (%lld ms, %u attempts)",
                        sw_link_endpoint(&client->link), link->reason,
                        link->endpoints.count > 1 ? "; nor at the other endpoints"
                                                  : "; is sitewire running there?",
                        (long long)((sw_now_us() - call->started_us) / 1000), call->failures);
    }
}

void sw_outcome_expire(sw_client *client, int64_t now_us)
{
    while (sw_pending_due_us(&client->calls) <= now_us) {
        sw_pending_call *call = sw_pending_first_due(&client->calls);
        if (now_us >= call->deadline_us) {
            char text[320];
            describe_tries(client, call, text, sizeof(text));
            sw_outcome_fail(client, call, SW_DEADLINE_EXCEEDED, "the time of %lld ms is over: %s",
                            (long long)(call->deadline_us - call->started_us) / 1000, text);
        } else if (call->cancelled) {
            sw_outcome_fail(client, call, SW_CANCELLED, "cancelled");
        } else {
            if (call->state == SW_PENDING_BACKOFF)
                sw_pending_move(&client->calls, call, SW_PENDING_WAITING);
            sw_pending_schedule(&client->calls, call, call->deadline_us);
        }
    }
}

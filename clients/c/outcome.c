/* What becomes of a call: a reply is delivered, a failure is tried again where that is safe, and everything
 * ends by its deadline. Used by receive.c, link.c and client.c. */
#include "c/core.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define BACKOFF_FIRST_US 20000 /* mean of the first pause: half of it, as it is drawn from all of [0, it] */
#define BACKOFF_MAX_US   2000000
#define TRY_LEAST_US                                                                                         \
    20000 /* a try with less time than this is none: the broker ended the one before at its deadline */

/* --- Delivery --- */

/* Ends the call unless the reply is one message of a stream. The slot is free before the callback runs, so
 * that it can start the next call. */
static void deliver(sw_client *client, sw_flight *flight, sw_reply *reply)
{
    sw_reply_fn *fn = flight->fn;
    void *context = flight->context;
    reply->total_us = sw_now_us() - flight->started_us;
    reply->tries = flight->tries;
    reply->endpoint = flight->tries > 0 ? sw_link_endpoint(client) : "";
    if (reply->final)
        sw_flight_release(client, flight);
    client->callbacks++;
    client->delivered = reply;
    fn(reply, context);
    client->delivered = NULL;
    if (client->messages != NULL)
        sw_arena_reset(client->messages);
}

static void deliver_error(sw_client *client, sw_flight *flight, sw_reply *reply, const sw_error *error)
{
    reply->code = error->code;
    reply->error = error;
    reply->final = true;
    reply->payload = "";
    deliver(client, flight, reply);
}

/* How far a call came, for the message of a local failure. */
static void describe_tries(const sw_client *client, const sw_flight *flight, char *text, size_t size)
{
    long long sent_ms = (sw_now_us() - flight->sent_us) / 1000;
    const char *endpoint = sw_link_endpoint(client);
    if (flight->state == SW_FLIGHT_SENT)
        snprintf(text, size, "sent to %s %lld ms ago (try %u), no reply yet", endpoint, sent_ms,
                 flight->tries);
    else if (client->link.state == SW_LINK_UP)
        snprintf(text, size, "connected to %s, between tries (%u so far)", endpoint, flight->tries);
    else
        snprintf(text, size, "not connected to %s%s%s (%u tries)", endpoint,
                 client->link.reason[0] ? ": " : "", client->link.reason, flight->tries);
}

void sw_flight_fail(sw_client *client, sw_flight *flight, sw_code code, const char *format, ...)
{
    sw_error error;
    char text[SW_ERROR_MESSAGE_SIZE];
    va_list arguments;
    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    sw_fail(&error, code, "%s", text);
    error.retry_safe = flight->tries == 0 || flight->harmless;
    sw_reply reply = {0};
    deliver_error(client, flight, &reply, &error);
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
    bool not_run, retry;
    int64_t delay_us;
} facts;

static facts facts_of(const sw_reply_header *header)
{
    facts found = {0};
    for (size_t i = 0; i < header->detail_count; i++) {
        if (header->details[i].kind == SW_DETAIL_EXECUTION) {
            found.not_run = !header->details[i].may_have_run;
        } else if (header->details[i].kind == SW_DETAIL_RETRY) {
            found.retry = true;
            found.delay_us = (int64_t)header->details[i].delay_ms * 1000;
        }
    }
    return found;
}

/* Which failures are worth another try, if that is safe at all. */
static bool passing(uint32_t code, const facts *found)
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

/* Puts the call aside for another try after a pause; false if it ends here. That is safe whether it has run
 * or not: a call either changes nothing or has a request_id, under which it takes effect once. */
static bool try_again(sw_client *client, sw_flight *flight, uint32_t code, const facts *found)
{
    if (!passing(code, found) || flight->cancelled || flight->delivered ||
        flight->failures >= flight->failures_max)
        return false;
    uint32_t shift = flight->failures < 7 ? flight->failures : 7;
    int64_t most = (int64_t)BACKOFF_FIRST_US << shift;
    most = most < BACKOFF_MAX_US ? most : BACKOFF_MAX_US;
    int64_t resume = sw_now_us() + found->delay_us + sw_client_jitter(client, most);
    if (resume + TRY_LEAST_US >= flight->deadline_us)
        return false; /* this failure says more than that the time is over */
    flight->failures++;
    flight->may_have_run |= !found->not_run;
    flight->resume_us = resume;
    sw_flight_move(client, flight, SW_FLIGHT_PAUSED);
    sw_flight_schedule(client, flight, resume);
    return true;
}

static void add_times(sw_error *error, const sw_flight *flight, const sw_timing *timing)
{
    size_t length = strlen(error->message);
    snprintf(error->message + length, sizeof(error->message) - length,
             "%stime spent: %lld ms in all; broker queue %u ms, service %u ms, of that SQL %u ms; %u %s",
             length > 0 ? "; " : "", (long long)((sw_now_us() - flight->started_us) / 1000),
             timing->queue_us / 1000, timing->service_us / 1000, timing->sql_us / 1000, flight->tries,
             flight->tries == 1 ? "try" : "tries");
}

static void reply_failure(sw_client *client, sw_flight *flight, const sw_reply_header *header,
                          sw_reply *reply)
{
    facts found = facts_of(header);
    if (try_again(client, flight, header->code, &found))
        return;
    sw_error error;
    sw_error_from_reply_header(header, &error);
    error.retry_safe = (found.not_run && !flight->may_have_run) || flight->harmless;
    if (error.code == SW_DEADLINE_EXCEEDED)
        add_times(&error, flight, &header->timing);
    deliver_error(client, flight, reply, &error);
}

/* Before a call fails for a reply that is no end of it: what goes on elsewhere is to end, too. */
static void stop(sw_client *client, const sw_flight *flight, bool final)
{
    if (!final)
        sw_flight_send_cancel(client, flight);
}

static void reply_success(sw_client *client, sw_flight *flight, sw_view payload, sw_reply *reply)
{
    if (payload.size > client->options.reply_max) {
        stop(client, flight, reply->final);
        sw_flight_fail(client, flight, SW_RESOURCE_EXHAUSTED,
                       "the reply has %zu bytes; reply_max of the client is %zu", payload.size,
                       client->options.reply_max);
        return;
    }
    reply->payload = payload.size > 0 ? payload.data : "";
    reply->payload_size = payload.size;
    char *text = NULL;
    /* The end of a stream carries no message. */
    if (flight->json != NULL && !(reply->final && flight->streams && payload.size == 0)) {
        sw_error error;
        if (sw_reply_to_json(flight->json, payload, &text, &error) != SW_OK) {
            stop(client, flight, reply->final);
            sw_flight_fail(client, flight, error.code, "%s", error.message);
            return;
        }
        reply->payload = text;
        reply->payload_size = strlen(text);
    }
    if (!reply->final) {
        flight->delivered = true;
        if (flight->credit > 0)
            flight->credit--;
    }
    deliver(client, flight, reply);
    free(text);
}

void sw_flight_reply(sw_client *client, sw_flight *flight, bool final, sw_view header_view, sw_view payload)
{
    sw_reply_header header;
    if (!final && !flight->streams)
        return; /* nobody asked for a stream */
    if (!sw_reply_header_decode(header_view.data, header_view.size, &header)) {
        stop(client, flight, final);
        sw_flight_fail(client, flight, SW_INTERNAL, "the reply from %s has a header that cannot be decoded",
                       sw_link_endpoint(client));
        return;
    }
    sw_reply reply = {.final = final,
                      .queue_us = header.timing.queue_us,
                      .service_us = header.timing.service_us,
                      .sql_us = header.timing.sql_us};
    if (!take_trailers(client, &header, &reply)) {
        stop(client, flight, final);
        sw_flight_fail(client, flight, SW_RESOURCE_EXHAUSTED, "out of memory");
    } else if (final && header.code != SW_OK) {
        reply_failure(client, flight, &header, &reply);
    } else {
        reply_success(client, flight, payload, &reply);
    }
}

/* --- Loss and time --- */

void sw_client_lost(sw_client *client)
{
    for (sw_flight *flight; (flight = client->sent.first) != NULL;) {
        if (flight->cancelled)
            sw_flight_fail(client, flight, SW_CANCELLED, "cancelled; the connection was lost meanwhile");
        else if (flight->delivered || flight->failures >= flight->failures_max)
            sw_flight_fail(client, flight, SW_UNAVAILABLE,
                           "the connection to %s was lost while the call was out (try %u); it may have run%s",
                           sw_link_endpoint(client), flight->tries,
                           flight->delivered ? ", and the stream is cut off" : "");
        else {
            flight->failures++;
            flight->may_have_run = true;
            sw_flight_move(client, flight, SW_FLIGHT_WAITING);
        }
    }
}

void sw_client_unreachable(sw_client *client, bool refused)
{
    const sw_flight *last = client->waiting.last; /* callbacks may start new calls behind it */
    bool more = last != NULL;
    for (sw_flight *flight = client->waiting.first, *next; more; flight = next) {
        next = flight->next;
        more = flight != last;
        if (flight->failures++ < flight->failures_max && !refused)
            continue;
        const sw_link *link = &client->link;
        if (refused) {
            sw_flight_fail(client, flight, SW_UNAUTHENTICATED, "the broker at %s cannot be used: %s",
                           sw_link_endpoint(client), link->reason);
            continue;
        }
        sw_flight_fail(client, flight, SW_UNAVAILABLE, "no broker at %s: %s%s (%lld ms, %u attempts)",
                       sw_link_endpoint(client), link->reason,
                       link->count > 1 ? "; nor at the other endpoints" : "; is sitewire running there?",
                       (long long)((sw_now_us() - flight->started_us) / 1000), flight->failures);
    }
}

void sw_client_expire(sw_client *client, int64_t now_us)
{
    while (client->heap_count > 0 && client->heap[0].due_us <= now_us) {
        sw_flight *flight = client->heap[0].flight;
        if (now_us >= flight->deadline_us) {
            char text[320];
            describe_tries(client, flight, text, sizeof(text));
            sw_flight_fail(client, flight, SW_DEADLINE_EXCEEDED, "the time of %lld ms is over: %s",
                           (long long)(flight->deadline_us - flight->started_us) / 1000, text);
        } else if (flight->cancelled) {
            sw_flight_fail(client, flight, SW_CANCELLED, "cancelled");
        } else {
            if (flight->state == SW_FLIGHT_PAUSED)
                sw_flight_move(client, flight, SW_FLIGHT_WAITING);
            sw_flight_schedule(client, flight, flight->deadline_us);
        }
    }
}

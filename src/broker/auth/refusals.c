/* Log lines, limited to a rate, and notes for the user service (refusals.h). */
#include "broker/auth/refusals.h"

#include "base/log.h"
#include "net/keyfile.h"
#include <stdio.h>
#include <string.h>

static const char *kind_of(const sw_identity *identity)
{
    return identity->is_user ? "local" : "key";
}

/* Without the port, so that equal refusals of a host are one row. */
static sw_view host_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    return (sw_view){address, colon == NULL ? strlen(address) : (size_t)(colon - address)};
}

/* What is known of an identity. The key of a local user is its name, which is no key. */
static sw_refusal_note note_of(const sw_identity *identity, sw_code code, sw_view reason)
{
    sw_refusal_note note = {.code = code, .reason = reason};
    if (identity == NULL)
        return note;
    note.caller = sw_view_of(identity->is_user ? identity->name : identity->user);
    note.key = identity->is_user ? (sw_view){0} : sw_view_of(identity->name);
    note.address = host_of(identity->address);
    return note;
}

static void log_connection(const char *event, sw_view key, const char *address, const char *reason)
{
    char text[SW_USER_MAX + 1];
    snprintf(text, sizeof(text), "%.*s", (int)key.size, key.size > 0 ? key.data : "");
    sw_log_limited(SW_LOG_WARNING, event, "key", text, "address", address, "reason", reason, NULL);
}

void sw_refusals_connection(sw_refusals *refusals, const char *event, sw_view key, const char *address,
                            const char *reason)
{
    char why[SW_REFUSAL_TEXT];
    snprintf(why, sizeof(why), "%s: %s", event, reason);
    const sw_refusal_note note = {
        .key = key, .address = host_of(address), .reason = sw_view_of(why), .code = SW_UNAUTHENTICATED};
    refusals->connections++;
    sw_refusal_book_note(&refusals->book, &note);
    log_connection(event, key, address, reason);
}

void sw_refusals_identity(sw_refusals *refusals, const sw_identity *identity, bool is_new, unsigned count)
{
    if (!is_new && count == 0)
        return;
    sw_refusal_note note = note_of(identity, SW_UNAUTHENTICATED, sw_view_of(identity->reason));
    note.count = count > 0 ? count : 1;
    refusals->connections += (uint64_t)note.count;
    sw_refusal_book_note(&refusals->book, &note);
    if (is_new)
        log_connection("caller refused", sw_view_of(identity->name), identity->address, identity->reason);
}

/* A peer that hung up or was too slow is not refused. */
void sw_refusals_handshake(sw_refusals *refusals, const sw_listener_failure *failure)
{
    char key[SW_KEY_SIZE] = "";
    if (failure->gave_up)
        return;
    if (failure->has_key)
        sw_key_to_text(failure->key, key);
    const sw_refusal_note note = {.key = sw_view_of(key),
                                  .address = host_of(failure->address),
                                  .reason = sw_view_of(failure->why),
                                  .code = failure->is_limit ? SW_RESOURCE_EXHAUSTED : SW_UNAUTHENTICATED};
    sw_refusal_book_note(&refusals->book, &note);
}

void sw_refusals_subscription(sw_refusals *refusals, const sw_identity *identity, sw_view topic)
{
    static const char why[] = "the subscription names nothing that the user may read";
    char text[256];
    snprintf(text, sizeof(text), "%.*s", (int)topic.size, topic.size > 0 ? topic.data : "");
    sw_refusal_note note = note_of(identity, SW_PERMISSION_DENIED, sw_view_of(why));
    note.method = sw_view_of(text);
    sw_refusal_book_note(&refusals->book, &note);
    sw_log_limited(SW_LOG_WARNING, "subscription refused", kind_of(identity), identity->name, "user",
                   identity->user, "topic", text, "reason", "it names nothing that the user may read", NULL);
}

void sw_refusals_event(sw_refusals *refusals, const char *who, const char *reason)
{
    char why[SW_REFUSAL_TEXT];
    snprintf(why, sizeof(why), "event refused: %s", reason);
    const sw_refusal_note note = {
        .key = sw_view_of(who), .reason = sw_view_of(why), .code = SW_PERMISSION_DENIED};
    sw_refusal_book_note(&refusals->book, &note);
    sw_log_limited(SW_LOG_WARNING, "event refused", "publisher", who, "reason", reason, NULL);
}

void sw_refusals_too_many(sw_refusals *refusals, const sw_identity *identity)
{
    const sw_refusal_note note =
        note_of(identity, SW_RESOURCE_EXHAUSTED,
                SW_VIEW("too many subscriptions (--user-subscriptions, --subscriptions and their -bytes)"));
    sw_refusal_book_note(&refusals->book, &note);
    sw_log_limited(SW_LOG_WARNING, "too many subscriptions", "user", identity->user, NULL);
}

void sw_refusals_call(sw_refusals *refusals, const sw_identity *identity, sw_view service, sw_code code,
                      sw_view reason)
{
    sw_refusal_note note = note_of(identity, code, reason);
    note.method = service;
    sw_refusal_book_note(&refusals->book, &note);
}

void sw_refusals_accepted(const sw_identity *identity)
{
    sw_log_limited(SW_LOG_INFO, "caller known", kind_of(identity), identity->name, "user", identity->user,
                   NULL);
}

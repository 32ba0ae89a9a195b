/* Refused calls on their way into users.refusal (refusals.h). */
#include "service/refusals.h"
#include "base/error.h"
#include "base/log.h"
#include "base/utf8.h"
#include <stdio.h>
#include <string.h>

#define PERIOD_MS 1000

static void copy(char *to, size_t room, sw_view text)
{
    size_t size = text.size < room ? text.size : sw_utf8_cut(text.data, text.size, room - 1);
    if (size > 0)
        memcpy(to, text.data, size);
    to[size] = '\0';
}

static bool is_same(const sw_refusal_entry *one, const sw_refusal_entry *other)
{
    return one->code == other->code && strcmp(one->caller, other->caller) == 0 &&
           strcmp(one->key, other->key) == 0 && strcmp(one->method, other->method) == 0 &&
           strcmp(one->reason, other->reason) == 0;
}

void sw_refusal_book_note(sw_refusal_book *book, sw_view caller, sw_view key, sw_view method,
                          const sw_error *error)
{
    sw_refusal_entry fresh = {.code = error->code, .count = 1};
    copy(fresh.caller, sizeof(fresh.caller), caller);
    copy(fresh.key, sizeof(fresh.key), key);
    copy(fresh.method, sizeof(fresh.method), method);
    copy(fresh.reason, sizeof(fresh.reason), sw_view_of(error->message));
    book->total++;
    for (size_t i = 0; i < book->count && i < SW_REFUSALS_MAX; i++)
        if (is_same(&book->items[i], &fresh)) {
            book->items[i].count++;
            return;
        }
    if (book->count < SW_REFUSALS_MAX) {
        book->items[book->count++] = fresh;
    } else if (book->count == SW_REFUSALS_MAX) {
        book->items[book->count++] = (sw_refusal_entry){
            .code = SW_PERMISSION_DENIED, .count = 1, .reason = "further refusals in the same second"};
    } else {
        book->items[SW_REFUSALS_MAX].count++;
    }
}

/* sw_call_refusal_fn */
static void refused(void *context, const sw_call *call, const sw_error *error)
{
    sw_refusal_book_note(context, sw_call_caller(call), sw_call_key(call), sw_call_get_header(call)->method,
                         error);
}

/* Appends `"name":"text"`. Invalid UTF-8 becomes `?`, which PostgreSQL takes. */
static char *add_text(char *to, const char *name, const char *text)
{
    bool valid = sw_utf8_valid(text, strlen(text));
    to += sprintf(to, "\"%s\":\"", name);
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p < 0x20 || *p == '"' || *p == '\\')
            to += sprintf(to, "\\u%04x", *p);
        else
            *to++ = valid || *p < 0x80 ? (char)*p : '?';
    }
    *to++ = '"';
    *to = '\0';
    return to;
}

const char *sw_refusal_book_take(sw_refusal_book *book)
{
    char *to = book->json;
    for (size_t i = 0; i < book->count; i++) {
        const sw_refusal_entry *each = &book->items[i];
        *to++ = i == 0 ? '[' : ',';
        *to++ = '{';
        to = add_text(to, "caller", each->caller);
        *to++ = ',';
        to = add_text(to, "key", each->key);
        *to++ = ',';
        to = add_text(to, "method", each->method);
        *to++ = ',';
        to = add_text(to, "reason", each->reason);
        to += sprintf(to, ",\"process\":\"%s\",\"code\":\"%s\",\"count\":%llu}", book->process,
                      sw_code_name(each->code), (unsigned long long)each->count);
    }
    if (book->count > 0)
        strcpy(to, "]");
    bool any = book->count > 0;
    book->count = 0;
    return any ? book->json : NULL;
}

/* sw_periodic.argument */
static const char *take(void *context)
{
    return sw_refusal_book_take(context);
}

/* sw_periodic.on_result */
static int64_t written(void *context, const PGresult *result)
{
    (void)context;
    if (result == NULL)
        sw_log_limited(SW_LOG_WARNING, "refusals not recorded", "reason", "the database refused them", NULL);
    return -1;
}

sw_code sw_refusal_book_open(sw_refusal_book *book, const char *process, sw_dispatch *dispatch,
                             sw_store *store, sw_error *error)
{
    const sw_periodic periodic = {.name = "recording refusals",
                                  .sql = "SELECT users.record_refusals($1::text::jsonb)",
                                  .every_ms = PERIOD_MS,
                                  .argument = take,
                                  .on_result = written,
                                  .context = book};
    book->process = process;
    sw_dispatch_on_refusal(dispatch, refused, book);
    return sw_store_add_periodic(store, &periodic, error);
}

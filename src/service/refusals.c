/* Refused calls on their way into users.refusal (refusals.h). */
#include "service/refusals.h"
#include "base/error.h"
#include "base/log.h"
#include <stdio.h>
#include <string.h>

#define PERIOD_MS 1000

/* sw_call_refusal_fn */
static void refused(void *context, const sw_call *call, const sw_error *error)
{
    sw_refusals_writer *writer = context;
    const sw_refusal_note note = {.caller = sw_call_caller(call),
                                  .key = sw_call_key(call),
                                  .method = sw_call_get_header(call)->method,
                                  .reason = sw_view_of(error->message),
                                  .code = error->code};
    sw_refusal_book_note(&writer->book, &note);
}

/* Appends `"name":"text"`. */
static char *add_text(char *to, const char *name, const char *text)
{
    to += sprintf(to, "\"%s\":\"", name);
    for (const unsigned char *p = (const unsigned char *)text; *p != '\0'; p++) {
        if (*p < 0x20 || *p == '"' || *p == '\\')
            to += sprintf(to, "\\u%04x", *p);
        else
            *to++ = (char)*p;
    }
    *to++ = '"';
    *to = '\0';
    return to;
}

const char *sw_refusals_writer_take(sw_refusals_writer *writer)
{
    sw_refusal_book *book = &writer->book;
    char *to = writer->json;
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
        to += sprintf(to, ",\"process\":\"%s\",\"code\":\"%s\",\"count\":%lld}", writer->process,
                      sw_code_name(each->code), (long long)each->count);
    }
    if (book->count > 0)
        strcpy(to, "]");
    bool any = book->count > 0;
    book->count = 0;
    return any ? writer->json : NULL;
}

/* sw_periodic.argument */
static const char *take(void *context)
{
    return sw_refusals_writer_take(context);
}

/* sw_periodic.on_result */
static int64_t written(void *context, const PGresult *result)
{
    (void)context;
    if (result == NULL)
        sw_log_limited(SW_LOG_WARNING, "refusals not recorded", "reason", "the database refused them", NULL);
    return -1;
}

sw_code sw_refusals_writer_open(sw_refusals_writer *writer, const char *process, sw_dispatch *dispatch,
                                sw_store *store, sw_error *error)
{
    const sw_periodic periodic = {.name = "recording refusals",
                                  .sql = "SELECT users.record_refusals($1::text::jsonb)",
                                  .every_ms = PERIOD_MS,
                                  .argument = take,
                                  .on_result = written,
                                  .context = writer};
    writer->process = process;
    sw_dispatch_on_refusal(dispatch, refused, writer);
    return sw_store_add_periodic(store, &periodic, error);
}

/* The broker's refusals on their way to the user service (refusal_report.h). */
#include "broker/auth/refusal_report.h"

#include "base/error.h"
#include "sitewire/user/v1/user.pb-c.h"

#define METHOD    "/sitewire.user.v1.Users/RecordRefusals"
#define TIME_MS   5000
#define PERIOD_US 1000000

static void fill(Sw__RecordRefusalsRequest *request, Sw__RefusalReport *items, Sw__RefusalReport **list,
                 sw_refusal_book *book)
{
    for (size_t i = 0; i < book->count; i++) {
        sw_refusal_entry *each = &book->items[i];
        sw__refusal_report__init(&items[i]);
        items[i].caller = each->caller;
        items[i].key = each->key;
        items[i].address = each->address;
        items[i].method = each->method;
        items[i].code = (char *)sw_code_name(each->code);
        items[i].reason = each->reason;
        items[i].count = each->count;
        list[i] = &items[i];
    }
    request->items = list;
    request->n_items = book->count;
}

void sw_refusal_report_start(sw_refusal_report *report, sw_refusal_book *book, int64_t now_us,
                             bool (*call)(void *context, const sw_call_header *header,
                                          const ProtobufCMessage *request),
                             void *context)
{
    Sw__RecordRefusalsRequest request = SW__RECORD_REFUSALS_REQUEST__INIT;
    Sw__RefusalReport items[SW_REFUSALS_MAX + 1], *list[SW_REFUSALS_MAX + 1];
    if (book->count == 0 || report->call_id != 0 || now_us < report->due_us)
        return;
    report->due_us = now_us + PERIOD_US;
    report->call_id = SW_REFUSAL_REPORT_ID | ++report->calls;
    fill(&request, items, list, book);
    const sw_call_header header = {
        .method = SW_VIEW(METHOD), .call_id = report->call_id, .time_left_ms = TIME_MS};
    if (call(context, &header, &request.base))
        book->count = 0;
    else
        report->call_id = 0;
}

bool sw_refusal_report_end(sw_refusal_report *report, uint64_t call_id)
{
    if (call_id == report->call_id)
        report->call_id = 0;
    return (call_id & SW_REFUSAL_REPORT_ID) != 0;
}

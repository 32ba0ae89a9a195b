/* Gives the broker's refusals to the user service, which records them: one call a second at most,
 * and only while the service is there. Used by auth.c. */
#ifndef SW_BROKER_REFUSAL_REPORT_H
#define SW_BROKER_REFUSAL_REPORT_H

#include "broker/auth/refusals.h"
#include <protobuf-c/protobuf-c.h>

/* Ids of these calls are not those of user_query.c. */
#define SW_REFUSAL_REPORT_ID (UINT64_C(1) << 63)

typedef struct sw_refusal_report {
    uint64_t call_id; /* of the running call; 0: none */
    uint64_t calls;
    int64_t due_us; /* not before */
} sw_refusal_report;

/* Sends what was noted, if there is something and it is time. A call that fails is not repeated:
 * the log has its refusals. */
void sw_refusal_report_start(sw_refusal_report *report, sw_refusal_book *book, int64_t now_us,
                             bool (*call)(void *context, const sw_call_header *header,
                                          const ProtobufCMessage *request),
                             void *context);
/* The call has ended. False if the id is not that of a report. */
bool sw_refusal_report_end(sw_refusal_report *report, uint64_t call_id);

#endif

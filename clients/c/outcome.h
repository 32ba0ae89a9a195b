/* What becomes of a call: its reply is delivered, a failure is tried again where that is safe,
 * and everything ends by its deadline. Used by receive.c, client.c. All of these may call the
 * program's callbacks. */
#ifndef SW_CLIENT_OUTCOME_H
#define SW_CLIENT_OUTCOME_H

#include "c/client.h"

/* A reply came; `final` is false for one message of a stream. Both views are lent. */
void sw_outcome_reply(sw_client *client, sw_pending_call *call, bool final, sw_view header, sw_view payload);
/* Ends the call with a failure that was found on this side. */
void sw_outcome_fail(sw_client *client, sw_pending_call *call, sw_code code, const char *format, ...)
    __attribute__((format(printf, 4, 5)));
/* The connection that the sent calls went over is gone: sends them again where that is safe. */
void sw_outcome_lost(sw_client *client);
/* No endpoint could be reached. `refused`: a key is missing or wrong, so waiting calls fail at
 * once. */
void sw_outcome_unreachable(sw_client *client, bool refused);
/* Handles the calls that are due: their pause or their time is over, or their cancellation. */
void sw_outcome_expire(sw_client *client, int64_t now_us);

#endif

/* Asks the server what the session of a lane waits for, and cancels its statement. Used by
 * pool.c. */
#ifndef SW_STORE_INQUIRY_H
#define SW_STORE_INQUIRY_H

#include "store/pg/lane.h"

/* Work for a lane of SW_LANE_CANCEL, which frees itself when it is done; *pending counts it until
 * then. The session is named by its process and start, so that no other one is meant, whatever
 * pooler is in between. The lane learns whether it waits for a synchronous standby
 * (sw_lane_set_waiting). With `cancel`, its statement is cancelled, except during such a wait: the
 * server would then confirm a commit that the standby does not have. NULL when out of memory, or if
 * the session is not known. */
sw_work *sw_inquiry_new(sw_statements *statements, sw_lane *lane, bool cancel, int *pending);

#endif

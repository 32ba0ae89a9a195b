/* Services and publishers whose certificates were removed or changed. Used by rounds.c. */
#ifndef SW_BROKER_RECHECK_H
#define SW_BROKER_RECHECK_H

#include "broker/io/state.h"

/* Once a second: if the folder of --service-keys has changed, ends the connections of keys that
 * have no certificate any more, and of workers that offer what theirs does not name any more. */
void sw_recheck(sw_broker *broker);
/* When to call it again; SW_NEVER without --service-keys. */
int64_t sw_recheck_next_us(const sw_broker *broker);

#endif

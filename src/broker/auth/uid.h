/* Who a part of --local-users or --local-services is for. Used by local_users.c and offers.c. */
#ifndef SW_BROKER_UID_H
#define SW_BROKER_UID_H

#include "base/view.h"
#include <stdbool.h>
#include <stdint.h>

#define SW_UID_ANY (-1) /* `*`: any uid that is not named itself */

/* Reads a uid, the name of a user of this machine, or `*`. False if it is neither. Asks the name
 * service, which may take a while: for the start of a program. */
bool sw_uid_read(sw_view text, int64_t *uid);

#endif

/* systemd's notification protocol, without its library: one datagram to $NOTIFY_SOCKET (man
 * sd_notify). Used by the programs' mains, and by `sitewire up`, which listens in systemd's
 * place. */
#ifndef SW_BASE_NOTIFY_H
#define SW_BASE_NOTIFY_H

#include <stdbool.h>
#include <stdint.h>

/* Sends "READY=1", "STOPPING=1", "WATCHDOG=1", "STATUS=..." or several lines. True if somebody was
 * told; false also if nobody asks ($NOTIFY_SOCKET unset), which is no failure. Never blocks. */
bool sw_notify(const char *state);

/* How often "WATCHDOG=1" must be sent: half of what $WATCHDOG_USEC allows, or 0 when nobody watches
 * this process. */
int64_t sw_notify_watchdog_ms(void);

#endif

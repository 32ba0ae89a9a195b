/* The clock that leases are measured with: it goes on while the machine, or this process, is
 * suspended. Used by everything that must end with a lease. Thread-safe. */
#ifndef SW_RUNNER_LEASE_CLOCK_H
#define SW_RUNNER_LEASE_CLOCK_H

#include <stdint.h>

/* CLOCK_BOOTTIME in milliseconds: "lease time". */
int64_t sw_lease_now_ms(void);

#endif

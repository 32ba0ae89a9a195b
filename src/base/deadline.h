/* Deadlines are int64_t on the monotonic clock. This header has no clock, so that pure code can use
 * it. */
#ifndef SW_BASE_DEADLINE_H
#define SW_BASE_DEADLINE_H

#include <stdint.h>

#define SW_NEVER INT64_MAX /* a deadline that never comes */

#endif

/* Events as they come over the wire, decoded in place: a watch may read hundreds of thousands a
 * second. Used by hear.c and read.c. Thread-safe. */
#ifndef SW_CLIENT_EVENT_H
#define SW_CLIENT_EVENT_H

#include "base/view.h"
#include <stdint.h>

/* A sitewire.deployment.v1.Event. The views point into its bytes. Absent fields are 0 or empty. */
typedef struct sw_event_view {
    int64_t position, project_sequence, deployment, previous_position;
    int64_t at_us;
    sw_view project, kind, payload;
} sw_event_view;

/* False if the bytes are not an Event, or its text is not UTF-8. */
bool sw_event_decode(sw_view bytes, sw_event_view *event);
/* The next item of a ListEventsResponse; *rest is what follows it. False at the end, and if the
 * bytes are broken: *rest is then not empty. */
bool sw_event_next(sw_view *rest, sw_view *item);

#endif

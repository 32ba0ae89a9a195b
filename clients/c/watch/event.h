/* Events as they come over the wire, decoded where they stand: a watcher reads hundreds of thousands a second. Used by
 * watch.c. */
#ifndef SW_CLIENT_EVENT_H
#define SW_CLIENT_EVENT_H

#include "wire/header.h"

/* sitewire.deployment.v1.Event; views into the bytes. Fields that are absent are 0 or empty. */
typedef struct sw_event_view {
    int64_t position, project_sequence, deployment, previous_position;
    int64_t at_us;
    sw_view project, kind, payload;
} sw_event_view;

/* False if it is no Event, or its text is no UTF-8. */
bool sw_event_decode(sw_view bytes, sw_event_view *event);
/* The next item of a ListEventsResponse: *rest is what is left. False at the end, or if it is none (*rest is not empty then). */
bool sw_event_next(sw_view *rest, sw_view *item);

#endif

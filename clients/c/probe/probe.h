/* Looks whether a broker serves: connects to it, and asks by mmi.service (docs/protocol.md,
 * section 1) for the services that the client uses. Used by mover.c. Not thread-safe. */
#ifndef SW_CLIENT_PROBE_H
#define SW_CLIENT_PROBE_H

#include "base/view.h"
#include "c/probe/watched.h"

#define SW_PROBE_SERVICES 8
#define SW_PROBE_NAME     256 /* bytes of a name, with NUL */

typedef enum { SW_PROBE_GOES_ON, SW_PROBE_SERVES, SW_PROBE_FAILED } sw_probe_result;

typedef struct sw_probe {
    sw_dealer *dealer; /* NULL: none is under way */
    sw_watched watched;
    int64_t due_us; /* when it gives up */
    bool asked;
    size_t answered; /* services that the broker has */
    /* The last services that the client has used, in a ring. */
    size_t service_count, next_service;
    char services[SW_PROBE_SERVICES][SW_PROBE_NAME];
} sw_probe;

void sw_probe_init(sw_probe *probe);
/* The client uses this service. Names longer than the protocol's are ignored. */
void sw_probe_note(sw_probe *probe, sw_view service);
void sw_probe_forget_services(sw_probe *probe);

/* Begins with a connection that was just opened, and now belongs to the probe; NULL fails with the
 * next sw_probe_work. */
void sw_probe_begin(sw_probe *probe, sw_dealer *dealer, int64_t due_us);
/* Goes on. *worked is set if something happened. After SERVES or FAILED, end it or take its
 * connection. */
sw_probe_result sw_probe_work(sw_probe *probe, int64_t now_us, bool *worked);
/* The connection, which is up and has nothing unread; the caller owns it. */
sw_dealer *sw_probe_take(sw_probe *probe);
void sw_probe_end(sw_probe *probe);

#endif

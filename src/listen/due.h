/* A queue of connections by due time (state.h). Used by the files of this folder. */
#ifndef SW_LISTEN_DUE_H
#define SW_LISTEN_DUE_H

#include "listen/state.h"

/* Appends a connection, which is in no queue. */
void sw_due_push(sw_due_queue *queue, sw_inbound *session, int64_t due_ms);
/* Takes it out of its queue, if it is in one. */
void sw_due_leave(sw_inbound *session);

#endif

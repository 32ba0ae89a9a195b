/* The methods of sitewire.test.v1.Echo, for echo_service.c and for tests that serve in their own
 * process. */
#ifndef ECHO_H
#define ECHO_H

#include "net/loop.h"
#include "rpc/dispatch.h"

/* What the methods know. It must outlive the dispatch. */
typedef struct echo {
    sw_loop *loop;
    const char *instance; /* in each reply */
    unsigned cancelled;   /* calls that were cancelled while they ran */
    unsigned echoed;      /* calls of Echo that were answered */
} echo;

extern const unsigned char echo_schema[];
extern const size_t echo_schema_size;

sw_code echo_add(sw_dispatch *dispatch, echo *context, sw_error *error);

#endif

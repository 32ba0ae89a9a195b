/* The inside of a client: what its parts share. Internal to clients/c; the contract for programs is
 * <sitewire/client.h>. Used by the files that work on the whole client. */
#ifndef SW_CLIENT_CLIENT_H
#define SW_CLIENT_CLIENT_H

#include "base/arena.h"
#include "c/link.h"
#include "c/mover.h"
#include "c/pending.h"
#include "c/random.h"
#include "c/schema_cache.h"
#include "c/send.h"

/* The reply of the last synchronous call, without its payload. */
typedef struct sw_last_reply {
    sw_reply reply;
    sw_error error;
    char *text; /* what the trailers point into */
} sw_last_reply;

struct sw_client {
    sw_client_options options;
    sw_random random;
    sw_pending_calls calls;
    sw_link link;
    sw_mover mover;
    sw_sender sender;
    sw_schema_cache schemas;
    bool busy;          /* in sw_client_process, so perhaps in a callback */
    bool closing;       /* no call can be started any more */
    int64_t until_us;   /* no call goes on for longer; the command line sets it */
    int epoll, timer;   /* -1 until sw_client_fd asks for them */
    int64_t armed_us;   /* what the timer is set to */
    uint64_t callbacks; /* called so far */
    uint8_t *scratch;   /* small requests are packed here */
    /* The reply whose callback runs, and what lives as long as it. */
    const sw_reply *delivered;
    sw_arena *messages; /* NULL until somebody asks for a message */
    sw_metadata trailers[SW_METADATA_MAX];
    char *trailer_text;
    size_t trailer_size;
    sw_last_reply last;
};

#endif

/* Output of commands on its way to the service: collects what is written while an AppendLog call
 * is under way, and keeps what was sent until it is acknowledged. Bounded: ask for room before
 * adding. Touches no socket. Used by output_sender.c and attempt.c. Not thread-safe. */
#ifndef SW_RUNNER_SPOOL_H
#define SW_RUNNER_SPOOL_H

#include <sitewire/deployment/v1/deployment.pb-c.h>
#include <sitewire/status.h>

#define SW_SPOOL_BATCH_SIZE (1U << 20) /* bytes of one AppendLog, and of the largest chunk */
/* chunks of one AppendLog: each becomes a row and an event */
#define SW_SPOOL_CHUNKS_MAX 256
#define SW_SPOOL_STREAMS    2
extern const char *const sw_spool_stream_names[SW_SPOOL_STREAMS]; /* stdout, stderr */

/* Consecutive bytes of one stream of one attempt at a command. */
typedef struct sw_spool_chunk {
    int32_t command, attempt;
    int stream;
    size_t size;
} sw_spool_chunk;

typedef struct sw_spool_batch {
    uint8_t *bytes;
    size_t size, count;
    sw_spool_chunk chunks[SW_SPOOL_CHUNKS_MAX];
} sw_spool_batch;

typedef struct sw_spool {
    sw_spool_batch batches[2], *filling, *sent;
    bool in_flight; /* `sent` is not acknowledged yet */
    int64_t offset; /* in the deployment's output: where `sent`, or else `filling`, begins */
    int64_t stored; /* bytes added so far, which the limit counts */
    bool full;      /* the service stores no more: nothing is to be added */
} sw_spool;

/* Starts at byte `offset` of the deployment's output. RESOURCE_EXHAUSTED: out of memory, and
 * nothing to clear. */
sw_code sw_spool_init(sw_spool *spool, int64_t offset, sw_error *error);
void sw_spool_clear(sw_spool *spool);

/* How many bytes can be added now. */
size_t sw_spool_room(const sw_spool *spool);
/* Adds `size` bytes, from 1 to sw_spool_room. */
void sw_spool_add(sw_spool *spool, int32_t command, int32_t attempt, int stream, const uint8_t *bytes,
                  size_t size);
/* How many bytes wait to be sent. */
size_t sw_spool_waiting(const sw_spool *spool);
/* Drops what waits to be sent. */
void sw_spool_discard(sw_spool *spool);
/* True if everything was acknowledged. */
bool sw_spool_is_empty(const sw_spool *spool);

/* Packs what waits as an AppendLogRequest for deployment `id`, malloc'ed for the caller; nothing
 * may be in flight. NULL when out of memory. */
uint8_t *sw_spool_take(sw_spool *spool, int64_t id, int64_t fence, size_t *size);
/* The request was answered: what it had is dropped. */
void sw_spool_acknowledge(sw_spool *spool);

#endif

/* Output of commands on its way to the service: collected while an AppendLog is under way, and kept until it is
 * acknowledged. Bounded: who adds asks for room first. Touches no socket. Used by job.c. */
#ifndef SW_RUNNER_SPOOL_H
#define SW_RUNNER_SPOOL_H

#include <sitewire/deployment/v1/deployment.pb-c.h>
#include <sitewire/status.h>

#define SW_SPOOL_BATCH_SIZE (1U << 20) /* bytes of one AppendLog, and the most that a chunk may have */
#define SW_SPOOL_CHUNKS_MAX 256        /* of one AppendLog: each is a row and an event */
#define SW_SPOOL_STREAMS    2
extern const char *const sw_spool_stream_names[SW_SPOOL_STREAMS]; /* stdout, stderr */

typedef struct sw_spool_batch {
    uint8_t *bytes;
    size_t size, count;
    struct {
        int32_t command, attempt;
        int stream;
        size_t size;
    } chunks[SW_SPOOL_CHUNKS_MAX];
} sw_spool_batch;

typedef struct sw_spool {
    sw_spool_batch batches[2], *filling, *flying;
    bool is_flying;
    int64_t offset; /* where the batch that flies, or else the one that is filled, begins */
    int64_t stored; /* bytes added in this claim, which the limit counts */
} sw_spool;

/* From byte `offset` of the deployment's output on. RESOURCE_EXHAUSTED without memory. */
sw_code sw_spool_init(sw_spool *spool, int64_t offset, sw_error *error);
void sw_spool_clear(sw_spool *spool);

/* Bytes that can be added now. */
size_t sw_spool_room(const sw_spool *spool);
/* At least one byte, at most sw_spool_room. */
void sw_spool_add(sw_spool *spool, int32_t command, int32_t attempt, int stream, const uint8_t *bytes,
                  size_t size);
/* Bytes that no request has taken yet. */
size_t sw_spool_waiting(const sw_spool *spool);
/* Forgets what no request has taken. */
void sw_spool_discard(sw_spool *spool);
/* Everything was acknowledged. */
bool sw_spool_is_empty(const sw_spool *spool);

/* What waits becomes a request of deployment `id`, packed for the caller, who frees it; none may be under way. NULL without memory. */
uint8_t *sw_spool_take(sw_spool *spool, int64_t id, int64_t fence, size_t *size);
/* The request was acknowledged. */
void sw_spool_taken(sw_spool *spool);

#endif

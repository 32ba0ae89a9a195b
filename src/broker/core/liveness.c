/* Heartbeats to workers, and the loss of workers that stay silent. */
#include "broker/core/state.h"

/* Heartbeats that may be missing before a worker is lost. */
#define LIVENESS 4

/* A plain worker that is busy may be too busy to send heartbeats: many have one thread. Its connection tells.
 */
static int64_t silence_end(const sw_core *core, const sw_core_worker *worker)
{
    if (worker->rpc)
        return worker->seen_us + LIVENESS * core->config.heartbeat_ms * 1000;
    return worker->in_flight > 0 ? SW_NEVER : worker->seen_us + core->config.plain_silence_ms * 1000;
}

void sw_core_liveness(sw_core *core, int64_t now_us)
{
    int64_t interval_us = core->config.heartbeat_ms * 1000, next_us = SW_NEVER;
    /* If we slept ourselves, silence proves nothing: what the workers sent may not be read yet. */
    bool slept = now_us - core->tick_us > 2 * interval_us;
    for (uint32_t i = 0; i < core->workers.top; i++) {
        sw_core_worker *worker = sw_slab_get(&core->workers, i);
        if (worker == NULL || worker->local)
            continue;
        if (slept)
            worker->seen_us = now_us;
        bool drained = worker->rpc && worker->state == SW_WORKER_DRAINING && worker->in_flight == 0;
        if (drained || silence_end(core, worker) <= now_us) {
            sw_core_worker_dismiss(core, i, now_us);
            continue;
        }
        if (worker->sent_us + interval_us <= now_us)
            sw_core_act_worker(core, SW_ACTION_HEARTBEAT, worker, now_us);
        int64_t look_us = worker->sent_us + interval_us;
        if (silence_end(core, worker) < look_us)
            look_us = silence_end(core, worker);
        if (look_us < next_us)
            next_us = look_us;
    }
    core->liveness_us = next_us;
}

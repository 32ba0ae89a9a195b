/* Heartbeats to workers, and the loss of workers that stay silent. */
#include "broker/core/state.h"

/* Missing heartbeats after which a worker is lost. */
#define LIVENESS 4

/* When silence makes a worker lost. A busy plain worker may be unable to send heartbeats, as
 * many have a single thread; the end of its connection is reported anyway. */
static int64_t silence_end(const sw_core *core, const sw_core_worker *worker)
{
    if (worker->rpc)
        return worker->seen_us + LIVENESS * core->config.heartbeat_ms * 1000;
    return worker->in_flight > 0 ? SW_NEVER : worker->seen_us + core->config.plain_silence_ms * 1000;
}

void sw_core_check_liveness(sw_core *core, int64_t now_us)
{
    int64_t interval_us = core->config.heartbeat_ms * 1000, next_us = SW_NEVER;
    /* If the broker itself was suspended, silence proves nothing: the workers' messages may
     * still be unread. */
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
            sw_core_action_add_for(core, SW_ACTION_HEARTBEAT, worker, now_us);
        int64_t look_us = worker->sent_us + interval_us;
        if (silence_end(core, worker) < look_us)
            look_us = silence_end(core, worker);
        if (look_us < next_us)
            next_us = look_us;
    }
    core->liveness_us = next_us;
}

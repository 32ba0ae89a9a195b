/* The table of a job's transitions, see job_state.h. */
#include "runner/job_state.h"

#define TO(state) (1U << (state))

/* The states that may follow each state. */
static const unsigned moves[] = {
    [SW_JOB_NEXT] = TO(SW_JOB_STARTING) | TO(SW_JOB_CONCLUDING) | TO(SW_JOB_OVER),
    [SW_JOB_STARTING] = TO(SW_JOB_RUNNING) | TO(SW_JOB_REPORTING) | TO(SW_JOB_CONCLUDING) | TO(SW_JOB_OVER),
    [SW_JOB_RUNNING] = TO(SW_JOB_FLUSHING) | TO(SW_JOB_LOST),
    [SW_JOB_FLUSHING] = TO(SW_JOB_REPORTING) | TO(SW_JOB_OVER),
    [SW_JOB_REPORTING] = TO(SW_JOB_NEXT) | TO(SW_JOB_CONCLUDING) | TO(SW_JOB_OVER),
    [SW_JOB_CONCLUDING] = TO(SW_JOB_CONCLUDING) | TO(SW_JOB_OVER),
    [SW_JOB_LOST] = TO(SW_JOB_OVER),
    [SW_JOB_OVER] = 0,
};

bool sw_job_may_move(sw_job_state from, sw_job_state to)
{
    return (moves[from] & TO(to)) != 0;
}

/* The states of a job, and which may follow which. Used by job.c. */
#ifndef SW_RUNNER_JOB_STATE_H
#define SW_RUNNER_JOB_STATE_H

#include <stdbool.h>

typedef enum {
    SW_JOB_NEXT,       /* chooses the next command, or none */
    SW_JOB_STARTING,   /* StartCommand is under way */
    SW_JOB_RUNNING,    /* a process runs */
    SW_JOB_FLUSHING,   /* the process is over; its output is being sent */
    SW_JOB_REPORTING,  /* FinishCommand is under way */
    SW_JOB_CONCLUDING, /* FinishDeployment is under way */
    SW_JOB_LOST,       /* the lease is gone; the process is being killed */
    SW_JOB_OVER
} sw_job_state;

bool sw_job_may_move(sw_job_state from, sw_job_state to);

#endif

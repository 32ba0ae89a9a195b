/* The course of a deployment, see job.h. Every request carries the fence. When the service or
 * the clock says that the lease is gone, what runs is killed and nothing more is reported. */
#include "runner/job.h"

#include "base/error.h"
#include "base/log.h"
#include "runner/environment.h"
#include "runner/job_state.h"
#include "runner/launch.h"
#include "runner/lease.h"
#include "runner/lease_clock.h"
#include "runner/output_sender.h"
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define WHY_SIZE 512

struct sw_job {
    const sw_job_host *host;
    Sw__Claim *claim;
    sw_job_state state;
    size_t index;  /* of the command */
    int32_t tries; /* at that command, in this claim */
    sw_lease lease;
    sw_service_call call; /* StartCommand, FinishCommand, FinishDeployment */
    sw_output_sender output;
    sw_attempt attempt;
    sw_secrets *secrets;
    char directory[PATH_MAX];
    const char *stop; /* the outcome if the deployment must end early, ABORTED or FAILED; or NULL */
    char stop_why[WHY_SIZE];
    /* why StartCommand was refused, until a renewal tells whether for an abort */
    char refusal[WHY_SIZE];
    int64_t refused_ms; /* lease time */
};

static void next(sw_job *job);
static void send_output(sw_job *job);

static void move(sw_job *job, sw_job_state to)
{
    if (!sw_job_may_move(job->state, to))
        abort(); /* our bug; the keepers then end what runs */
    job->state = to;
    if (to == SW_JOB_OVER) {
        sw_lease_end(&job->lease);
        sw_service_call_cancel(&job->call);
        sw_output_sender_cancel(&job->output);
        job->host->on_over(job, job->host->context);
    }
}

static const Sw__DeploymentCommand *command_of(const sw_job *job)
{
    return job->claim->commands[job->index];
}

static void say(const sw_job *job, sw_log_level level, const char *event, const char *key, const char *value)
{
    char id[24];
    snprintf(id, sizeof(id), "%" PRId64, sw_job_deployment(job));
    sw_log_limited(level, event, "deployment", id, "project", job->claim->deployment->project, key, value,
                   NULL);
}

/* --- the end --- */

static void on_concluded(ProtobufCMessage **reply, const sw_error *error, void *context);

static void conclude(sw_job *job, const char *outcome, const char *why)
{
    Sw__FinishDeploymentRequest request = SW__FINISH_DEPLOYMENT_REQUEST__INIT;
    request.has_id = request.has_fence = true;
    request.id = sw_job_deployment(job);
    request.fence = job->claim->fence;
    request.outcome = (char *)(uintptr_t)outcome;
    request.failure = (char *)(uintptr_t)why;
    move(job, SW_JOB_CONCLUDING);
    say(job, SW_LOG_INFO, outcome, "why", why);
    if (sw_service_call_start(&job->call, &sw_method_finish_deployment, &request.base, on_concluded) != SW_OK)
        sw_lease_lose(&job->lease, "out of memory");
}

static void on_concluded(ProtobufCMessage **reply, const sw_error *error, void *context)
{
    sw_job *job = context;
    if (*reply != NULL) {
        move(job, SW_JOB_OVER);
    } else if (error->code == SW_FAILED_PRECONDITION || error->code == SW_INVALID_ARGUMENT) {
        /* If the registry refuses DONE, the deployment failed; if it refuses FAILED, the lease
         * runs out. */
        if (job->stop == NULL) {
            job->stop = "FAILED";
            conclude(job, job->stop, error->message);
        } else {
            sw_lease_lose(&job->lease, error->message);
        }
    } else {
        sw_lease_lose(&job->lease, error->message);
    }
}

/* The service refused a call for good: the lease is gone, or the deployment fails. */
static void refuse(sw_job *job, const char *what, const sw_error *error)
{
    char why[WHY_SIZE + 64];
    if (error->code == SW_ABORTED || error->code == SW_NOT_FOUND || error->code == SW_PERMISSION_DENIED ||
        error->code == SW_UNAUTHENTICATED) {
        sw_lease_lose(&job->lease, error->message);
        return;
    }
    snprintf(why, sizeof(why), "%s was refused: %s", what, error->message);
    conclude(job, "FAILED", why);
}

static void on_lost(const char *reason, void *context)
{
    sw_job *job = context;
    say(job, SW_LOG_WARNING, "lost", "why", reason);
    if (job->state == SW_JOB_RUNNING) {
        move(job, SW_JOB_LOST);
        sw_output_sender_cancel(&job->output);
        sw_attempt_stop(&job->attempt, true);
        sw_output_sender_close(&job->output);
        send_output(job);
    } else if (job->state != SW_JOB_LOST && job->state != SW_JOB_OVER) {
        move(job, SW_JOB_OVER);
    }
}

static void stop(sw_job *job, const char *outcome, const char *why)
{
    if (job->stop != NULL || job->state >= SW_JOB_CONCLUDING)
        return;
    job->stop = outcome;
    snprintf(job->stop_why, sizeof(job->stop_why), "%s", why);
    say(job, SW_LOG_INFO, "stopping", "why", why);
    if (job->state == SW_JOB_RUNNING)
        sw_attempt_stop(&job->attempt, false);
}

static void on_abort(const char *reason, void *context)
{
    stop(context, "ABORTED", reason);
}

/* The lease is ours. If StartCommand was refused before this renewal, and not for an abort, the
 * refusal is final. */
static void on_lease_renewed(void *context)
{
    sw_job *job = context;
    sw_process_allow(&job->attempt.process, job->lease.until_ms);
    if (job->state != SW_JOB_STARTING || *job->refusal == '\0')
        return;
    if (job->stop != NULL)
        conclude(job, job->stop, job->stop_why);
    else if (job->lease.renewal.sent_ms < job->refused_ms)
        sw_lease_ask(&job->lease);
    else
        conclude(job, "FAILED", job->refusal);
}

static const sw_lease_events lease_events = {.renewed = on_lease_renewed, .lost = on_lost, .abort = on_abort};

/* --- output --- */

static void report(sw_job *job);

static void send_output(sw_job *job)
{
    if (!sw_output_sender_send(&job->output, job->state == SW_JOB_RUNNING))
        return;
    if (job->attempt.running)
        sw_attempt_go_on(&job->attempt);
    if (job->state == SW_JOB_FLUSHING && sw_spool_is_empty(&job->output.spool))
        report(job);
}

static void on_output_due(void *context)
{
    send_output(context);
}

/* The deployment goes on. What was on its way is lost. */
static void on_output_full(const char *reason, void *context)
{
    sw_job *job = context;
    say(job, SW_LOG_WARNING, "output is not stored any more", "why", reason);
    job->attempt.truncated = true;
}

static void on_output_refused(const char *reason, void *context)
{
    stop(context, "FAILED", reason);
}

static void on_output_lost(const char *reason, void *context)
{
    sw_lease_lose(&((sw_job *)context)->lease, reason);
}

static const sw_output_sender_events output_events = {
    .due = on_output_due, .full = on_output_full, .refused = on_output_refused, .lost = on_output_lost};

static void on_output(void *context)
{
    sw_job *job = context;
    if (!sw_output_sender_is_busy(&job->output))
        send_output(job);
}

/* --- the attempt that is over --- */

static void on_reported(ProtobufCMessage **reply, const sw_error *error, void *context)
{
    sw_job *job = context;
    const Sw__DeploymentCommand *command = command_of(job);
    char how[WHY_SIZE], why[WHY_SIZE + 64];
    if (*reply == NULL) {
        refuse(job, "FinishCommand", error);
        return;
    }
    if (job->stop != NULL) {
        conclude(job, job->stop, job->stop_why);
        return;
    }
    if (sw_attempt_succeeded(&job->attempt) ||
        (job->tries > command->retries && command->continue_on_failure)) {
        job->index++;
        job->tries = 0;
    } else if (job->tries > command->retries) {
        sw_attempt_describe(&job->attempt, how, sizeof(how));
        snprintf(why, sizeof(why), "command %d of %s %s", command->number, command->step, how);
        conclude(job, "FAILED", why);
        return;
    }
    move(job, SW_JOB_NEXT);
    next(job);
}

static void report(sw_job *job)
{
    const sw_attempt *attempt = &job->attempt;
    const sw_process_end *end = &attempt->end;
    Sw__FinishCommandRequest request = SW__FINISH_COMMAND_REQUEST__INIT;
    move(job, SW_JOB_REPORTING);
    request.has_id = request.has_fence = request.has_number = request.has_attempt = true;
    request.id = sw_job_deployment(job);
    request.fence = job->claim->fence;
    request.number = attempt->command;
    request.attempt = attempt->number;
    request.has_exit_code = end->exit_code >= 0 && *end->failure == '\0';
    request.exit_code = end->exit_code;
    request.has_signal = end->signal != 0;
    request.signal = end->signal;
    request.has_timed_out = request.has_truncated = request.has_stdout_bytes = request.has_stderr_bytes =
        true;
    request.timed_out = attempt->timed_out;
    request.truncated = attempt->truncated;
    request.stdout_bytes = attempt->streams[0].written;
    request.stderr_bytes = attempt->streams[1].written;
    request.failure = *end->failure != '\0'                                 ? (char *)(uintptr_t)end->failure
                      : job->stop != NULL && !sw_attempt_succeeded(attempt) ? job->stop_why
                      : request.has_exit_code || request.has_signal
                          ? NULL
                          : (char *)(uintptr_t) "the command ended in an unknown way";
    if (sw_service_call_start(&job->call, &sw_method_finish_command, &request.base, on_reported) != SW_OK)
        sw_lease_lose(&job->lease, "out of memory");
}

static void on_end(void *context)
{
    sw_job *job = context;
    if (job->state == SW_JOB_LOST) {
        move(job, SW_JOB_OVER);
        return;
    }
    move(job, SW_JOB_FLUSHING);
    send_output(job);
}

/* --- the next command --- */

static void launch(sw_job *job, int32_t number)
{
    const Sw__DeploymentCommand *command = command_of(job);
    const sw_launch launch = {job->host->settings, job->claim, job->secrets, job->directory};
    sw_error error;
    if (sw_launch_start(&launch, &job->attempt, command, number, job->lease.until_ms, &error) == SW_OK) {
        move(job, SW_JOB_RUNNING);
        return;
    }
    sw_attempt_fail(&job->attempt, command->number, number, error.message);
    report(job);
}

static void on_started(ProtobufCMessage **reply, const sw_error *error, void *context)
{
    sw_job *job = context;
    if (*reply != NULL) {
        int32_t number = ((const Sw__DeploymentCommandResult *)*reply)->attempt;
        if (job->stop == NULL) {
            launch(job, number);
        } else {
            sw_attempt_fail(&job->attempt, command_of(job)->number, number, job->stop_why);
            report(job);
        }
    } else if (error->code == SW_FAILED_PRECONDITION && job->stop == NULL) { /* perhaps for an abort */
        snprintf(job->refusal, sizeof(job->refusal), "%s", error->message);
        job->refused_ms = sw_lease_now_ms();
        sw_lease_ask(&job->lease);
    } else if (job->stop != NULL && error->code == SW_FAILED_PRECONDITION) {
        conclude(job, job->stop, job->stop_why);
    } else {
        refuse(job, "StartCommand", error);
    }
}

/* Whether an earlier runner, which was lost, finished the command. */
static bool is_done(const sw_job *job, const Sw__DeploymentCommand *command)
{
    for (size_t i = 0; i < job->claim->n_results; i++) {
        const Sw__DeploymentCommandResult *result = job->claim->results[i];
        if (result->command != command->number || result->finished_at == NULL)
            continue;
        if (result->has_exit_code &&
            ((result->exit_code == 0 && !result->timed_out) || command->continue_on_failure))
            return true;
    }
    return false;
}

static void next(sw_job *job)
{
    while (job->index < job->claim->n_commands && job->tries == 0 && is_done(job, command_of(job)))
        job->index++;
    if (job->stop != NULL) {
        conclude(job, job->stop, job->stop_why);
        return;
    }
    if (job->index == job->claim->n_commands) {
        conclude(job, "DONE", "");
        return;
    }
    Sw__StartCommandRequest request = SW__START_COMMAND_REQUEST__INIT;
    request.has_id = request.has_fence = request.has_number = true;
    request.id = sw_job_deployment(job);
    request.fence = job->claim->fence;
    request.number = command_of(job)->number;
    job->tries++;
    move(job, SW_JOB_STARTING);
    if (sw_service_call_start(&job->call, &sw_method_start_command, &request.base, on_started) != SW_OK)
        sw_lease_lose(&job->lease, "out of memory");
}

/* --- its life --- */

static sw_code prepare(sw_job *job, sw_error *error)
{
    const sw_settings *settings = job->host->settings;
    const Sw__Deployment *d = job->claim->deployment;
    sw_code code = sw_environment_directory(settings->directory, d->docroot, d->environment, job->directory,
                                            sizeof(job->directory), error);
    return code != SW_OK ? code : sw_secrets_load(settings->secrets, &job->secrets, error);
}

sw_job *sw_job_new(const sw_job_host *host, Sw__Claim *claim, int64_t asked_ms)
{
    sw_error error;
    sw_job *job = calloc(1, sizeof(*job));
    if (job == NULL)
        return NULL;
    job->host = host;
    job->claim = claim;
    job->lease.id = claim->deployment->id;
    job->lease.fence = claim->fence;
    job->lease.length_ms = claim->lease_ms;
    job->lease.pause_ms = host->renew_ms;
    job->output.deployment = claim->deployment->id;
    job->output.fence = claim->fence;
    job->output.events = &output_events;
    job->output.context = job;
    job->attempt.spool = &job->output.spool;
    job->attempt.limits = &host->settings->limits;
    job->attempt.on_output = on_output;
    job->attempt.on_end = on_end;
    job->attempt.context = job;
    if (sw_attempt_init(&job->attempt, host->loop) != SW_OK ||
        sw_output_sender_init(&job->output, host->loop, host->client, claim->log_offset) != SW_OK ||
        sw_service_call_init(&job->call, host->loop, host->client, job) != SW_OK ||
        sw_lease_start(&job->lease, host->loop, host->client, &lease_events, job, asked_ms) != SW_OK) {
        job->claim = NULL;
        sw_job_destroy(&job);
        return NULL;
    }
    say(job, SW_LOG_INFO, "claimed", "version", claim->deployment->version);
    sw_code code = prepare(job, &error);
    job->attempt.secrets = job->secrets;
    if (code != SW_OK)
        conclude(job, "FAILED", error.message);
    else
        next(job);
    return job;
}

void sw_job_destroy(sw_job **pointer)
{
    sw_job *job = *pointer;
    if (job == NULL)
        return;
    sw_attempt_clear(&job->attempt);
    sw_lease_clear(&job->lease);
    sw_service_call_clear(&job->call);
    sw_output_sender_clear(&job->output);
    sw_secrets_destroy(&job->secrets);
    if (job->claim != NULL)
        sw__claim__free_unpacked(job->claim, NULL);
    free(job);
    *pointer = NULL;
}

int64_t sw_job_deployment(const sw_job *job)
{
    return job->claim->deployment->id;
}

bool sw_job_is_over(const sw_job *job)
{
    return job->state == SW_JOB_OVER;
}

void sw_job_ask(sw_job *job)
{
    sw_lease_ask(&job->lease);
}

void sw_job_stop(sw_job *job, const char *reason)
{
    stop(job, "FAILED", reason);
}

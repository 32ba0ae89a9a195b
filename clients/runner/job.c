/* The course of a deployment (job.h). All that is said to the service carries the fence; when the service, or the clock, says
 * that the lease is gone, what runs is killed and nothing more is said. */
#include "runner/job.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "runner/environment.h"
#include "runner/lease.h"
#include <inttypes.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define SEND_EVERY_MS 25 /* between two AppendLogs of little output: each chunk is a row and an event */
#define SEND_AT_ONCE  (256U << 10) /* bytes that do not wait for that */
#define WHY_SIZE      512

typedef enum {
    JOB_NEXT,       /* which command comes, or none */
    JOB_STARTING,   /* StartCommand is under way */
    JOB_RUNNING,    /* a process runs */
    JOB_FLUSHING,   /* it is over; output is under way */
    JOB_REPORTING,  /* FinishCommand is under way */
    JOB_CONCLUDING, /* FinishDeployment is under way */
    JOB_LOST,       /* a process is being killed */
    JOB_OVER
} job_state;

/* From each state, the ones that may follow. */
#define TO(state) (1U << (state))
static const unsigned moves[] = {
    [JOB_NEXT] = TO(JOB_STARTING) | TO(JOB_CONCLUDING) | TO(JOB_OVER),
    [JOB_STARTING] = TO(JOB_RUNNING) | TO(JOB_REPORTING) | TO(JOB_CONCLUDING) | TO(JOB_OVER),
    [JOB_RUNNING] = TO(JOB_FLUSHING) | TO(JOB_LOST),
    [JOB_FLUSHING] = TO(JOB_REPORTING) | TO(JOB_OVER),
    [JOB_REPORTING] = TO(JOB_NEXT) | TO(JOB_CONCLUDING) | TO(JOB_OVER),
    [JOB_CONCLUDING] = TO(JOB_CONCLUDING) | TO(JOB_OVER),
    [JOB_LOST] = TO(JOB_OVER),
    [JOB_OVER] = 0,
};

struct sw_job {
    const sw_job_host *host;
    Sw__Claim *claim;
    job_state state;
    size_t index;  /* of the command */
    int32_t tries; /* at it, in this claim */
    sw_lease lease;
    sw_errand call;   /* StartCommand, FinishCommand, FinishDeployment */
    sw_errand append; /* AppendLog */
    sw_timer *send_timer;
    int64_t send_ms; /* not before, unless it is much */
    bool deaf;       /* the service takes no output any more */
    sw_spool spool;
    sw_attempt attempt;
    sw_secrets *secrets;
    char directory[PATH_MAX];
    const char *stop;        /* outcome, once it shall end: ABORTED or FAILED */
    char stop_why[WHY_SIZE]; /* and why */
    char doubt[WHY_SIZE];    /* why StartCommand was refused, until it is known whether for an abort */
    int64_t doubt_ms;
};

static void next(sw_job *job);
static void send_output(sw_job *job);

static void move(sw_job *job, job_state to)
{
    if ((moves[job->state] & TO(to)) == 0)
        abort(); /* our bug: the keepers end what runs */
    job->state = to;
    if (to == JOB_OVER) {
        sw_lease_end(&job->lease);
        sw_errand_cancel(&job->call);
        sw_errand_cancel(&job->append);
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
    sw_log(level, event, "deployment", id, "project", job->claim->deployment->project, key, value, NULL);
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
    move(job, JOB_CONCLUDING);
    say(job, SW_LOG_INFO, outcome, "why", why);
    if (sw_errand_start(&job->call, &sw_errand_finish, &request.base, on_concluded) != SW_OK)
        sw_lease_lose(&job->lease, "out of memory");
}

static void on_concluded(ProtobufCMessage **reply, const sw_error *error, void *context)
{
    sw_job *job = context;
    if (*reply != NULL) {
        move(job, JOB_OVER);
    } else if (error->code == SW_FAILED_PRECONDITION || error->code == SW_INVALID_ARGUMENT) {
        /* DONE that the registry refuses is a failure; one that cannot even fail is left to its lease. */
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

/* A refusal that ends everything, or this deployment. */
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
    if (job->state == JOB_RUNNING) {
        move(job, JOB_LOST);
        sw_errand_cancel(&job->append);
        sw_attempt_stop(&job->attempt, true);
        job->deaf = true;
        send_output(job);
    } else if (job->state != JOB_LOST && job->state != JOB_OVER) {
        move(job, JOB_OVER);
    }
}

static void stop(sw_job *job, const char *outcome, const char *why)
{
    if (job->stop != NULL || job->state >= JOB_CONCLUDING)
        return;
    job->stop = outcome;
    snprintf(job->stop_why, sizeof(job->stop_why), "%s", why);
    say(job, SW_LOG_INFO, "stopping", "why", why);
    if (job->state == JOB_RUNNING)
        sw_attempt_stop(&job->attempt, false);
}

static void on_abort(const char *reason, void *context)
{
    stop(context, "ABORTED", reason);
}

/* The lease is held: if StartCommand was refused, and not for an abort, then for good. */
static void on_lease_renewed(void *context)
{
    sw_job *job = context;
    sw_process_allow(&job->attempt.process, job->lease.until_ms);
    if (job->state != JOB_STARTING || *job->doubt == '\0')
        return;
    if (job->stop != NULL)
        conclude(job, job->stop, job->stop_why);
    else if (job->lease.renewal.sent_ms < job->doubt_ms)
        sw_lease_ask(&job->lease);
    else
        conclude(job, "FAILED", job->doubt);
}

static const sw_lease_events lease_events = {.renewed = on_lease_renewed, .lost = on_lost, .abort = on_abort};

/* --- output --- */

static void on_appended(ProtobufCMessage **reply, const sw_error *error, void *context)
{
    sw_job *job = context;
    sw_spool_taken(&job->spool);
    if (*reply == NULL && (error->code == SW_ABORTED || error->code == SW_NOT_FOUND)) {
        sw_lease_lose(&job->lease, error->message);
        return;
    }
    if (*reply == NULL) {
        char why[WHY_SIZE];
        snprintf(why, sizeof(why), "output could not be stored: %.400s", error->message);
        job->deaf = true;
        stop(job, "FAILED", why);
    }
    send_output(job);
}

static void report(sw_job *job);

static void send_output(sw_job *job)
{
    sw_spool *spool = &job->spool;
    if (job->deaf) {
        sw_spool_discard(spool);
    } else if (!spool->is_flying && sw_spool_waiting(spool) > 0) {
        int64_t now = sw_now_ms();
        if (now < job->send_ms && sw_spool_waiting(spool) < SEND_AT_ONCE && job->state == JOB_RUNNING) {
            sw_timer_start(job->send_timer, job->send_ms);
            return;
        }
        size_t size;
        uint8_t *packed = sw_spool_take(spool, sw_job_deployment(job), job->claim->fence, &size);
        job->send_ms = now + SEND_EVERY_MS;
        if (packed == NULL ||
            sw_errand_start_packed(&job->append, &sw_errand_append, packed, size, on_appended) != SW_OK) {
            sw_lease_lose(&job->lease, "out of memory");
            return;
        }
    }
    if (job->attempt.running)
        sw_attempt_go_on(&job->attempt);
    if (job->state == JOB_FLUSHING && sw_spool_is_empty(spool))
        report(job);
}

static void on_send_timer(void *context)
{
    send_output(context);
}

static void on_output(void *context)
{
    sw_job *job = context;
    if (!job->spool.is_flying || job->deaf)
        send_output(job);
}

/* --- the attempt that is over --- */

static void describe(const sw_attempt *attempt, int64_t timeout_s, char *text, size_t size)
{
    const sw_process_end *end = &attempt->end;
    if (*end->failure != '\0')
        snprintf(text, size, "could not be started: %s", end->failure);
    else if (attempt->timed_out)
        snprintf(text, size, "was ended after %" PRId64 " s, its timeout", timeout_s);
    else if (end->signal != 0)
        snprintf(text, size, "was ended by signal %d (%s)", end->signal, strsignal(end->signal));
    else
        snprintf(text, size, "exited with %d", end->exit_code);
}

static bool succeeded(const sw_attempt *attempt)
{
    return attempt->end.exit_code == 0 && !attempt->timed_out && *attempt->end.failure == '\0';
}

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
    if (succeeded(&job->attempt) || (job->tries > command->retries && command->continue_on_failure)) {
        job->index++;
        job->tries = 0;
    } else if (job->tries > command->retries) {
        describe(&job->attempt, command->timeout_s, how, sizeof(how));
        snprintf(why, sizeof(why), "command %d of %s %s", command->number, command->step, how);
        conclude(job, "FAILED", why);
        return;
    }
    move(job, JOB_NEXT);
    next(job);
}

static void report(sw_job *job)
{
    const sw_attempt *attempt = &job->attempt;
    const sw_process_end *end = &attempt->end;
    Sw__FinishCommandRequest request = SW__FINISH_COMMAND_REQUEST__INIT;
    move(job, JOB_REPORTING);
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
    request.failure = *end->failure != '\0'                      ? (char *)(uintptr_t)end->failure
                      : job->stop != NULL && !succeeded(attempt) ? job->stop_why
                      : request.has_exit_code || request.has_signal
                          ? NULL
                          : (char *)(uintptr_t) "it did not end as commands do";
    if (sw_errand_start(&job->call, &sw_errand_finish_command, &request.base, on_reported) != SW_OK)
        sw_lease_lose(&job->lease, "out of memory");
}

static void on_end(void *context)
{
    sw_job *job = context;
    if (job->state == JOB_LOST) {
        move(job, JOB_OVER);
        return;
    }
    move(job, JOB_FLUSHING);
    send_output(job);
}

/* --- the next command --- */

static void launch(sw_job *job, int32_t number)
{
    const Sw__DeploymentCommand *command = command_of(job);
    const char *const shell[] = {"/bin/sh", "-c", command->shell, NULL};
    const char **argv = calloc(command->n_argv + 1, sizeof(*argv));
    char **environment = sw_environment_new(job->host->settings, job->secrets, job->claim, command, number);
    sw_error error = {.code = SW_RESOURCE_EXHAUSTED, .message = "out of memory"};
    sw_code code = SW_RESOURCE_EXHAUSTED;
    if (argv != NULL && environment != NULL) {
        for (size_t i = 0; i < command->n_argv; i++)
            argv[i] = command->argv[i];
        const sw_process_spec spec = {.argv = command->n_argv > 0 ? argv : shell,
                                      .directory = job->directory,
                                      .environment = (const char *const *)environment,
                                      .user = job->host->settings->user,
                                      .until_ms = job->lease.until_ms};
        code = sw_attempt_start(&job->attempt, &spec, command->number, number,
                                (int64_t)command->timeout_s * 1000, &error);
    }
    free(argv);
    sw_environment_free(&environment);
    if (code == SW_OK) {
        move(job, JOB_RUNNING);
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
    } else if (error->code == SW_FAILED_PRECONDITION &&
               job->stop == NULL) { /* perhaps an abort was asked for */
        snprintf(job->doubt, sizeof(job->doubt), "%s", error->message);
        job->doubt_ms = sw_lease_now_ms();
        sw_lease_ask(&job->lease);
    } else if (job->stop != NULL && error->code == SW_FAILED_PRECONDITION) {
        conclude(job, job->stop, job->stop_why);
    } else {
        refuse(job, "StartCommand", error);
    }
}

/* An earlier runner, which was lost, was done with it. */
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
    move(job, JOB_STARTING);
    if (sw_errand_start(&job->call, &sw_errand_start_command, &request.base, on_started) != SW_OK)
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
    job->attempt.spool = &job->spool;
    job->attempt.limits = &host->settings->limits;
    job->attempt.on_output = on_output;
    job->attempt.on_end = on_end;
    job->attempt.context = job;
    if (sw_attempt_init(&job->attempt, host->loop) != SW_OK ||
        sw_spool_init(&job->spool, claim->log_offset, NULL) != SW_OK ||
        sw_errand_init(&job->call, host->loop, host->client, job) != SW_OK ||
        sw_errand_init(&job->append, host->loop, host->client, job) != SW_OK ||
        (job->send_timer = sw_loop_timer(host->loop, on_send_timer, job)) == NULL ||
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
    sw_errand_clear(&job->call);
    sw_errand_clear(&job->append);
    sw_timer_destroy(&job->send_timer);
    sw_spool_clear(&job->spool);
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
    return job->state == JOB_OVER;
}

void sw_job_ask(sw_job *job)
{
    sw_lease_ask(&job->lease);
}

void sw_job_stop(sw_job *job, const char *reason)
{
    stop(job, "FAILED", reason);
}

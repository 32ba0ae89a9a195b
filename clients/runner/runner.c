/* Claims and jobs, see runner.h. One claim is under way at a time; an event of a deployment
 * causes the next one at once. */
#include "runner/runner.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "runner/service_call.h"
#include <inttypes.h>
#include <sitewire/watch.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <zmq.h>

#define RENEW_MS 5000  /* longest pause between two renewals of a lease */
#define WATCH_MS 30000 /* from a failed watch to the next one */

struct sw_runner {
    sw_loop *loop;
    sw_client *client;
    sw_runner_options options;
    sw_job_host host;
    sw_watch *watch;  /* of states; NULL: the runner only polls */
    int64_t watch_ms; /* no new watch before that */
    int fd;           /* the descriptor of the watch, or of the client */
    sw_service_call claim;
    sw_timer *timer; /* the next claim */
    bool again;      /* something happened while a claim was under way */
    bool draining;
    bool idle_reported; /* on_idle was called */
    sw_job **jobs;      /* settings->jobs slots; NULL: free */
};

size_t sw_runner_jobs(const sw_runner *runner)
{
    size_t count = 0;
    for (int64_t i = 0; i < runner->options.settings->jobs; i++)
        count += runner->jobs[i] != NULL;
    return count;
}

static sw_job **free_slot(const sw_runner *runner)
{
    for (int64_t i = 0; i < runner->options.settings->jobs; i++)
        if (runner->jobs[i] == NULL)
            return &runner->jobs[i];
    return NULL;
}

/* --- claims --- */

static void watch_again(sw_runner *runner);

static void on_claimed(ProtobufCMessage **reply, const sw_error *error, void *context)
{
    sw_runner *runner = context;
    const sw_settings *settings = runner->options.settings;
    Sw__Claim *claim = (Sw__Claim *)*reply;
    runner->options.on_claim(claim == NULL ? error : NULL, runner->options.context);
    if (claim != NULL)
        watch_again(runner);
    if (claim != NULL && claim->deployment != NULL) {
        sw_job **slot = free_slot(runner);
        *slot = sw_job_new(&runner->host, claim, runner->claim.started_ms);
        if (*slot != NULL)
            *reply = NULL;
        else
            sw_log_limited(SW_LOG_ERROR, "out of memory", NULL);
        runner->again = true;
    }
    sw_timer_start(runner->timer, sw_now_ms() + (runner->again ? 0 : settings->poll_ms));
    runner->again = false;
}

static void claim(void *context)
{
    sw_runner *runner = context;
    const sw_settings *settings = runner->options.settings;
    if (runner->claim.active || runner->draining || free_slot(runner) == NULL)
        return;
    Sw__ClaimDeploymentRequest request = SW__CLAIM_DEPLOYMENT_REQUEST__INIT;
    request.runner = (char *)(uintptr_t)settings->name;
    request.n_environments = settings->environments.count;
    request.environments = (char **)(uintptr_t)settings->environments.codes;
    request.n_docroots = settings->docroots.count;
    request.docroots = (char **)(uintptr_t)settings->docroots.codes;
    request.n_projects = settings->projects.count;
    request.projects = (char **)(uintptr_t)settings->projects.codes;
    request.has_lease_ms = true;
    request.lease_ms = (int32_t)settings->lease_ms;
    if (sw_service_call_start(&runner->claim, &sw_method_claim, &request.base, on_claimed) != SW_OK)
        sw_timer_start(runner->timer, sw_now_ms() + settings->poll_ms);
}

/* Claims at once, or again after the claim under way: something may be due. */
static void claim_soon(sw_runner *runner)
{
    if (runner->claim.active)
        runner->again = true;
    else
        sw_timer_start(runner->timer, sw_now_ms());
}

/* --- jobs --- */

static void on_over(sw_job *job, void *context)
{
    (void)job;
    claim_soon(context);
}

/* At the end of a round: what is over is no more. */
static void sweep(void *context)
{
    sw_runner *runner = context;
    for (int64_t i = 0; i < runner->options.settings->jobs; i++)
        if (runner->jobs[i] != NULL && sw_job_is_over(runner->jobs[i])) {
            sw_job_destroy(&runner->jobs[i]);
            claim_soon(runner);
        }
    if (runner->draining && runner->claim.failures > 0) /* nobody answers it */
        sw_service_call_cancel(&runner->claim);
    if (runner->draining && !runner->idle_reported && !runner->claim.active && sw_runner_jobs(runner) == 0) {
        runner->idle_reported = true;
        runner->options.on_idle(runner->options.context);
    }
}

/* --- events --- */

/* Whether the new state lets no other deployment start. In any other case a claim finds out. */
static bool is_idle(const char *payload)
{
    return strstr(payload, "\"status\": \"REQUESTED\"") != NULL ||
           strstr(payload, "\"status\": \"IN_PROGRESS\"") != NULL;
}

/* The state of a deployment changed: one that runs here, or one that may be claimed now. */
static void on_event(const sw_event *event, void *context)
{
    sw_runner *runner = context;
    for (int64_t i = 0; i < runner->options.settings->jobs; i++)
        if (runner->jobs[i] != NULL && sw_job_deployment(runner->jobs[i]) == event->deployment) {
            if (strstr(event->payload, "\"abort\"") != NULL)
                sw_job_ask(runner->jobs[i]);
            return;
        }
    if (!is_idle(event->payload))
        claim_soon(runner);
}

static void process(sw_runner *runner);

static void on_readable(void *context, short events)
{
    (void)events;
    process(context);
}

/* For the leases of future claims. */
static void set_renewals(sw_runner *runner)
{
    int64_t poll_ms = runner->options.settings->poll_ms;
    runner->host.renew_ms = runner->watch == NULL && poll_ms < RENEW_MS ? poll_ms : RENEW_MS;
}

static sw_code listen_to(sw_runner *runner, int fd)
{
    if (runner->fd >= 0)
        sw_loop_remove_fd(runner->loop, runner->fd);
    runner->fd = fd;
    return fd < 0 ? SW_RESOURCE_EXHAUSTED : sw_loop_fd(runner->loop, fd, ZMQ_POLLIN, on_readable, runner);
}

static void process(sw_runner *runner)
{
    if (runner->watch == NULL) {
        sw_client_process(runner->client, 0);
        return;
    }
    if (sw_watch_process(runner->watch, 0) >= 0)
        return;
    sw_log_limited(SW_LOG_WARNING, "events cannot be received", "reason",
                   sw_watch_error(runner->watch)->message, NULL);
    listen_to(runner, sw_client_fd(runner->client));
    sw_watch_close(&runner->watch);
    set_renewals(runner);
    runner->watch_ms = sw_now_ms() + WATCH_MS;
}

/* Calls that were started in this round of the loop leave at its end. */
static void on_idle(void *context)
{
    sweep(context);
    process(context);
}

static sw_code open_watch(sw_runner *runner, sw_error *error)
{
    const sw_settings *settings = runner->options.settings;
    set_renewals(runner);
    if (*runner->options.events == '\0')
        return listen_to(runner, sw_client_fd(runner->client));
    const sw_watch_options options = {.size = sizeof(options),
                                      .endpoints = runner->options.events,
                                      .projects = (const char *const *)settings->projects.codes,
                                      .project_count = settings->projects.count,
                                      .kinds = "state",
                                      .fn = on_event,
                                      .context = runner};
    sw_code code = sw_watch_open(runner->client, &options, &runner->watch, error);
    set_renewals(runner);
    return code == SW_OK ? listen_to(runner, sw_watch_fd(runner->watch)) : code;
}

/* The services answer again, so a watch that failed may work now: the rights are back, or the
 * database was restored. */
static void watch_again(sw_runner *runner)
{
    if (runner->watch != NULL || *runner->options.events == '\0' || sw_now_ms() < runner->watch_ms)
        return;
    sw_error error;
    runner->watch_ms = sw_now_ms() + WATCH_MS;
    if (open_watch(runner, &error) == SW_OK)
        return;
    sw_log_limited(SW_LOG_WARNING, "events cannot be received", "reason", error.message, NULL);
    sw_watch_close(&runner->watch);
    listen_to(runner, sw_client_fd(runner->client));
    set_renewals(runner);
}

/* --- life --- */

sw_code sw_runner_new(sw_loop *loop, sw_client *client, const sw_runner_options *options, sw_runner **result,
                      sw_error *error)
{
    *result = NULL;
    sw_runner *runner = calloc(1, sizeof(*runner));
    if (runner == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    *runner = (sw_runner){.loop = loop, .client = client, .options = *options, .fd = -1};
    runner->host = (sw_job_host){
        .loop = loop, .client = client, .settings = options->settings, .on_over = on_over, .context = runner};
    runner->jobs = calloc((size_t)options->settings->jobs, sizeof(*runner->jobs));
    runner->timer = sw_loop_timer(loop, claim, runner);
    sw_code code = SW_RESOURCE_EXHAUSTED;
    if (error != NULL)
        *error = (sw_error){.code = code, .local = true, .message = "out of memory or descriptors"};
    if (runner->jobs != NULL && runner->timer != NULL &&
        sw_service_call_init(&runner->claim, loop, client, runner) == SW_OK &&
        sw_loop_idle(loop, on_idle, runner) == SW_OK)
        code = open_watch(runner, error);
    if (code != SW_OK) {
        sw_runner_destroy(&runner);
        return code;
    }
    sw_timer_start(runner->timer, sw_now_ms());
    *result = runner;
    return SW_OK;
}

void sw_runner_destroy(sw_runner **pointer)
{
    sw_runner *runner = *pointer;
    if (runner == NULL)
        return;
    sw_loop_idle_remove(runner->loop, on_idle, runner);
    for (int64_t i = 0; runner->jobs != NULL && i < runner->options.settings->jobs; i++)
        sw_job_destroy(&runner->jobs[i]);
    free(runner->jobs);
    sw_service_call_clear(&runner->claim);
    sw_timer_destroy(&runner->timer);
    if (runner->fd >= 0)
        sw_loop_remove_fd(runner->loop, runner->fd);
    sw_watch_close(&runner->watch);
    free(runner);
    *pointer = NULL;
}

void sw_runner_drain(sw_runner *runner)
{
    runner->draining = true;
    sw_timer_stop(runner->timer);
}

void sw_runner_stop(sw_runner *runner)
{
    for (int64_t i = 0; i < runner->options.settings->jobs; i++)
        if (runner->jobs[i] != NULL)
            sw_job_stop(runner->jobs[i], "the runner was stopped");
}

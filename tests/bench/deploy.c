/* Deployments in a closed loop, through libsitewire: one at a time on each of DOCROOTS docroots,
 * bench0, bench1 ..., of the websites of these names; the next one is requested when the event
 * comes that the last one is DONE.
 * deploy DOCROOTS SECONDS [FIFO]
 * Latencies are from the request to that event. With a FIFO, which the command opens, from ACCEPTED
 * (its time is the service's, and before the commit) to the command's doing so. */
#include "measure.h"

#include "sitewire/deployment/v1/deployment.pb-c.h"
#include <fcntl.h>
#include <sitewire/watch.h>
#include <string.h>
#include <unistd.h>

#define DOCROOTS_MAX 256
#define PATIENCE_S   60 /* for one deployment */

typedef struct docroot {
    struct bench *bench;
    char code[40], project[48];
    int64_t started_us;
    bool answered, over;
} docroot;

typedef struct bench {
    sw_client *client;
    const char *fifo;
    measure measure;
    int64_t seconds_us, until_us;
    uint64_t version, done, warm;
    size_t running, count;
    docroot docroots[DOCROOTS_MAX];
} bench;

static void fail(const char *what, const char *why)
{
    fprintf(stderr, "deploy: %s: %s\n", what, why);
    exit(1);
}

static int64_t wall_us(void)
{
    struct timespec t;
    clock_gettime(CLOCK_REALTIME, &t);
    return (int64_t)t.tv_sec * 1000000 + t.tv_nsec / 1000;
}

static void request(docroot *d);

static void check(docroot *d)
{
    bench *b = d->bench;
    if (!d->answered || !d->over)
        return;
    b->running--;
    int64_t now = bench_now_us();
    if (++b->done == b->warm) {
        b->measure.started_us = now;
        b->until_us = now + b->seconds_us;
    }
    if (b->done > b->warm && now <= b->until_us) {
        if (b->fifo == NULL)
            measure_add(&b->measure, d->started_us, now);
        b->measure.ended_us = now;
    }
    if (now < b->until_us)
        request(d);
}

/* The command's first act is to open the fifo. */
static void await_command(bench *b, const Sw__DeploymentPlan *plan)
{
    const Google__Protobuf__Timestamp *at = plan->deployment->accepted_at;
    int fd = open(b->fifo, O_RDONLY | O_CLOEXEC);
    int64_t begun_us = wall_us();
    if (fd < 0 || at == NULL)
        fail("await", "no fifo, or it was not accepted");
    close(fd);
    if (b->done >= b->warm)
        measure_add(&b->measure, at->seconds * 1000000 + at->nanos / 1000, begun_us);
}

static void answered(const sw_reply *reply, void *context)
{
    docroot *d = context;
    bench *b = d->bench;
    if (reply->code != SW_OK)
        fail("RequestDeployment", reply->error->message);
    if (b->fifo != NULL) {
        const Sw__DeploymentPlan *plan =
            sw_client_message(b->client, reply, &sw__deployment_plan__descriptor, NULL);
        if (plan == NULL || plan->deployment == NULL)
            fail("RequestDeployment", "a reply without a deployment");
        await_command(b, plan);
    }
    d->answered = true;
    check(d);
}

static void request(docroot *d)
{
    bench *b = d->bench;
    sw_error error;
    char version[32], line[256];
    char *argv[] = {(char *)(uintptr_t) "true"};
    Sw__Command command = SW__COMMAND__INIT, *commands[] = {&command};
    Sw__RequestDeploymentRequest request = SW__REQUEST_DEPLOYMENT_REQUEST__INIT;
    snprintf(version, sizeof(version), "%llu", (unsigned long long)++b->version);
    if (b->fifo != NULL) {
        snprintf(line, sizeof(line), ": >%s", b->fifo);
        command.shell = line;
    } else {
        command.n_argv = 1;
        command.argv = argv;
    }
    request.project = d->project;
    request.docroot = d->code;
    request.environment = (char *)(uintptr_t) "bench";
    request.version = version;
    request.n_commands = 1;
    request.commands = commands;
    d->started_us = bench_now_us();
    d->answered = d->over = false;
    b->running++;
    if (sw_client_start(b->client, "/sitewire.deployment.v1.Deployments/RequestDeployment", &request.base,
                        NULL, answered, d, NULL, &error) != SW_OK)
        fail("RequestDeployment", error.message);
    alarm(PATIENCE_S);
}

static void on_event(const sw_event *event, void *context)
{
    bench *b = context;
    for (size_t i = 0; i < b->count; i++) {
        docroot *d = &b->docroots[i];
        if (strcmp(event->project, d->project) != 0)
            continue;
        if (strstr(event->payload, "\"FAILED\"") != NULL || strstr(event->payload, "\"ABORTED\"") != NULL)
            fail(d->project, event->payload);
        d->over = strstr(event->payload, "\"DONE\"") != NULL;
        check(d);
    }
}

int main(int argc, char **argv)
{
    if (argc < 3 || atoi(argv[1]) < 1 || atoi(argv[1]) > DOCROOTS_MAX) {
        fprintf(stderr, "usage: deploy DOCROOTS SECONDS [FIFO]\n");
        return 2;
    }
    static bench b;
    const char *projects[DOCROOTS_MAX];
    sw_error error;
    sw_watch *watch = NULL;
    sw_watch_status status = {0};
    b.count = (size_t)atoi(argv[1]);
    b.fifo = argc > 3 ? argv[3] : NULL;
    b.warm = 2 * b.count;
    b.seconds_us = (int64_t)(atof(argv[2]) * 1e6);
    b.until_us = INT64_MAX;
    b.version = (uint64_t)bench_now_us();
    b.measure.latency_us = malloc(BENCH_SAMPLES * sizeof(uint32_t));
    for (size_t i = 0; i < b.count; i++) {
        docroot *d = &b.docroots[i];
        d->bench = &b;
        snprintf(d->code, sizeof(d->code), "bench%zu", i);
        snprintf(d->project, sizeof(d->project), "website:bench%zu", i);
        projects[i] = d->project;
    }
    const sw_watch_options options = {.size = sizeof(options),
                                      .kinds = "state",
                                      .projects = projects,
                                      .project_count = b.count,
                                      .fn = on_event,
                                      .context = &b};
    if (sw_client_open(NULL, NULL, &b.client, &error) != SW_OK ||
        sw_watch_open(b.client, &options, &watch, &error) != SW_OK)
        fail("open", error.message);
    for (; !sw_watch_is_ready(watch) || !status.subscribed; sw_watch_get_status(watch, &status))
        sw_watch_process(watch, 10);
    for (size_t i = 0; i < b.count; i++)
        request(&b.docroots[i]);
    while (b.running > 0)
        if (sw_watch_process(watch, 50) < 0)
            fail("watch", sw_watch_error(watch)->message);
    if (b.fifo == NULL && b.measure.calls == 0)
        fail("deployments", "none in this time");
    measure_print(&b.measure);
    sw_watch_close(&watch);
    sw_client_close(&b.client);
    return 0;
}

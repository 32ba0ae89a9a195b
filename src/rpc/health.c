/* Health.Check asks the process. Health.Watch has a watcher for each stream, which remembers what
 * was sent last, so that a slow reader gets the newest state and never a backlog. */
#include "rpc/health.h"

#include "base/error.h"
#include <stdlib.h>
#include <string.h>

#define REASON_SIZE 256

typedef struct watcher {
    struct watcher *next;
    sw_call *call;
    const char *service; /* lives in the call's arena */
    bool sent;           /* status and reason have been sent */
    Sw__HealthCheckResponse__ServingStatus status;
    char reason[REASON_SIZE];
} watcher;

struct sw_health {
    const sw_dispatch *dispatch;
    const sw_builtin_options *options;
    watcher *watchers;
    size_t count;
};

/* A process without a function for its health serves everything that it has methods for. */
static bool default_health(const sw_dispatch *dispatch, const char *service, Sw__HealthCheckResponse *reply)
{
    const sw_method_entry *const *methods;
    size_t count = sw_dispatch_methods(dispatch, &methods);
    bool known = service[0] == '\0';
    for (size_t i = 0; i < count && !known; i++)
        known = strcmp(methods[i]->method.service->name, service) == 0;
    reply->status = SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING;
    return known;
}

static bool look(const sw_health *health, const char *service, Sw__HealthCheckResponse *reply)
{
    sw__health_check_response__init(reply);
    reply->has_status = true;
    if (health->options->health != NULL)
        return health->options->health(health->options->context, service, reply);
    return default_health(health->dispatch, service, reply);
}

static const char *service_of(const ProtobufCMessage *request)
{
    const Sw__HealthCheckRequest *check = (const Sw__HealthCheckRequest *)request;
    return check->service == NULL ? "" : check->service;
}

static void check(sw_call *call, const ProtobufCMessage *request, void *context)
{
    Sw__HealthCheckResponse reply;
    if (look(context, service_of(request), &reply)) {
        sw_call_reply(call, &reply.base);
        return;
    }
    sw_error error;
    sw_fail_field(&error, SW_NOT_FOUND, "service", "this process has no service %.200s", service_of(request));
    sw_call_fail(call, &error);
}

/* --- Watch --- */

static void send_health(sw_health *health, watcher *to)
{
    Sw__HealthCheckResponse now;
    char reason[REASON_SIZE] = "";
    if (!look(health, to->service, &now)) {
        now.status = SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__UNKNOWN;
        now.reason = NULL;
    }
    if (now.reason != NULL)
        strncpy(reason, now.reason, sizeof(reason) - 1);
    if (to->sent && to->status == now.status && strcmp(to->reason, reason) == 0)
        return;
    if (!sw_call_partial(to->call, &now.base))
        return; /* sent once there is credit */
    to->sent = true;
    to->status = now.status;
    memcpy(to->reason, reason, sizeof(reason));
}

static watcher **find(sw_health *health, const sw_call *call)
{
    watcher **at = &health->watchers;
    while (*at != NULL && (*at)->call != call)
        at = &(*at)->next;
    return at;
}

static void watch_credit(sw_call *call, void *context)
{
    watcher *found = *find(context, call);
    if (found != NULL)
        send_health(context, found);
}

static void watch_cancel(sw_call *call, void *context)
{
    sw_health *health = context;
    watcher **at = find(health, call), *gone = *at;
    if (gone != NULL) {
        *at = gone->next;
        free(gone);
        health->count--;
    }
    sw_error error;
    sw_code code = sw_call_cancel_code(call);
    sw_fail(&error, code,
            code == SW_CANCELLED ? "the watch was cancelled" : "the deadline of the watch has passed");
    sw_call_fail(call, &error);
}

static void watch(sw_call *call, const ProtobufCMessage *request, void *context)
{
    sw_health *health = context;
    sw_error error;
    if (sw_call_get_header(call)->credit == 0) {
        sw_fail(&error, SW_INVALID_ARGUMENT, "Watch is a stream: the call must grant credit");
        sw_call_fail(call, &error);
        return;
    }
    if (health->count >= health->options->watches_max) {
        sw_fail(&error, SW_RESOURCE_EXHAUSTED,
                "there are %zu watches already, the most at once; poll with Check instead", health->count);
        error.retry_safe = true;
        sw_call_fail(call, &error);
        return;
    }
    watcher *made = calloc(1, sizeof(*made));
    if (made == NULL) {
        sw_fail(&error, SW_RESOURCE_EXHAUSTED, "no memory for another watch");
        sw_call_fail(call, &error);
        return;
    }
    *made = (watcher){.next = health->watchers, .call = call, .service = service_of(request)};
    health->watchers = made;
    health->count++;
    sw_call_on_cancel(call, watch_cancel, health);
    sw_call_on_credit(call, watch_credit, health);
    send_health(health, made);
}

void sw_health_changed(sw_health *health)
{
    for (watcher *each = health->watchers, *next; each != NULL; each = next) {
        next = each->next; /* sending may end this watch, and no other */
        send_health(health, each);
    }
}

void sw_health_end_watches(sw_health *health)
{
    sw_error error;
    sw_fail(&error, SW_UNAVAILABLE, "the process drains; watch another one");
    error.retry_safe = true;
    for (watcher *gone; (gone = health->watchers) != NULL;) {
        health->watchers = gone->next;
        sw_call_on_cancel(gone->call, NULL, NULL);
        sw_call_fail(gone->call, &error);
        free(gone);
        health->count--;
    }
}

sw_code sw_health_new(sw_dispatch *dispatch, const sw_builtin_options *options, sw_health **health,
                      sw_error *error)
{
    *health = calloc(1, sizeof(**health));
    if (*health == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for Health");
    **health = (sw_health){.dispatch = dispatch, .options = options};
    const sw_method methods[] = {{&sw__health__descriptor, "Check", check, *health},
                                 {&sw__health__descriptor, "Watch", watch, *health}};
    for (size_t i = 0; i < sizeof(methods) / sizeof(*methods); i++) {
        sw_code code = sw_dispatch_add(dispatch, &methods[i], error);
        if (code != SW_OK) {
            sw_health_destroy(health);
            return code;
        }
    }
    return SW_OK;
}

void sw_health_destroy(sw_health **health)
{
    if (*health == NULL)
        return;
    for (watcher *each = (*health)->watchers, *next; each != NULL; each = next) {
        next = each->next;
        free(each);
    }
    free(*health);
    *health = NULL;
}

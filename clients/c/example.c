/* A tour of libsitewire: one call, many calls at once, a call with JSON, a stream, events.
 * docs/client.md explains it.
 *   cc example.c $(pkg-config --cflags --libs sitewire) -o example && ./example WEBSITE */
#include <sitewire/referential.h>
#include <sitewire/rpc.h>
#include <sitewire/watch.h>
#include <stdio.h>
#include <stdlib.h>

#define PARALLEL 100

static int fail(const char *what, const sw_error *error)
{
    fprintf(stderr, "%s: %s: %s\n", what, sw_code_name(error->code), error->message);
    return (int)error->code;
}

/* One call: ask, and wait for the answer. */
static int show_website(sw_client *client, const char *code)
{
    Sw__GetWebsiteRequest request = SW__GET_WEBSITE_REQUEST__INIT;
    Sw__Website *website;
    sw_error error;
    request.code = (char *)code;
    if (sw_get_website(client, &request, &website, NULL, &error) == SW_OK) {
        printf("%s is %s\n", website->code, website->live ? "live" : "not live");
        sw__website__free_unpacked(website, NULL);
    } else if (error.code == SW_NOT_FOUND) {
        printf("there is no website %s\n", code);
    } else {
        return fail("GetWebsite", &error);
    }
    printf("answered within %lld us\n", (long long)sw_client_last(client)->total_us);
    return 0;
}

/* Many calls at once: start them all, then let the client work. */
static void on_reply(const sw_reply *reply, void *context)
{
    int *ok = context;
    if (reply->code == SW_OK)
        ++*ok;
    else
        fail("Check", reply->error);
}

static int check_many(sw_client *client)
{
    Sw__HealthCheckRequest request = SW__HEALTH_CHECK_REQUEST__INIT;
    sw_call_options options = {.size = sizeof(options), .timeout_ms = 5000};
    sw_error error;
    int ok = 0;
    for (int i = 0; i < PARALLEL; i++)
        if (sw_health_check_start(client, &request, &options, on_reply, &ok, NULL, &error) != SW_OK)
            return fail("Check", &error);
    while (sw_client_in_flight(client) > 0)
        sw_client_process(client, -1);
    printf("%d of %d calls went well\n", ok, PARALLEL);
    return ok == PARALLEL ? 0 : 1;
}

/* Any method by its name: neither generated code nor .proto files are needed. */
static int call_by_name(sw_client *client)
{
    char *reply;
    sw_error error;
    if (sw_client_call_json(client, "Health/Check", "{}", &reply, NULL, &error) != SW_OK)
        return fail("Health/Check", &error);
    printf("Health/Check says %s\n", reply);
    free(reply);
    return 0;
}

/* A stream: messages come until we cancel it. Each uses up one unit of credit. */
typedef struct watch {
    sw_client *client;
    uint64_t call;
    int messages;
} watch;

static void on_change(const sw_reply *reply, void *context)
{
    watch *w = context;
    if (reply->final) {
        printf("the stream ended with %s\n", sw_code_name(reply->code));
        return;
    }
    const Sw__HealthCheckResponse *health =
        sw_client_message(w->client, reply, &sw__health_check_response__descriptor, NULL);
    if (health != NULL && health->status == SW__HEALTH_CHECK_RESPONSE__SERVING_STATUS__SERVING)
        printf("it is serving\n");
    w->messages++;
    sw_client_credit(w->client, w->call, 1); /* this one is dealt with */
    sw_client_cancel(w->client, w->call);
}

static int watch_health(sw_client *client)
{
    Sw__HealthCheckRequest request = SW__HEALTH_CHECK_REQUEST__INIT;
    sw_call_options options = {.size = sizeof(options), .credit = 16};
    watch w = {.client = client};
    sw_error error;
    if (sw_health_watch_start(client, &request, &options, on_change, &w, &w.call, &error) != SW_OK)
        return fail("Watch", &error);
    while (sw_client_in_flight(client) > 0)
        sw_client_process(client, -1);
    return w.messages > 0 ? 0 : 1;
}

/* Events as they happen, from the first one there is. */
static void on_event(const sw_event *event, void *context)
{
    int *count = context;
    ++*count;
    printf("%s: %s %s\n", event->project, event->kind, event->payload);
}

static int watch_events(sw_client *client)
{
    int count = 0;
    sw_watch_options options = {
        .size = sizeof(options),
        .cursor = "0",
        .fn = on_event,
        .context = &count,
    };
    sw_watch *events;
    sw_error error;
    if (sw_watch_open(client, &options, &events, &error) != SW_OK) /* where $SITEWIRE_EVENTS says */
        return fail("watch", &error);
    while (sw_watch_process(events, 500) > 0)
        continue; /* until nothing happens for half a second */
    printf("%d events; a later watch goes on behind %s\n", count, sw_watch_cursor(events));
    int status = (int)sw_watch_error(events)->code;
    sw_watch_close(&events);
    return status;
}

int main(int argc, char **argv)
{
    sw_client *client;
    sw_error error;
    if (sw_client_open(NULL, NULL, &client, &error) != SW_OK) /* where $SITEWIRE_ENDPOINT says */
        return fail("open", &error);
    int status = argc > 1 ? show_website(client, argv[1]) : 0;
    if (status == 0)
        status = check_many(client);
    if (status == 0)
        status = call_by_name(client);
    if (status == 0)
        status = watch_health(client);
    if (status == 0)
        status = watch_events(client);
    sw_client_close(&client);
    return status;
}

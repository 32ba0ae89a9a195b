/* Load on a running sitewire through libsitewire: one client, IN_FLIGHT calls at once for SECONDS.
 * load health|get|list|create|update|queue|open ENDPOINT IN_FLIGHT SECONDS [KEYS|PREFIX]
 * open: a new client for each call, one after the other.
 * queue: Health.Check with 1 KiB of payload, for a service that does not answer.
 * KEYS: a file of website codes, one a line. PREFIX: of the codes that `create` makes. */
#include "measure.h"

#include "sitewire/referential/v1/referential.pb-c.h"
#include "sitewire/rpc/v1/rpc.pb-c.h"
#include <sitewire/client.h>
#include <string.h>

#define HEALTH      "/sitewire.rpc.v1.Health/Check"
#define REFERENTIAL "sitewire.referential.v1.Referential"

typedef struct load load;
typedef struct slot {
    load *owner;
    int64_t started_us;
} slot;

struct load {
    sw_client *client;
    char mode;
    measure measure;
    int64_t seconds_us;
    uint64_t answered, warm;
    bool over;
    char **keys;
    size_t key_count, next;
    const char *prefix;
};

static void start(slot *s);

static void answered(const sw_reply *reply, void *context)
{
    slot *s = context;
    load *l = s->owner;
    int64_t now = bench_now_us();
    if (reply->code != SW_OK && l->measure.errors++ == 0)
        fprintf(stderr, "load: %s: %s\n", sw_code_name(reply->code), reply->error->message);
    if (++l->answered == l->warm)
        l->measure.started_us = now;
    if (l->answered > l->warm && !l->over) {
        measure_add(&l->measure, s->started_us, now);
        if (l->mode == 'l') {
            const Sw__ListWebsitesResponse *page =
                sw_client_message(l->client, reply, &sw__list_websites_response__descriptor, NULL);
            l->measure.items += page == NULL ? 0 : page->n_items;
        }
        l->measure.ended_us = now;
        l->over = now - l->measure.started_us > l->seconds_us;
    }
    if (!l->over)
        start(s);
}

static void start(slot *s)
{
    load *l = s->owner;
    sw_error error;
    sw_code code = SW_INTERNAL;
    s->started_us = bench_now_us();
    if (l->mode == 'q') {
        static const uint8_t payload[1024] = {0x7a, 0xfd, 0x07};
        sw_call_options options = {.size = sizeof(options), .destination = REFERENTIAL, .timeout_ms = 20000};
        code = sw_client_start_bytes(l->client, HEALTH, payload, sizeof(payload), &options, answered, s, NULL,
                                     &error);
    } else if (l->mode == 'h') {
        /* 64 bytes of payload, as the reference carries: the name of a service, padded with an
         * unknown field.
         */
        static const uint8_t payload[64] = {0x7a, 62};
        sw_call_options options = {.size = sizeof(options), .destination = REFERENTIAL};
        code = sw_client_start_bytes(l->client, HEALTH, payload, sizeof(payload), &options, answered, s, NULL,
                                     &error);
    } else if (l->mode == 'g') {
        Sw__GetWebsiteRequest request = SW__GET_WEBSITE_REQUEST__INIT;
        request.code = l->keys[l->next++ % l->key_count];
        code = sw_client_start(l->client, "/" REFERENTIAL "/GetWebsite", &request.base, NULL, answered, s,
                               NULL, &error);
    } else if (l->mode == 'l') {
        Sw__ListWebsitesRequest request = SW__LIST_WEBSITES_REQUEST__INIT;
        request.has_page_size = true;
        request.page_size = 1000;
        code = sw_client_start(l->client, "/" REFERENTIAL "/ListWebsites", &request.base, NULL, answered, s,
                               NULL, &error);
    } else if (l->mode == 'u') {
        char name[64];
        snprintf(name, sizeof(name), "A website that changes, %zu", l->next);
        Sw__Website website = SW__WEBSITE__INIT;
        Sw__UpdateWebsiteRequest request = SW__UPDATE_WEBSITE_REQUEST__INIT;
        website.code = l->keys[l->next++ % l->key_count];
        website.name = name;
        request.website = &website;
        code = sw_client_start(l->client, "/" REFERENTIAL "/UpdateWebsite", &request.base, NULL, answered, s,
                               NULL, &error);
    } else {
        char key[128];
        snprintf(key, sizeof(key), "%s-%zu", l->prefix, l->next++);
        Sw__Website website = SW__WEBSITE__INIT;
        Sw__CreateWebsiteRequest request = SW__CREATE_WEBSITE_REQUEST__INIT;
        website.code = key;
        website.name = "A website for measuring";
        website.organization = "Department of Benchmarks";
        website.has_live = website.live = true;
        request.website = &website;
        code = sw_client_start(l->client, "/" REFERENTIAL "/CreateWebsite", &request.base, NULL, answered, s,
                               NULL, &error);
    }
    if (code != SW_OK) {
        fprintf(stderr, "load: %s: %s\n", sw_code_name(code), error.message);
        exit(1);
    }
}

static bool read_keys(load *l, const char *path)
{
    FILE *file = fopen(path, "r");
    char *line = NULL;
    size_t capacity = 0;
    for (ssize_t n; file != NULL && (n = getline(&line, &capacity, file)) > 0;) {
        line[strcspn(line, "\n")] = '\0';
        l->keys = realloc(l->keys, (l->key_count + 1) * sizeof(*l->keys));
        l->keys[l->key_count++] = strdup(line);
    }
    free(line);
    if (file != NULL)
        fclose(file);
    return l->key_count > 0;
}

/* From opening a client to the reply of its first call. */
static void open_and_call(load *l, const char *endpoint)
{
    l->measure.started_us = bench_now_us();
    do {
        Sw__HealthCheckRequest request = SW__HEALTH_CHECK_REQUEST__INIT;
        sw_error error;
        sw_client *client = NULL;
        int64_t started_us = bench_now_us();
        if (sw_client_open(endpoint, NULL, &client, &error) != SW_OK ||
            sw_client_call(client, HEALTH, &request.base, NULL, NULL, NULL, &error) != SW_OK) {
            fprintf(stderr, "load: %s: %s\n", sw_code_name(error.code), error.message);
            exit(1);
        }
        measure_add(&l->measure, started_us, bench_now_us());
        sw_client_close(&client);
        l->measure.ended_us = bench_now_us();
    } while (l->measure.ended_us - l->measure.started_us < l->seconds_us);
}

int main(int argc, char **argv)
{
    if (argc < 5) {
        fprintf(stderr, "usage: load health|get|list|create|update|queue|open ENDPOINT IN_FLIGHT SECONDS "
                        "[KEYS|PREFIX]\n");
        return 2;
    }
    uint32_t in_flight = (uint32_t)atoi(argv[3]);
    load l = {.mode = argv[1][0],
              .seconds_us = (int64_t)(atof(argv[4]) * 1e6),
              .warm = in_flight * 10ULL,
              .prefix = argc > 5 ? argv[5] : "bench",
              .measure = {.latency_us = malloc(BENCH_SAMPLES * sizeof(uint32_t))}};
    sw_error error;
    if ((l.mode == 'g' || l.mode == 'u') && (argc < 6 || !read_keys(&l, argv[5]))) {
        fprintf(stderr, "load: get and update need a file of keys\n");
        return 2;
    }
    if (l.mode == 'o') {
        open_and_call(&l, argv[2]);
        measure_print(&l.measure);
        return 0;
    }
    if (sw_client_open(argv[2], NULL, &l.client, &error) != SW_OK) {
        fprintf(stderr, "load: %s\n", error.message);
        return 1;
    }
    slot *slots = calloc(in_flight, sizeof(*slots));
    for (uint32_t i = 0; i < in_flight; i++) {
        slots[i].owner = &l;
        start(&slots[i]);
    }
    while (sw_client_in_flight(l.client) > 0)
        sw_client_process(l.client, -1);
    measure_print(&l.measure);
    sw_client_close(&l.client);
    return l.measure.errors > 0;
}

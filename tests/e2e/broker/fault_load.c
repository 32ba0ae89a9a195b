/* Load that keeps accounts, for tests that kill processes meanwhile (tests/lib/load_test.py): each
 * of SLOTS rows is created and then updated again and again, with reads in between. Every reply is
 * checked against what was acknowledged before. fault-load ENDPOINTS PREFIX SLOTS TIMEOUT_MS: runs
 * until standard input ends, then verifies each row and prints one line of JSON. A row's revision
 * is the number of updates that took effect, so a lost or doubled update shows. */
#include "sitewire/referential/v1/referential.pb-c.h"
#include <poll.h>
#include <sitewire/client.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define METHOD(name) "/sitewire.referential.v1.Referential/" name
#define ROUNDING_MS  2   /* the library's clock and ours round differently */
#define GAP_MS       200 /* without an acknowledged write: worth a line */

typedef struct load load;

typedef struct slot {
    load *owner;
    char code[64];
    int64_t sequence;     /* of the update in flight or done last */
    int64_t acknowledged; /* sequence of the last update that was acknowledged */
    int64_t revision;     /* after it */
    int64_t unknown;      /* updates since then whose outcome is not known */
    int64_t started_ms;
    enum { CREATE, UPDATE, READ } step;
} slot;

struct load {
    sw_client *client;
    int64_t timeout_ms;
    int64_t turn_ms, last_turn_ms; /* when this turn of the client's loop began, and the one before */
    bool over, verifying;
    uint64_t acked, reads, failed, late, lost, doubled, wrong, verified;
    uint64_t codes[SW_CODE_COUNT];
    int64_t longest_ms;
    int64_t acked_ms; /* when a write was acknowledged last; 0: none was */
};

static int64_t now_ms(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000 + t.tv_nsec / 1000000;
}

static void answered(const sw_reply *reply, void *context);

static void start(slot *s)
{
    load *l = s->owner;
    sw_error error;
    sw_code code;
    char name[32];
    sw_call_options options = {.size = sizeof(options), .timeout_ms = l->timeout_ms};
    Sw__Website website = SW__WEBSITE__INIT;
    website.code = s->code;
    s->started_ms = now_ms();
    if (s->step == READ) {
        Sw__GetWebsiteRequest request = SW__GET_WEBSITE_REQUEST__INIT;
        request.code = s->code;
        code = sw_client_start(l->client, METHOD("GetWebsite"), &request.base, &options, answered, s, NULL,
                               &error);
    } else if (s->step == CREATE) {
        Sw__CreateWebsiteRequest request = SW__CREATE_WEBSITE_REQUEST__INIT;
        website.name = "0";
        request.website = &website;
        code = sw_client_start(l->client, METHOD("CreateWebsite"), &request.base, &options, answered, s, NULL,
                               &error);
    } else {
        Sw__UpdateWebsiteRequest request = SW__UPDATE_WEBSITE_REQUEST__INIT;
        snprintf(name, sizeof(name), "%lld", (long long)++s->sequence);
        website.name = name;
        request.website = &website;
        code = sw_client_start(l->client, METHOD("UpdateWebsite"), &request.base, &options, answered, s, NULL,
                               &error);
    }
    if (code != SW_OK) {
        fprintf(stderr, "fault-load: start: %s: %s\n", sw_code_name(code), error.message);
        exit(1);
    }
}

/* The turn before this one began after the call's deadline, so it had to end the call. This holds
 * on the busiest machine, where a turn itself begins late. */
static bool is_late(const slot *s)
{
    return s->started_ms + s->owner->timeout_ms + ROUNDING_MS < s->owner->last_turn_ms;
}

static void turn(load *l, int timeout_ms)
{
    l->last_turn_ms = l->turn_ms;
    l->turn_ms = now_ms();
    sw_client_process(l->client, timeout_ms);
}

/* A line for each pause of all writes: from when to when, on the monotonic clock, so that a test
 * can tell which fault it belongs to. */
static void note_ack(load *l)
{
    int64_t now = now_ms();
    if (l->acked_ms != 0 && now - l->acked_ms >= GAP_MS)
        fprintf(stderr, "gap %lld %lld\n", (long long)l->acked_ms, (long long)now);
    l->acked_ms = now;
    l->acked++;
}

/* What the row says must lie between what was acknowledged and what was tried. */
static void check(slot *s, const Sw__Website *row, bool acknowledged)
{
    load *l = s->owner;
    int64_t most = s->revision + s->unknown + (acknowledged ? 1 : 0);
    int64_t least = s->revision + (acknowledged ? 1 : 0);
    int64_t name = row->name == NULL ? -1 : strtoll(row->name, NULL, 10);
    if (row->revision < least || name < s->acknowledged)
        l->lost++;
    if (row->revision > most)
        l->doubled++;
    if (acknowledged && name != s->sequence)
        l->wrong++;
    if (row->revision < least || row->revision > most || name < s->acknowledged)
        fprintf(stderr, "fault-load: %s: revision %lld not in %lld..%lld, name %lld, acknowledged %lld\n",
                s->code, (long long)row->revision, (long long)least, (long long)most, (long long)name,
                (long long)s->acknowledged);
}

static void answered(const sw_reply *reply, void *context)
{
    slot *s = context;
    load *l = s->owner;
    int64_t took = now_ms() - s->started_ms;
    if (took > l->longest_ms)
        l->longest_ms = took;
    l->late += is_late(s);
    l->codes[reply->code]++;
    if (reply->code == SW_OK) {
        const Sw__Website *row = sw_client_message(l->client, reply, &sw__website__descriptor, NULL);
        if (row == NULL) {
            l->wrong++;
        } else if (s->step == READ) {
            l->reads++;
            l->verified += l->verifying;
            check(s, row, false);
        } else {
            if (s->step == UPDATE)
                check(s, row, true);
            note_ack(l);
            s->acknowledged = s->sequence;
            s->revision = row->revision;
            s->unknown = 0;
        }
    } else {
        l->failed++;
        if (s->step == UPDATE)
            s->unknown++;
        if (reply->code != SW_UNAVAILABLE && reply->code != SW_DEADLINE_EXCEEDED) {
            fprintf(stderr, "fault-load: %s: %s\n", sw_code_name(reply->code), reply->error->message);
            /* Created by a try that was not acknowledged: fine, but there is no telling its
             * revision. */
            l->wrong += !(s->step == CREATE && reply->code == SW_ALREADY_EXISTS);
        }
    }
    if (l->over)
        return;
    bool created = s->step != CREATE || reply->code == SW_OK;
    s->step = !created ? CREATE : s->step == UPDATE ? READ : UPDATE;
    start(s);
}

static bool input_open(void)
{
    struct pollfd input = {.fd = STDIN_FILENO, .events = POLLIN};
    char byte;
    return poll(&input, 1, 0) == 0 || read(STDIN_FILENO, &byte, 1) > 0;
}

int main(int argc, char **argv)
{
    if (argc != 5) {
        fprintf(stderr, "usage: fault-load ENDPOINTS PREFIX SLOTS TIMEOUT_MS\n");
        return 2;
    }
    size_t count = (size_t)atoi(argv[3]);
    load l = {.timeout_ms = atoi(argv[4])};
    slot *slots = calloc(count, sizeof(*slots));
    sw_error error;
    if (sw_client_open(argv[1], NULL, &l.client, &error) != SW_OK) {
        fprintf(stderr, "fault-load: %s\n", error.message);
        return 1;
    }
    for (size_t i = 0; i < count; i++) {
        slots[i].owner = &l;
        snprintf(slots[i].code, sizeof(slots[i].code), "%s-%zu", argv[2], i);
        start(&slots[i]);
    }
    uint64_t told = 0;
    while (input_open()) {
        turn(&l, 50);
        if (l.acked / 100 != told) { /* so that the test sees that work goes on */
            told = l.acked / 100;
            fprintf(stderr, "acked %llu\n", (unsigned long long)l.acked);
        }
    }
    l.over = true;
    while (sw_client_in_flight(l.client) > 0)
        turn(&l, -1);
    l.verifying = true;
    for (size_t i = 0; i < count; i++) {
        slots[i].step = READ;
        start(&slots[i]);
    }
    while (sw_client_in_flight(l.client) > 0)
        turn(&l, -1);
    printf(
        "{\"acked\": %llu, \"reads\": %llu, \"failed\": %llu, \"late\": %llu, \"lost\": %llu, \"doubled\": "
        "%llu, "
        "\"wrong\": %llu, \"verified\": %llu, \"slots\": %zu, \"longest_ms\": %lld, \"unavailable\": %llu, "
        "\"deadline_exceeded\": %llu}\n",
        (unsigned long long)l.acked, (unsigned long long)l.reads, (unsigned long long)l.failed,
        (unsigned long long)l.late, (unsigned long long)l.lost, (unsigned long long)l.doubled,
        (unsigned long long)l.wrong, (unsigned long long)l.verified, count, (long long)l.longest_ms,
        (unsigned long long)l.codes[SW_UNAVAILABLE], (unsigned long long)l.codes[SW_DEADLINE_EXCEEDED]);
    sw_client_close(&l.client);
    free(slots);
    return 0;
}

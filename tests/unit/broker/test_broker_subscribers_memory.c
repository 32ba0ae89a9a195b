/* Handshakes and subscriptions when memory runs out: each allocation in turn fails, while a
 * subscriber comes. It gets what its user may read, at the latest when it has come again, and never
 * anything else. The test plays the user service. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/clock.h"
#include "base/log.h"
#include "broker/auth/subscribers.h"
#include "broker/auth/zap.h"
#include "heap.h"
#include "wire/frame.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define TOPICS 12 /* more than a subscriber's first list has room for */

static char folder[64], endpoint[96];
static void *context, *foreign; /* the broker's and the subscriber's */
static sw_loop *loop;
static sw_identities identities;
static sw_refusals refusals;
static sw_local_users users = {.caller = SW_VIEW("ann@a.example")};
static sw_zap zap;
static sw_subscribers all;

static int open_folder(void **state)
{
    (void)state;
    strcpy(folder, "/tmp/test-broker-subscribers.XXXXXX");
    if (mkdtemp(folder) == NULL)
        return -1;
    snprintf(endpoint, sizeof(endpoint), "ipc://%s/e", folder);
    sw_log_open("test", SW_LOG_ERROR, false);
    return 0;
}

static int remove_folder(void **state)
{
    (void)state;
    unlink(endpoint + strlen("ipc://"));
    return rmdir(folder);
}

static void set(void *socket, int option, int value)
{
    assert_int_equal(zmq_setsockopt(socket, option, &value, sizeof(value)), 0);
}

static void begin(void)
{
    sw_heap_pause();
    assert_non_null(loop = sw_loop_new());
    context = zmq_ctx_new();
    foreign = zmq_ctx_new();
    zmq_ctx_set(context, ZMQ_IO_THREADS, 1);
    sw_identities_init(&identities, 4711);
    refusals = (sw_refusals){0};
    zap = (sw_zap){.loop = loop, .identities = &identities, .refusals = &refusals, .local_users = &users};
    all = (sw_subscribers){
        .identities = &identities, .refusals = &refusals, .socket = zmq_socket(context, ZMQ_XPUB)};
    set(all.socket, ZMQ_LINGER, 0);
    set(all.socket, ZMQ_HANDSHAKE_IVL, 200);
    assert_int_equal(zmq_setsockopt(all.socket, ZMQ_ZAP_DOMAIN, SW_ZAP_EVENTS, strlen(SW_ZAP_EVENTS)), 0);
    sw_heap_resume();
}

static void end(void)
{
    sw_heap_pause();
    sw_subscribers_close(&all);
    zmq_close(all.socket);
    uint32_t at = 0;
    for (sw_identity *each; (each = sw_identities_next(&identities, &at)) != NULL;) {
        assert_null(each->subscribers);
        each->due = false;
        sw_zap_release(&zap, each, sw_now_us());
    }
    sw_zap_close(&zap);
    sw_identities_clear(&identities);
    zmq_ctx_term(context);
    zmq_ctx_term(foreign);
    sw_loop_destroy(&loop);
    sw_heap_resume();
}

static void *subscribe(void)
{
    void *socket = zmq_socket(foreign, ZMQ_SUB);
    set(socket, ZMQ_LINGER, 0);
    set(socket, ZMQ_RECONNECT_IVL, 5);
    for (int i = 0; i < TOPICS; i++) {
        char topic[16];
        int size = snprintf(topic, sizeof(topic), "p/k%d/", i);
        assert_int_equal(zmq_setsockopt(socket, ZMQ_SUBSCRIBE, topic, (size_t)size), 0);
    }
    assert_int_equal(zmq_connect(socket, endpoint), 0);
    return socket;
}

/* The user service: ann may read project `a`. */
static void report(void)
{
    char *projects[] = {(char *)"a"};
    const sw_identity_report good = {.user = SW_VIEW("ann@a.example"),
                                     .has_profile = true,
                                     .until_us = INT64_MAX,
                                     .expires_us = INT64_MAX,
                                     .has_projects = true,
                                     .projects = projects,
                                     .project_count = 1};
    for (sw_identity *each; (each = sw_identity_next_due(&identities)) != NULL;) {
        sw_identity_update(each, &good, sw_now_us());
        sw_zap_release(&zap, each, sw_now_us());
        sw_subscribers_check(&all, each, sw_now_us());
    }
}

static void turn(void)
{
    sw_error error;
    sw_message message;
    assert_int_equal(sw_loop_once(loop, 1, &error), SW_OK);
    sw_zap_idle(&zap);
    report();
    sw_subscribers_watch(&all);
    while (sw_message_recv(all.socket, &message) == 0) {
        sw_subscribers_take(&all, &message, sw_now_us());
        sw_message_close(&message);
    }
}

/* Sends events of both projects under every topic; notes which of project `a` arrive. */
static void publish(void *socket, bool heard[TOPICS])
{
    char text[32];
    for (int i = 0; i < 2 * TOPICS; i++) {
        int size = snprintf(text, sizeof(text), "p/k%d/%c/", i / 2, i % 2 == 0 ? 'a' : 'b');
        zmq_send(all.socket, text, (size_t)size, ZMQ_DONTWAIT);
    }
    for (int size, kind; (size = zmq_recv(socket, text, sizeof(text) - 1, ZMQ_DONTWAIT)) >= 0;) {
        text[size] = '\0';
        assert_int_equal(sscanf(text, "p/k%d/a/", &kind), 1);
        assert_null(strchr(text, 'b'));
        heard[kind] = true;
    }
}

static bool are_all(const bool heard[TOPICS])
{
    int count = 0;
    for (int i = 0; i < TOPICS; i++)
        count += heard[i];
    return count == TOPICS;
}

static void hear_all(void)
{
    bool heard[TOPICS] = {false};
    sw_heap_pause();
    assert_int_equal(zmq_bind(all.socket, endpoint), 0);
    void *socket = subscribe();
    sw_heap_resume();
    for (int64_t until = sw_now_ms() + 20000; !are_all(heard);) {
        if (sw_now_ms() > until)
            fail_msg("a subscriber does not hear everything");
        turn();
        sw_heap_pause();
        publish(socket, heard);
        sw_heap_resume();
    }
    zmq_close(socket);
}

static void come(void *unused)
{
    (void)unused;
    sw_error error = {0};
    begin();
    sw_code code = sw_zap_open(&zap, context, &error);
    if (code == SW_OK)
        code = sw_subscribers_open(&all, context, &error);
    if (code == SW_OK) {
        hear_all();
    } else {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
        assert_true(error.message[0] != '\0');
    }
    end();
}

static void test_subscribers(void **state)
{
    (void)state;
    assert_true(sw_heap_each(come, NULL) > 15);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_subscribers)};
    return cmocka_run_group_tests(tests, open_folder, remove_folder);
}

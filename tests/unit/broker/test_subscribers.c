/* Subscribers over raw connections: who hears what, what a user may subscribe to at most, and how
 * much is done in a round when many leave. */
#include "heap.h"
#include "raw_peer.h"

#include "base/deadline.h"
#include "base/log.h"
#include "broker/auth/subscribers.h"
#include <malloc.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

#define S 1000000

static sw_loop *loop;
static sw_listeners *all;
static sw_listener *listener;
static sw_subscribers *subscribers;
static sw_auth *auth;
static sw_broker_options options;
static const int64_t now = 100 * S;

/* --- the owner of the connections --- */

static sw_admission admit(void *context, sw_inbound *session)
{
    (void)context;
    return sw_subscribers_admit(subscribers, session, now);
}

static void on_read(void *context, sw_inbound *session)
{
    (void)context;
    sw_subscribers_read(subscribers, session);
}

static void on_lost(void *context, sw_inbound *session)
{
    (void)context;
    sw_subscribers_lost(subscribers, session);
}

static char caller[SW_USER_MAX + 1];

static int start(void **state)
{
    (void)state;
    const sw_listener_owner owner = {NULL, admit, on_read, on_lost, NULL};
    sw_listeners_options o = {.handshake_ms = 60000, .connection_bytes = 64 << 20};
    const sw_listener_options l = {.type = SW_SOCKET_XPUB,
                                   .share = SW_SHARE_LOCAL,
                                   .message_max = 1024,
                                   .unsent_bytes = SIZE_MAX,
                                   .unsent_messages = 1000,
                                   .counts_unsent = true};
    sw_log_open("test", SW_LOG_ERROR, false);
    sw_listen_limits_derive(&o.limits, 100000, 1000, 1000);
    options = (sw_broker_options){.user_subscriptions = 10,
                                  .user_subscription_bytes = 1000 + 10 * SW_TOPIC_COST,
                                  .subscriptions = 1000000,
                                  .subscription_bytes = 64 << 20};
    loop = sw_loop_new();
    all = sw_listeners_new(loop, &o);
    listener = sw_listener_new(all, &l, &owner);
    auth = calloc(1, sizeof(*auth));
    subscribers = calloc(1, sizeof(*subscribers));
    if (listener == NULL || auth == NULL || subscribers == NULL)
        return -1;
    sw_identities_init(&auth->identities, 1);
    auth->local_users.caller = sw_view_of(caller);
    sw_subscribers_open(subscribers, auth, &options, 1);
    return 0;
}

static int stop(void **state)
{
    (void)state;
    sw_listeners_destroy(&all, 0);
    sw_subscribers_close(subscribers);
    sw_identities_clear(&auth->identities);
    sw_loop_destroy(&loop);
    free(subscribers);
    free(auth);
    return 0;
}

static void turns(int count)
{
    sw_error error;
    while (count-- > 0) {
        sw_loop_once(loop, 0, &error);
        sw_listeners_flush(all);
        sw_listeners_reap(all);
    }
}

/* --- peers --- */

static sw_identity *person(const char *name, bool admin, int count, ...)
{
    char *projects[8];
    va_list names;
    va_start(names, count);
    for (int i = 0; i < count; i++)
        projects[i] = va_arg(names, char *);
    va_end(names);
    sw_identity *identity = sw_identities_find_or_add(&auth->identities, sw_view_of(name), true, now);
    const sw_identity_report report = {.user = sw_view_of(name),
                                       .admin = admin,
                                       .has_profile = true,
                                       .until_us = now + 60 * S,
                                       .expires_us = SW_NEVER,
                                       .has_projects = true,
                                       .projects = projects,
                                       .project_count = (size_t)count};
    sw_identity_update(identity, &report, now);
    return identity;
}

static int as(sw_identity *identity)
{
    snprintf(caller, sizeof(caller), "%s", identity->name);
    auth->local_users.caller = sw_view_of(caller);
    char bytes[256];
    int fd = raw_connect(listener);
    raw_shake(fd, "SUB");
    turns(3);
    while (raw_read(fd, bytes, sizeof(bytes)) > 0)
        continue;
    return fd;
}

static int hears(int fd)
{
    char bytes[4096];
    int count = 0;
    turns(1);
    for (ssize_t size; (size = raw_read(fd, bytes, sizeof(bytes))) > 0;)
        for (ssize_t i = 0; i + 4 < size; i++)
            count += memcmp(bytes + i, "event", 5) == 0;
    return count;
}

static void publish(const char *topic)
{
    sw_message event = {.count = 0};
    sw_heap_pause();
    assert_true(sw_message_add(&event, topic, strlen(topic)) && sw_message_add(&event, "event", 5));
    sw_heap_resume();
    sw_subscribers_send(subscribers, &event, now);
    sw_message_close(&event);
}

static int hears_about(int fd, const char *topic)
{
    publish(topic);
    return hears(fd);
}

/* --- tests --- */

static void who_hears_what(void **state)
{
    (void)state;
    static const struct {
        const char *subscription, *topic;
        bool user, admin;
    } cases[] = {
        {"d/state/", "d/state/website:a/", true, true},
        {"d/state/", "d/state/website:ab/", true, true},
        {"d/state/", "d/state/website:c/", false, true},
        {"d/state/", "d/log/website:a/", false, false},
        {"d/state/website:a", "d/state/website:a/", true, true},
        {"d/state/website:a", "d/state/website:ab/", true, true},
        {"d/state/website:a/", "d/state/website:ab/", false, false},
        {"d/state/website:a/", "d/state/website:a/", true, true},
        {"d/state/website:c/", "d/state/website:c/", false, true},
        {"", "d/state/website:a/", false, true}, /* it names no package and kind */
        {"d", "d/state/website:a/", false, true},
        {"d/", "d/state/website:a/", false, true},
        {"d/state", "d/state/website:a/", false, true},
        {"d/state/", "d/state/website:a", false, true}, /* no project's topic */
        {"d/state/", "d/state/", false, true},
    };
    sw_identity *user = person("user", false, 2, "website:ab", "website:a"),
                *admin = person("admin", true, 0);
    for (size_t i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        int users = as(user), admins = as(admin);
        raw_subscribe(users, cases[i].subscription);
        raw_subscribe(admins, cases[i].subscription);
        turns(2);
        publish(cases[i].topic);
        if (hears(users) != cases[i].user || hears(admins) != cases[i].admin)
            fail_msg("%s to %s", cases[i].topic, cases[i].subscription);
        close(users);
        close(admins);
        turns(3);
    }
}

static void overlapping_subscriptions(void **state)
{
    (void)state;
    int fd = as(person("user", false, 1, "website:a"));
    raw_subscribe(fd, "d/state/");
    raw_subscribe(fd, "d/state/website:a/");
    raw_subscribe(fd, "d/state/website:a/"); /* twice */
    turns(2);
    assert_int_equal(hears_about(fd, "d/state/website:a/"), 1); /* once */
    raw_frame(fd, 4, "\6CANCELd/state/", 15);
    turns(2);
    assert_int_equal(hears_about(fd, "d/state/website:a/"), 1);
    raw_frame(fd, 0, "\0d/state/website:a/", 19); /* as ZMTP 3.0 does */
    turns(2);
    assert_int_equal(hears_about(fd, "d/state/website:a/"), 1); /* it was counted */
    raw_frame(fd, 0, "\0d/state/website:a/", 19);
    turns(2);
    assert_int_equal(hears_about(fd, "d/state/website:a/"), 0);
    assert_int_equal(subscribers->topics.count, 0);
    close(fd);
}

static void rights_that_change(void **state)
{
    (void)state;
    int fd = as(person("user", false, 1, "website:a")), other = as(person("other", false, 1, "website:a"));
    raw_subscribe(fd, "d/state/");
    raw_subscribe(other, "d/state/");
    turns(2);
    sw_identity *user = person("user", false, 1, "website:a");
    sw_subscribers_check(subscribers, user, now); /* the same */
    turns(1);
    assert_false(raw_is_closed(fd));
    user = person("user", false, 1, "website:b");
    assert_int_equal(hears_about(fd, "d/state/website:a/"), 0); /* at once */
    sw_subscribers_check(subscribers, user, now);
    turns(2);
    assert_true(raw_is_closed(fd));
    assert_false(raw_is_closed(other));
    assert_int_equal(subscribers->cut[0], 1);
    close(fd);
    close(other);
}

/* The connections of a user share a bound, of subscriptions and of memory for them. */
static void bounds_of_a_user(void **state)
{
    (void)state;
    char topic[600];
    int fds[3];
    for (int i = 0; i < 2; i++)
        fds[i] = as(person("user", true, 0));
    for (int i = 0; i < 10; i++) {
        snprintf(topic, sizeof(topic), "d/state/%d/", i);
        raw_subscribe(fds[i % 2], topic);
    }
    turns(2);
    assert_int_equal(subscribers->topics.count, 10);
    fds[2] = as(person("other", true, 0));
    raw_subscribe(fds[2], "d/state/x/");
    raw_subscribe(fds[0], "d/state/x/"); /* one too many */
    turns(2);
    assert_true(raw_is_closed(fds[0]));
    assert_false(raw_is_closed(fds[1]) || raw_is_closed(fds[2]));
    close(fds[0]);
    fds[0] = as(person("user", true, 0)); /* what it had is free at once */
    raw_subscribe(fds[0], "d/state/x/");
    turns(2);
    assert_false(raw_is_closed(fds[0]));
    memset(topic, 'x', sizeof(topic));
    topic[500] = '\0';
    for (int i = 0; i < 4; i++) { /* few, but long */
        topic[0] = (char)('a' + i);
        raw_subscribe(fds[2], topic);
        turns(2);
        assert_int_equal(raw_is_closed(fds[2]), i == 3);
    }
    for (int i = 0; i < 3; i++)
        close(fds[i]);
}

static void bound_of_all(void **state)
{
    (void)state;
    options.subscriptions = 3;
    int fds[2] = {as(person("one", true, 0)), as(person("two", true, 0))};
    raw_subscribe(fds[0], "a");
    raw_subscribe(fds[0], "b");
    raw_subscribe(fds[1], "a");
    turns(2);
    assert_false(raw_is_closed(fds[1]));
    raw_subscribe(fds[1], "b");
    turns(2);
    assert_true(raw_is_closed(fds[1]));
    assert_false(raw_is_closed(fds[0]));
    close(fds[0]);
    close(fds[1]);
}

/* What a subscription is counted with covers what it takes, also right after its tables have grown:
 * the most expensive moment, and the smallest texts. */
static void cost(void **state)
{
    (void)state;
    static const int counts[] = {12289, 98305, 393217};
    for (size_t i = 0; i < sizeof(counts) / sizeof(counts[0]); i++) {
        sw_topics topics;
        sw_topic_owner owners[2] = {0};
        sw_topics_init(&topics, 1);
        size_t before = mallinfo2().uordblks + mallinfo2().hblkhd;
        for (int k = 0; k < counts[i]; k++) {
            char text[16];
            int size = snprintf(text, sizeof(text), "%x", k);
            assert_true(sw_topics_add(&topics, &owners[k % 2], (sw_view){text, (size_t)size}));
        }
        assert_true(mallinfo2().uordblks + mallinfo2().hblkhd - before <= topics.bytes);
        assert_int_equal(owners[0].bytes + owners[1].bytes, topics.bytes);
        sw_topics_clear(&topics);
    }
}

/* 100 users at their bound leave at once. libzmq removed all that in one piece, which took 16 s. */
static void many_that_leave(void **state)
{
    (void)state;
    enum { USERS = 100, EACH = 2000, STEPS = 2000 };
    static int fds[USERS];
    options.user_subscriptions = EACH;
    options.user_subscription_bytes = 1 << 20;
    options.subscription_bytes = 100 << 20;
    size_t before = 0;
    for (int round = 0; round < 3; round++) {
        for (int i = 0; i < USERS; i++) {
            char name[16], topic[64];
            snprintf(name, sizeof(name), "user-%d", i);
            fds[i] = as(person(name, true, 0));
            for (int k = 0; k < EACH; k++) {
                snprintf(topic, sizeof(topic), "deployment/state/website:%d-%d/", i, k);
                raw_subscribe(fds[i], topic);
                if (k % 50 == 0)
                    turns(1);
            }
            turns(3);
        }
        assert_int_equal(subscribers->topics.count, USERS * EACH);
        for (int i = 0; i < USERS; i++)
            close(fds[i]);
        turns(8);
        assert_int_equal(sw_listeners_count(all), 0);
        int left = as(person("user-0", true, 0)); /* its user may subscribe again at once */
        raw_subscribe(left, "d/");
        turns(2);
        assert_int_equal(hears_about(left, "d/x"), 1);
        close(left);
        turns(2);
        bool more = true;
        for (int rounds = 0; more; rounds++) {
            uint64_t count = subscribers->topics.count;
            more = sw_subscribers_sweep(subscribers);
            assert_true(count - subscribers->topics.count <= STEPS);
            assert_true(subscribers->swept <= STEPS);
            assert_true(rounds <= USERS * (EACH + 1) / STEPS + 1);
        }
        assert_int_equal(subscribers->topics.count, 0);
        assert_int_equal(subscribers->topics.bytes, 0);
        size_t held = mallinfo2().uordblks + mallinfo2().hblkhd;
        assert_true(round == 0 || held <= before + 65536); /* it is reused */
        before = held;
    }
}

/* --- memory --- */

/* A subscriber comes, subscribes and hears an event, while each allocation in turn fails. It hears
 * it, or its connection ends, so that it comes again; and then all is well. */
static void visit(void *context)
{
    (void)context;
    sw_heap_pause();
    start(NULL);
    sw_identity *user = person("user", false, 1, "website:a");
    sw_heap_resume();
    for (int again = 0; again < 2; again++) {
        int fd = as(user);
        for (int i = 0; i < 3; i++)
            raw_subscribe(fd, i == 0 ? "d/state/" : i == 1 ? "d/log/" : "d/log/website:a/");
        turns(2);
        publish("d/state/website:a/");
        publish("d/state/website:b/");
        int heard = hears(fd);
        assert_true(heard == 1 || (heard == 0 && raw_is_closed(fd)));
        close(fd);
        turns(4);
        while (sw_subscribers_sweep(subscribers))
            continue;
        assert_int_equal(sw_listeners_count(all), 0);
        assert_int_equal(subscribers->topics.count, 0);
        if (heard == 1)
            break;
        assert_int_equal(again, 0);
    }
    sw_heap_pause();
    stop(NULL);
    sw_heap_resume();
}

static void without_memory(void **state)
{
    (void)state;
    assert_true(sw_heap_each(visit, NULL) > 10);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_hears_what, start, stop),
        cmocka_unit_test_setup_teardown(overlapping_subscriptions, start, stop),
        cmocka_unit_test_setup_teardown(rights_that_change, start, stop),
        cmocka_unit_test_setup_teardown(bounds_of_a_user, start, stop),
        cmocka_unit_test_setup_teardown(bound_of_all, start, stop),
        cmocka_unit_test(cost),
        cmocka_unit_test_setup_teardown(many_that_leave, start, stop),
        cmocka_unit_test(without_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

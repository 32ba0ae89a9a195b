/* The broker's bodies and identities when memory runs out: each
 * allocation in turn fails. A message that could not be kept is still there, an identity without
 * known projects reads nothing, and both work afterwards. test_broker_memory.c tries the core. */
#include "broker/auth/identity.h"
#include "broker/io/body.h"
#include "heap.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#define LARGE 20000 /* bytes; more than what a packed body copies */

static void make_frame(zmq_msg_t *frame, char fill, size_t size)
{
    sw_heap_pause();
    assert_int_equal(zmq_msg_init_size(frame, size), 0);
    memset(zmq_msg_data(frame), fill, size);
    sw_heap_resume();
}

/* --- bodies --- */

/* A received message of two frames: header, payload. */
static sw_received *receive(sw_body_pool *pool, uint8_t framing, size_t payload)
{
    sw_received *received = sw_body_pool_take(pool);
    if (received == NULL)
        return NULL;
    zmq_msg_t *frames = received->message.frames;
    make_frame(&frames[0], 'h', 10);
    make_frame(&frames[1], 'p', payload);
    received->message.count = 2;
    received->body.framing = framing;
    received->body.header = (sw_view){zmq_msg_data(&frames[0]), 10};
    received->body.payload = (sw_view){zmq_msg_data(&frames[1]), payload};
    received->body.frames = framing == SW_FRAMING_PLAIN ? &frames[0] : &frames[1];
    received->body.count = framing == SW_FRAMING_PLAIN ? 2 : 1;
    received->body.payload_frame = framing == SW_FRAMING_PLAIN ? -1 : 0;
    return received;
}

static void check_body(const sw_body *body, size_t payload)
{
    if (body->framing == SW_FRAMING_PLAIN) {
        assert_int_equal(body->count, 2);
        assert_int_equal(zmq_msg_size(&body->frames[1]), payload);
        assert_int_equal(*(char *)zmq_msg_data(&body->frames[1]), 'p');
        return;
    }
    assert_int_equal(body->header.size, 10);
    assert_int_equal(body->header.data[9], 'h');
    assert_int_equal(body->payload.size, payload);
    assert_int_equal(body->payload.data[payload - 1], 'p');
}

/* A body that cannot be packed stays as it was. */
static void pack(sw_body_pool *pool, uint8_t framing, size_t payload)
{
    sw_received *received = receive(pool, framing, payload);
    if (received == NULL)
        return;
    assert_int_equal(sw_received_size(received), 10 + payload);
    sw_body *body = &received->body, *packed = sw_body_pack(pool, body);
    if (packed == NULL) {
        assert_true(body->live);
        check_body(body, payload);
        assert_non_null(packed = sw_body_pack(pool, body)); /* one failure at a time */
    }
    assert_false(packed->live);
    check_body(packed, payload);
    sw_body_free(pool, packed);
}

static void keep_bodies(void *context)
{
    (void)context;
    sw_body_pool pool = {0};
    pack(&pool, SW_FRAMING_PLAIN, 10);
    pack(&pool, SW_FRAMING_PLAIN, LARGE);
    pack(&pool, SW_FRAMING_COMPACT, 10);
    pack(&pool, SW_FRAMING_COMPACT, LARGE);
    sw_received *whole = receive(&pool, SW_FRAMING_COMPACT, 10);
    sw_received *part = whole == NULL ? NULL : sw_body_pool_share(&pool, whole);
    if (part != NULL) {
        assert_int_equal(sw_received_size(part), 10);
        sw_body_free(&pool, &part->body);
    }
    if (whole != NULL) {
        check_body(&whole->body, 10);
        sw_body_free(&pool, &whole->body);
    }
    sw_body_pool_clear(&pool);
}

static void test_bodies(void **state)
{
    (void)state;
    assert_true(sw_heap_each(keep_bodies, NULL) > 8);
}

/* --- identities and their rights --- */

/* Either it reads its two projects, or nothing: never those of an older report. */
static void check_rights(const sw_identity *identity, const char *project)
{
    assert_int_equal(sw_identity_may_read(identity, sw_view_of(project)), identity->knows_projects);
    assert_int_equal(identity->project_count, identity->knows_projects ? 2 : 0);
    if (identity->knows_projects)
        assert_string_equal(identity->projects, project);
}

static void report(sw_identity *identity, char *first)
{
    char *projects[] = {first, (char *)"z"};
    const sw_identity_report good = {.user = SW_VIEW("ann@a.example"),
                                     .has_profile = true,
                                     .until_us = 60,
                                     .expires_us = 60,
                                     .has_projects = true,
                                     .projects = projects,
                                     .project_count = 2};
    uint32_t rights = identity->rights;
    bool knew = identity->knows_projects;
    sw_identity_update(identity, &good, 1);
    assert_int_equal(sw_identity_verdict(identity, 1), SW_VERDICT_GOOD);
    assert_true(identity->rights != rights || (!knew && !identity->knows_projects));
    check_rights(identity, first);
    assert_int_equal(sw_identity_may_subscribe(identity, 1), identity->knows_projects);
}

/* More than the first table and slab have room for; one that could not be added can be later. */
static void know_identities(void *context)
{
    (void)context;
    sw_identities all;
    sw_identities_init(&all, 4711);
    for (int i = 0; i < 200; i++) {
        char name[16];
        snprintf(name, sizeof(name), "key-%d", i);
        sw_identity *added = sw_identities_find_or_add(&all, sw_view_of(name), false, 1);
        assert_ptr_equal(sw_identities_find(&all, sw_view_of(name), false), added);
        if (added == NULL)
            added = sw_identities_find_or_add(&all, sw_view_of(name), false, 1);
        assert_non_null(added);
        assert_string_equal(added->name, name);
        if (i == 7)
            sw_identities_forget(&all, added);
    }
    sw_identity *identity = sw_identities_find(&all, SW_VIEW("key-3"), false);
    report(identity, (char *)"a");
    report(identity, (char *)"b");
    sw_identities_clear(&all);
}

static void test_identities(void **state)
{
    (void)state;
    assert_true(sw_heap_each(know_identities, NULL) > 5);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_bodies),
        cmocka_unit_test(test_identities),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

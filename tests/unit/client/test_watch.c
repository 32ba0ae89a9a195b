/* What a watch decides with: the sequence of delivered events, cursors, and decoded events. A
 * simulation loses, repeats and delays messages; every event must come once and in order. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "c/watch/event.h"
#include "c/watch/sequence.h"
#include "sitewire/deployment/v1/deployment.pb-c.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static sw_view a = {"website:a", 9}, b = {"website:b", 9};

static void test_verdicts(void **state)
{
    (void)state;
    sw_sequence s = {0};
    assert_int_equal(sw_sequence_judge(&s, a, 1, 0), SW_SEQUENCE_NEXT);
    assert_true(sw_sequence_take(&s, a, 1));
    assert_int_equal(sw_sequence_judge(&s, a, 1, 0), SW_SEQUENCE_OLD);
    assert_int_equal(sw_sequence_judge(&s, a, 5, 1), SW_SEQUENCE_NEXT);
    assert_int_equal(sw_sequence_judge(&s, a, 5, 3), SW_SEQUENCE_GAP);
    assert_int_equal(sw_sequence_judge(&s, b, 4, 2),
                     SW_SEQUENCE_GAP); /* of another project nothing was heard */
    assert_true(sw_sequence_take(&s, b, 4));
    sw_sequence_settle(&s, 3);
    assert_int_equal(sw_sequence_mark(&s, a), 3);
    assert_int_equal(sw_sequence_mark(&s, b), 4);
    assert_int_equal(s.count, 1);
    sw_sequence_settle(&s, 2); /* it never goes back */
    assert_int_equal(s.base, 3);
    sw_sequence_clear(&s);
}

/* Marks that the base has passed are dropped before the table grows. */
static void test_advance(void **state)
{
    (void)state;
    sw_sequence s = {0};
    char name[24];
    assert_true(sw_sequence_take(&s, a, 5000));
    for (int i = 1; i <= 4000; i++) {
        sw_sequence_advance(&s, i);
        assert_true(
            sw_sequence_take(&s, (sw_view){name, (size_t)snprintf(name, sizeof(name), "website:%d", i)}, i));
    }
    assert_true(s.capacity <= 32);
    assert_int_equal(sw_sequence_mark(&s, a), 5000);
    char *text = sw_sequence_write(&s);
    assert_string_equal(text, "4000:5000=website:a");
    free(text);
    sw_sequence_clear(&s);
}

static void test_cursor(void **state)
{
    (void)state;
    sw_sequence s = {0}, t = {0};
    char name[24];
    sw_sequence_settle(&s, 1000);
    for (int i = 0; i < 200; i++)
        assert_true(sw_sequence_take(
            &s, (sw_view){name, (size_t)snprintf(name, sizeof(name), "website:%d.fr", i)}, 990 + i));
    char *text = sw_sequence_write(&s);
    assert_non_null(text);
    assert_true(sw_sequence_read(&t, text));
    free(text);
    assert_int_equal(t.base, 1000);
    for (int i = 0; i < 200; i++) {
        sw_view project = {name, (size_t)snprintf(name, sizeof(name), "website:%d.fr", i)};
        assert_int_equal(sw_sequence_mark(&t, project), 990 + i > 1000 ? 990 + i : 1000);
    }
    sw_sequence_clear(&t);
    sw_sequence_clear(&s);
    text = sw_sequence_write(&s);
    assert_string_equal(text, "0");
    free(text);
}

static void test_no_cursors(void **state)
{
    (void)state;
    static const char *const bad[] = {"",
                                      "x",
                                      "-1",
                                      "1:",
                                      "1:x=y",
                                      "1:2",
                                      "1:2=",
                                      "1:2=a,",
                                      "1 ",
                                      "1:2=a b",
                                      "1,2=a",
                                      "1:=a",
                                      "9223372036854775808",
                                      "1:2=a=b"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        sw_sequence s = {0};
        assert_false(sw_sequence_read(&s, bad[i]));
        sw_sequence_clear(&s);
    }
}

/* --- Events --- */

static void test_decode(void **state)
{
    (void)state;
    Sw__Event event = SW__EVENT__INIT;
    Google__Protobuf__Timestamp at = GOOGLE__PROTOBUF__TIMESTAMP__INIT;
    at.seconds = 1795526312;
    at.nanos = 540295000;
    event.has_position = event.has_project_sequence = event.has_deployment = event.has_previous_position =
        true;
    event.has_revision = true; /* a field that is skipped */
    event.position = INT64_MAX;
    event.project = (char *)"website:a";
    event.project_sequence = 300;
    event.deployment = 1;
    event.kind = (char *)"state";
    event.at = &at;
    event.payload = (char *)"{\"status\":\"d\xc3\xa9ploy\xc3\xa9\"}";
    event.previous_position = 128;
    event.revision = -1;
    uint8_t bytes[256];
    size_t size = sw__event__pack(&event, bytes);
    sw_event_view view;
    assert_true(sw_event_decode((sw_view){(char *)bytes, size}, &view));
    assert_int_equal(view.position, event.position);
    assert_int_equal(view.project_sequence, 300);
    assert_int_equal(view.deployment, 1);
    assert_int_equal(view.previous_position, 128);
    assert_int_equal(view.at_us, 1795526312540295);
    assert_true(sw_view_equal(view.project, a));
    assert_true(sw_view_equal(view.kind, SW_VIEW("state")));
    assert_true(sw_view_equal(view.payload, sw_view_of(event.payload)));
    /* Cut anywhere and changed anywhere: never read beyond (sanitizers look), and text is never
     * invalid. */
    for (size_t cut = 0; cut < size; cut++) {
        uint8_t *copy = malloc(cut + 1);
        memcpy(copy, bytes, cut);
        sw_event_decode((sw_view){(char *)copy, cut}, &view);
        free(copy);
    }
    for (size_t i = 0; i < size; i++)
        for (int value = 0; value < 256; value += 5) {
            uint8_t *copy = malloc(size);
            memcpy(copy, bytes, size);
            copy[i] = (uint8_t)value;
            sw_event_decode((sw_view){(char *)copy, size}, &view);
            free(copy);
        }
    event.payload = (char *)"\xff";
    size = sw__event__pack(&event, bytes);
    assert_false(sw_event_decode((sw_view){(char *)bytes, size}, &view));
}

static void test_list(void **state)
{
    (void)state;
    Sw__ListEventsResponse list = SW__LIST_EVENTS_RESPONSE__INIT;
    Sw__Event one = SW__EVENT__INIT, *items[] = {&one, &one};
    one.has_position = true;
    one.position = 7;
    one.project = (char *)"website:a";
    list.items = items;
    list.n_items = 2;
    list.next_page_token = (char *)"more";
    uint8_t bytes[128];
    sw_view rest = {(char *)bytes, sw__list_events_response__pack(&list, bytes)}, item;
    for (int i = 0; i < 2; i++) {
        sw_event_view view;
        assert_true(sw_event_next(&rest, &item));
        assert_true(sw_event_decode(item, &view));
        assert_int_equal(view.position, 7);
    }
    assert_false(sw_event_next(&rest, &item));
    assert_int_equal(rest.size, 0);
    rest = (sw_view){"\x0a\x7f", 2};
    assert_false(sw_event_next(&rest, &item));
    assert_int_equal(rest.size, 2);
}

/* --- A simulation --- */

#define PROJECTS 5
#define EVENTS   400

typedef struct row {
    int project;
    int64_t position, previous;
} row;

/* Does what a watch does: reads the table from the first mark that is behind. */
static void fill(sw_sequence *s, const row *table, int64_t rows, int64_t from, int64_t *delivered,
                 sw_view *names)
{
again:
    for (int64_t i = from; i < rows; i++) { /* positions begin with 1 */
        sw_view name = names[table[i].project];
        int64_t mark = sw_sequence_mark(s, name);
        if (table[i].position <= mark)
            continue;
        if (table[i].previous > mark && from > mark) {
            from = mark;
            goto again;
        }
        assert_int_equal(delivered[table[i].project], table[i].previous);
        delivered[table[i].project] = table[i].position;
        assert_true(sw_sequence_take(s, name, table[i].position));
    }
    if (from <= s->base)
        sw_sequence_settle(s, rows);
}

static void test_losses(void **state)
{
    (void)state;
    char texts[PROJECTS][16];
    sw_view names[PROJECTS];
    for (int i = 0; i < PROJECTS; i++)
        names[i] = (sw_view){texts[i], (size_t)snprintf(texts[i], sizeof(texts[i]), "website:%d", i)};
    srandom(4711);
    for (int run = 0; run < 300; run++) {
        row table[EVENTS];
        int64_t last[PROJECTS] = {0}, delivered[PROJECTS] = {0};
        sw_sequence s = {0};
        for (int i = 0; i < EVENTS; i++) {
            int project = (int)(random() % PROJECTS);
            table[i] = (row){project, i + 1, last[project]};
            last[project] = i + 1;
        }
        for (int i = 0; i < EVENTS; i++) {
            if (random() % 5 == 0) /* lost */
                continue;
            /* doubled, or late */
            int at = random() % 10 == 0 && i > 5 ? i - (int)(random() % 5) : i;
            sw_view name = names[table[at].project];
            sw_sequence_verdict verdict = sw_sequence_judge(&s, name, table[at].position, table[at].previous);
            if (verdict == SW_SEQUENCE_GAP)
                fill(&s, table, i + 1, sw_sequence_mark(&s, name), delivered, names);
            if (verdict == SW_SEQUENCE_NEXT) {
                assert_int_equal(delivered[table[at].project], table[at].previous);
                delivered[table[at].project] = table[at].position;
                assert_true(sw_sequence_take(&s, name, table[at].position));
            }
            if (random() % 50 == 0) { /* a restart */
                char *cursor = sw_sequence_write(&s);
                sw_sequence_clear(&s);
                assert_true(sw_sequence_read(&s, cursor));
                free(cursor);
            }
        }
        for (int p = 0; p < PROJECTS; p++) /* heads */
            if (sw_sequence_mark(&s, names[p]) < last[p])
                fill(&s, table, EVENTS, sw_sequence_mark(&s, names[p]), delivered, names);
        for (int p = 0; p < PROJECTS; p++)
            assert_int_equal(delivered[p], last[p]);
        sw_sequence_clear(&s);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_verdicts),   cmocka_unit_test(test_advance), cmocka_unit_test(test_cursor),
        cmocka_unit_test(test_no_cursors), cmocka_unit_test(test_decode),  cmocka_unit_test(test_list),
        cmocka_unit_test(test_losses),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

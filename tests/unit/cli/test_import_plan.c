/* What the schema says about resources, and the order in which rows may go: references, same keys,
 * circles. */
#include "cli/import/plan.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

extern const unsigned char compiled_schema[] __asm__("sw_schema");
extern const size_t compiled_schema_size __asm__("sw_schema_size");

static sw_schema *schema;
static sw_model *model;

static int set_up(void **state)
{
    (void)state;
    sw_code code = sw_schema_new(compiled_schema, compiled_schema_size, &schema, NULL);
    return code == SW_OK ? (int)sw_model_new(schema, &model, NULL) : (int)code;
}

static int tear_down(void **state)
{
    (void)state;
    sw_model_destroy(&model);
    sw_schema_destroy(&schema);
    return 0;
}

static const sw_model_type *type_of(const char *name)
{
    const sw_model_type *type = sw_model_find(model, name, strlen(name));
    if (type == NULL)
        fail_msg("no resource %s", name);
    return type;
}

static void test_names_and_keys(void **state)
{
    (void)state;
    assert_ptr_equal(type_of("Website"), type_of("websites"));
    assert_ptr_equal(type_of("docroot_environment"), type_of("DocrootEnvironments"));
    assert_null(sw_model_find(model, "web", 3));
    assert_null(sw_model_find(model, "", 0));
    assert_int_equal(type_of("cms")->key_count, 1);
    assert_int_equal(type_of("websites-deployed")->key_count, 3);
    const sw_model_type *type;
    sw_error error;
    assert_int_equal(sw_model_require(model, "wbsite", &type, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "website"));
}

static void test_kinds_of_fields(void **state)
{
    (void)state;
    const sw_model_type *type = type_of("certificate");
    static const struct {
        const char *name;
        sw_field_kind kind;
    } fields[] = {{"code", SW_FIELD_PLAIN},          {"certificate", SW_FIELD_PLAIN},
                  {"not_after", SW_FIELD_COMPUTED},  {"alternative_names", SW_FIELD_COMPUTED},
                  {"created_at", SW_FIELD_COMPUTED}, {"revision", SW_FIELD_REVISION}};
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++)
        assert_int_equal(sw_model_kind(type, sw_model_field(type, fields[i].name)), fields[i].kind);
}

/* Every resource comes after those that it refers to, itself excepted. */
static void test_order_of_resources(void **state)
{
    (void)state;
    const sw_model_type *const *types;
    size_t count = sw_model_types(model, &types), references = 0;
    assert_true(count >= 17);
    for (size_t i = 0; i < count; i++) {
        assert_int_equal(types[i]->index, i);
        for (size_t k = 0; k < types[i]->reference_count; k++, references++)
            assert_true(types[i]->references[k].target == types[i] ||
                        types[i]->references[k].target->index < i);
    }
    const sw_model_type *domain = type_of("domain");
    assert_int_equal(domain->reference_count, 4); /* registrar, certificate, parent, the website deployed */
    assert_true(references >= 20);
}

typedef struct {
    sw_import_plan *plan;
    sw_error error;
} bench;

static void begin(bench *b)
{
    *b = (bench){0};
    assert_int_equal(sw_import_plan_new(model, false, false, &b->plan, &b->error), SW_OK);
}

static sw_code add(bench *b, const char *resource, const char *json)
{
    json_t *fields = json_loads(json, 0, NULL);
    uint32_t origin = sw_import_plan_origin(b->plan, 0, (uint32_t)sw_import_plan_origins(b->plan) + 1, "", 0);
    b->error = (sw_error){0};
    sw_code code = sw_import_plan_add(b->plan, type_of(resource), fields, origin, &b->error);
    json_decref(fields);
    return code;
}

/* Takes all that is ready, as line numbers; then finishes it. */
static void expect_wave(bench *b, const char *lines)
{
    uint32_t taken[32], count = 0;
    char text[128] = "";
    while ((taken[count] = sw_import_plan_take(b->plan)) != SW_NO_ROW) {
        const sw_row *row = sw_import_plan_row(b->plan, taken[count++]);
        snprintf(text + strlen(text), sizeof text - strlen(text), " %u",
                 sw_import_plan_origin_at(b->plan, row->origin)->line);
    }
    assert_string_equal(text, lines);
    for (uint32_t i = 0; i < count; i++)
        sw_import_plan_finish(b->plan, taken[i], true);
}

static void test_waves(void **state)
{
    (void)state;
    bench b;
    begin(&b);
    assert_int_equal(add(&b, "Domain",
                         "{\"fqdn\":\"b.a.org\",\"parent\":\"a.org\",\"website\":\"w\",\"docroot\":\"d\","
                         "\"environment\":\"e\"}"),
                     SW_OK);
    assert_int_equal(
        add(&b, "WebsiteDeployed", "{\"website\":\"w\",\"docroot\":\"d\",\"environment\":\"e\"}"), SW_OK);
    assert_int_equal(add(&b, "DocrootEnvironment", "{\"docroot\":\"d\",\"environment\":\"e\"}"), SW_OK);
    assert_int_equal(add(&b, "Docroot", "{\"code\":\"d\",\"hosting_provider\":\"elsewhere\"}"), SW_OK);
    assert_int_equal(add(&b, "Environment", "{\"code\":\"e\"}"), SW_OK);
    assert_int_equal(add(&b, "Website", "{\"code\":\"w\"}"), SW_OK);
    assert_int_equal(add(&b, "Domain", "{\"fqdn\":\"a.org\",\"parent\":\"a.org\"}"), SW_OK);
    assert_int_equal(sw_import_plan_link(b.plan, &b.error), SW_OK);
    expect_wave(&b, " 4 5 6 7");
    expect_wave(&b, " 3");
    expect_wave(&b, " 2");
    expect_wave(&b, " 1");
    expect_wave(&b, "");
    assert_false(sw_import_plan_break_circle(b.plan));
    sw_import_plan_destroy(&b.plan);
}

static void test_same_key(void **state)
{
    (void)state;
    bench b;
    begin(&b);
    assert_int_equal(add(&b, "Website", "{\"code\":\"w\",\"name\":\"one\"}"), SW_OK);
    assert_int_equal(add(&b, "Website", "{\"name\":\"one\",\"code\":\"w\"}"), SW_OK);
    assert_int_equal(add(&b, "Website", "{\"code\":\"w\",\"name\":\"one\",\"live\":true}"), SW_OK);
    assert_int_equal(add(&b, "Website", "{\"code\":\"w\",\"live\":false}"), SW_INVALID_ARGUMENT);
    assert_string_equal(b.error.field, "live");
    assert_non_null(strstr(b.error.message, "line 3"));
    assert_int_equal(add(&b, "Website", "{\"code\":\"w\",\"name\":null}"), SW_INVALID_ARGUMENT);
    assert_int_equal(add(&b, "Cms", "{\"code\":\"w\",\"name\":\"two\"}"), SW_OK); /* of another resource */
    assert_int_equal(sw_import_plan_rows(b.plan), 3);
    assert_int_equal(sw_import_plan_tally(b.plan, type_of("website"))->repeated, 1);
    assert_int_equal(sw_import_plan_link(b.plan, &b.error), SW_OK);
    expect_wave(&b, " 1 6");
    expect_wave(&b, " 3");
    sw_import_plan_destroy(&b.plan);
}

/* A reference waits for the first row with the key, which creates it, not for the rows that change
 * it. */
static void test_reference_waits_for_the_first_row(void **state)
{
    (void)state;
    bench b;
    begin(&b);
    assert_int_equal(
        add(&b, "WebsiteDeployed", "{\"website\":\"w\",\"docroot\":\"d\",\"environment\":\"e\"}"), SW_OK);
    assert_int_equal(add(&b, "Website", "{\"code\":\"w\"}"), SW_OK);
    assert_int_equal(add(&b, "Website", "{\"code\":\"w\",\"name\":\"one\"}"), SW_OK);
    assert_int_equal(add(&b, "Website", "{\"code\":\"w\",\"live\":true}"), SW_OK);
    assert_int_equal(sw_import_plan_link(b.plan, &b.error), SW_OK);
    expect_wave(&b, " 2");
    expect_wave(&b, " 3 1"); /* the rows that wait for one row are taken newest first */
    expect_wave(&b, " 4");
    expect_wave(&b, "");
    sw_import_plan_destroy(&b.plan);
}

/* Only a reference to another row of the plan counts: not one to the row itself, not one to
 * outside. */
static void test_refers(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        bool refers;
        uint32_t waits;
    } rows[] = {{"{\"fqdn\":\"self.org\",\"parent\":\"self.org\"}", false, 0},
                {"{\"fqdn\":\"www.self.org\",\"parent\":\"self.org\"}", true, 1},
                {"{\"fqdn\":\"www.other.org\",\"parent\":\"other.org\"}", false, 0},
                {"{\"fqdn\":\"alone.org\"}", false, 0},
                /* each reference counts, whatever the one before or after it is */
                {"{\"fqdn\":\"b.org\",\"registrar\":\"unknown\",\"parent\":\"self.org\"}", true, 1},
                {"{\"fqdn\":\"c.org\",\"registrar\":\"known\",\"parent\":\"c.org\"}", true, 1}};
    bench b;
    begin(&b);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++)
        assert_int_equal(add(&b, "Domain", rows[i].json), SW_OK);
    assert_int_equal(add(&b, "Registrar", "{\"code\":\"known\"}"), SW_OK);
    assert_int_equal(sw_import_plan_link(b.plan, &b.error), SW_OK);
    for (uint32_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(sw_import_plan_row(b.plan, i)->refers, rows[i].refers);
        assert_int_equal(sw_import_plan_row(b.plan, i)->waits, rows[i].waits);
    }
    sw_import_plan_destroy(&b.plan);
}

/* A row whose predecessor failed is marked and still becomes ready: the service decides about
 * it. */
static void test_failure_is_passed_on(void **state)
{
    (void)state;
    for (int well = 0; well < 2; well++) {
        bench b;
        begin(&b);
        assert_int_equal(add(&b, "Domain", "{\"fqdn\":\"a.org\"}"), SW_OK);
        assert_int_equal(add(&b, "Domain", "{\"fqdn\":\"w.a.org\",\"parent\":\"a.org\"}"), SW_OK);
        assert_int_equal(sw_import_plan_link(b.plan, &b.error), SW_OK);
        uint32_t first = sw_import_plan_take(b.plan);
        assert_int_equal(sw_import_plan_take(b.plan), SW_NO_ROW);
        sw_import_plan_finish(b.plan, first, well);
        assert_int_equal(sw_import_plan_row(b.plan, first)->state, well ? SW_ROW_DONE : SW_ROW_FAILED);
        assert_int_equal(sw_import_plan_row(b.plan, 1)->broken, !well);
        expect_wave(&b, " 2");
        sw_import_plan_destroy(&b.plan);
    }
}

/* One failure of several predecessors is enough, whichever is finished last. */
static void test_one_failure_of_two(void **state)
{
    (void)state;
    for (int failing = 0; failing < 2; failing++) {
        bench b;
        begin(&b);
        assert_int_equal(add(&b, "Domain", "{\"fqdn\":\"a.org\"}"), SW_OK);
        assert_int_equal(add(&b, "Registrar", "{\"code\":\"r\"}"), SW_OK);
        assert_int_equal(add(&b, "Domain", "{\"fqdn\":\"w.a.org\",\"parent\":\"a.org\",\"registrar\":\"r\"}"),
                         SW_OK);
        assert_int_equal(sw_import_plan_link(b.plan, &b.error), SW_OK);
        for (int i = 0; i < 2; i++)
            sw_import_plan_finish(b.plan, sw_import_plan_take(b.plan), i != failing);
        assert_true(sw_import_plan_row(b.plan, 2)->broken);
        expect_wave(&b, " 3");
        sw_import_plan_destroy(&b.plan);
    }
}

/* The table of keys grows, and each key is still found. */
static void test_many_keys(void **state)
{
    (void)state;
    char json[96];
    bench b;
    begin(&b);
    for (int i = 0; i < 5000; i++) {
        snprintf(json, sizeof json, "{\"fqdn\":\"%d.org\",\"parent\":\"%d.org\"}", i, (i + 1) % 5000 / 2);
        assert_int_equal(add(&b, "Domain", json), SW_OK);
    }
    for (int i = 0; i < 5000; i += 7) {
        snprintf(json, sizeof json, "{\"parent\":\"%d.org\",\"fqdn\":\"%d.org\"}", (i + 1) % 5000 / 2, i);
        assert_int_equal(add(&b, "Domain", json), SW_OK);
    }
    assert_int_equal(sw_import_plan_rows(b.plan), 5000);
    assert_int_equal(sw_import_plan_tally(b.plan, type_of("domain"))->repeated, (5000 + 6) / 7);
    assert_int_equal(sw_import_plan_link(b.plan, &b.error), SW_OK);
    for (uint32_t i = 3; i < 5000; i++)
        assert_true(sw_import_plan_row(b.plan, i)->refers);
    sw_import_plan_destroy(&b.plan);
}

static void test_circle(void **state)
{
    (void)state;
    bench b;
    begin(&b);
    assert_int_equal(add(&b, "Domain", "{\"fqdn\":\"a.org\",\"parent\":\"b.org\"}"), SW_OK);
    assert_int_equal(add(&b, "Domain", "{\"fqdn\":\"b.org\",\"parent\":\"a.org\"}"), SW_OK);
    assert_int_equal(sw_import_plan_link(b.plan, &b.error), SW_OK);
    expect_wave(&b, "");
    assert_true(sw_import_plan_break_circle(b.plan));
    expect_wave(&b, " 1");
    expect_wave(&b, " 2");
    expect_wave(&b, ""); /* the first row was sent before what it waited for: it is not ready again */
    assert_false(sw_import_plan_break_circle(b.plan));
    sw_import_plan_destroy(&b.plan);
}

static void test_bad_rows(void **state)
{
    (void)state;
    static const struct {
        const char *json, *field;
    } rows[] = {{"{}", "code"},
                {"{\"code\":\"\"}", "code"},
                {"{\"code\":null}", "code"},
                {"{\"code\":7}", "code"},
                {"{\"code\":\"w\",\"nmae\":\"x\"}", "nmae"},
                {"{\"code\":\"w\",\"nmae\":null}", "nmae"},
                {"{\"code\":\"w\",\"live\":\"perhaps\"}", "live"}};
    bench b;
    begin(&b);
    for (size_t i = 0; i < sizeof rows / sizeof *rows; i++) {
        assert_int_equal(add(&b, "Website", rows[i].json), SW_INVALID_ARGUMENT);
        assert_string_equal(b.error.field, rows[i].field);
    }
    assert_int_equal(sw_import_plan_rows(b.plan), 0);
    assert_int_equal(
        add(&b, "Website", "{\"code\":\"w\",\"createdAt\":\"2027-01-31T00:00:00Z\",\"homeDirectory\":null}"),
        SW_OK);
    assert_int_equal(sw_import_plan_computed(b.plan), 1);
    sw_import_plan_destroy(&b.plan);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_names_and_keys),
        cmocka_unit_test(test_kinds_of_fields),
        cmocka_unit_test(test_order_of_resources),
        cmocka_unit_test(test_waves),
        cmocka_unit_test(test_same_key),
        cmocka_unit_test(test_circle),
        cmocka_unit_test(test_reference_waits_for_the_first_row),
        cmocka_unit_test(test_refers),
        cmocka_unit_test(test_failure_is_passed_on),
        cmocka_unit_test(test_one_failure_of_two),
        cmocka_unit_test(test_many_keys),
        cmocka_unit_test(test_bad_rows),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

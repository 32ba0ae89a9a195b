/* Words of the command line by the schema: resources, keys, field=value, filters, orders; and
 * flags, nearest names. */
#include "base/duration.h"
#include "base/nearest.h"
#include "c/json/schema.h"
#include "cli/app/commands.h"
#include "cli/run/args.h"
#include "cli/run/cli.h"
#include "cli/schema/filter.h"
#include "cli/schema/resource.h"
#include "cli/schema/value.h"
#include <setjmp.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

extern const unsigned char compiled_schema[] __asm__("sw_schema");
extern const size_t compiled_schema_size __asm__("sw_schema_size");

static int set_up(void **state)
{
    return (int)sw_schema_new(compiled_schema, compiled_schema_size, (sw_schema **)state, NULL);
}

static int tear_down(void **state)
{
    sw_schema_destroy((sw_schema **)state);
    return 0;
}

static void test_resource_names(void **state)
{
    static const struct {
        const char *word, *name;
    } good[] = {
        {"website", "website"},
        {"websites", "website"},
        {"Website", "website"},
        {"website-deployed", "website-deployed"},
        {"websites-deployed", "website-deployed"},
        {"website_deployed", "website-deployed"},
        {"WebsiteDeployed", "website-deployed"},
        {"docroot-environments", "docroot-environment"},
        {"cms", "cms"},
        {"cert", "certificate"},
        {"load-balancers", "load-balancer"},
        {"domain", "domain"},
        {"drupal", "drupal-docroot-core"},
    };
    sw_schema_resource resource;
    sw_error error;
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        if (sw_schema_resource_find(*state, good[i].word, &resource, &error) != SW_OK)
            fail_msg("%s: %s", good[i].word, error.message);
        assert_string_equal(resource.name, good[i].name);
    }
    assert_int_equal(sw_schema_resource_find(*state, "webstie", &resource, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "did you mean website"));
    assert_int_equal(sw_schema_resource_find(*state, "docroot-e", &resource, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "docroot-environments, "));
    assert_int_equal(sw_schema_resource_find(*state, "", &resource, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_schema_resource_find(*state, "stats", &resource, &error), SW_INVALID_ARGUMENT);
}

static bool count_resource(const sw_schema_resource *resource, void *context)
{
    ++*(size_t *)context;
    /* What follows from others: only Get. */
    if (strcmp(resource->name, "profile") == 0 || strcmp(resource->name, "deployment-plan") == 0)
        return true;
    assert_non_null(resource->list);
    /* Made by others. */
    if (strcmp(resource->name, "project") == 0 || strcmp(resource->name, "change") == 0 ||
        strncmp(resource->name, "deployment", 10) == 0 || strncmp(resource->name, "event", 5) == 0 ||
        strcmp(resource->name, "secret") == 0 || strcmp(resource->name, "output-limit") == 0 ||
        strcmp(resource->name, "refusal") == 0) {
        assert_null(resource->create);
        return true;
    }
    assert_non_null(resource->create);
    assert_non_null(resource->update);
    assert_non_null(resource->remove);
    /* A key has no name of its own to change. */
    assert_true((resource->rename != NULL) ==
                (resource->key_count == 1 && strcmp(resource->name, "key") != 0));
    assert_string_equal(sw_schema_resource_body_field(resource->create, resource->message),
                        sw_schema_resource_body_field(resource->update, resource->message));
    return true;
}

static void test_resources_are_whole(void **state)
{
    size_t count = 0;
    sw_schema_resource_each(*state, count_resource, &count);
    assert_true(count >= 31);
}

static sw_code read_key(const sw_schema_resource *resource, const char *const *words, size_t count,
                        size_t *used, char **text, sw_error *error)
{
    json_t *key = json_object();
    sw_code code = sw_schema_resource_read_key(resource, words, count, used, key, error);
    *text = code == SW_OK ? sw_schema_resource_key_text(resource, key) : NULL;
    json_decref(key);
    return code;
}

static void test_keys(void **state)
{
    sw_schema_resource one, three;
    sw_error error;
    size_t used;
    char *text;
    assert_int_equal(sw_schema_resource_find(*state, "website", &one, NULL), SW_OK);
    assert_int_equal(sw_schema_resource_find(*state, "website-deployed", &three, NULL), SW_OK);
    assert_int_equal(read_key(&one, (const char *[]){"a.fr", "b.fr"}, 2, &used, &text, NULL), SW_OK);
    assert_int_equal(used, 1);
    assert_string_equal(text, "a.fr");
    free(text);
    assert_int_equal(read_key(&three, (const char *[]){"w/d/e"}, 1, &used, &text, NULL), SW_OK);
    assert_int_equal(used, 1);
    assert_string_equal(text, "w/d/e");
    free(text);
    assert_int_equal(read_key(&three, (const char *[]){"w", "d", "e", "x"}, 4, &used, &text, NULL), SW_OK);
    assert_int_equal(used, 3);
    assert_string_equal(text, "w/d/e");
    free(text);
    static const char *const bad[] = {"w/d", "w/d/e/f", "w//e", "/d/e", "w/d/", "w"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        assert_int_equal(read_key(&three, &bad[i], 1, &used, &text, &error), SW_INVALID_ARGUMENT);
        assert_non_null(strstr(error.message, "WEBSITE/DOCROOT/ENVIRONMENT"));
    }
}

/* The JSON that `word` makes of a resource; NULL if it is refused. */
static char *assigned(const sw_schema *schema, const char *resource_name, const char *word, sw_error *error)
{
    sw_schema_resource resource;
    const ProtobufCFieldDescriptor *field;
    json_t *object = json_object();
    char *text = NULL;
    assert_int_equal(sw_schema_resource_find(schema, resource_name, &resource, NULL), SW_OK);
    if (sw_word_assign(resource.message, word, object, &field, error) == SW_OK)
        text = json_dumps(object, JSON_COMPACT);
    json_decref(object);
    return text;
}

static void test_assignments(void **state)
{
    static const struct {
        const char *resource, *word, *json;
    } cases[] = {
        {"website", "name=Isover France", "{\"name\":\"Isover France\"}"},
        {"website", "name=a=b", "{\"name\":\"a=b\"}"},
        {"website", "name=@@x", "{\"name\":\"@x\"}"},
        {"website", "name=", "{}"},
        {"website", "live=yes", "{\"live\":true}"},
        {"website", "live=0", "{\"live\":false}"},
        {"website", "live=maybe", NULL},
        {"website", "home-directory=/srv", "{\"home_directory\":\"/srv\"}"},
        {"website", "homeDirectory=/srv", "{\"home_directory\":\"/srv\"}"},
        {"website", "nme=x", NULL},
        {"website", "name=\xff", NULL},
        {"environment", "rank=30", "{\"rank\":30}"},
        {"environment", "rank=-1", "{\"rank\":-1}"},
        {"environment", "rank=3000000000", NULL},
        {"environment", "rank=3x", NULL},
        {"environment", "rank= 3", NULL},
        {"environment", "revision=3000000000", "{\"revision\":\"3000000000\"}"},
        {"environment", "revision=99999999999999999999", NULL},
        {"domain", "expires_at=2027-01-31", "{\"expires_at\":\"2027-01-31T00:00:00Z\"}"},
        {"domain", "expires_at=2027-01-31T10:00:00Z", "{\"expires_at\":\"2027-01-31T10:00:00Z\"}"},
        {"domain", "expires_at=soon", NULL},
        {"certificate", "alternative_names=a.fr,b.fr", "{\"alternative_names\":[\"a.fr\",\"b.fr\"]}"},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        sw_error error = {0};
        char *text = assigned(*state, cases[i].resource, cases[i].word, &error);
        if (cases[i].json == NULL && text == NULL)
            assert_int_equal(error.code, SW_INVALID_ARGUMENT);
        else if (cases[i].json == NULL || text == NULL || strcmp(text, cases[i].json) != 0)
            fail_msg("%s: %s, not %s; %s", cases[i].word, text != NULL ? text : "refused",
                     cases[i].json != NULL ? cases[i].json : "refused", error.message);
        free(text);
    }
    assert_true(sw_word_is_assignment("name="));
    assert_true(sw_word_is_assignment("home-directory=x"));
    assert_false(sw_word_is_assignment("a.fr"));
    assert_false(sw_word_is_assignment("=x"));
    assert_false(sw_word_is_assignment("a.b=x"));
}

static void test_file_value(void **state)
{
    char path[] = "/tmp/sw_test_XXXXXX", word[64];
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, "one\ntwo\n", 8), 8);
    close(fd);
    snprintf(word, sizeof(word), "certificate=@%s", path);
    char *text = assigned(*state, "certificate", word, NULL);
    assert_string_equal(text, "{\"certificate\":\"one\\ntwo\\n\"}");
    free(text);
    unlink(path);
    sw_error error;
    assert_null(assigned(*state, "certificate", word, &error));
    assert_int_equal(error.code, SW_NOT_FOUND);
}

static void test_filters(void **state)
{
    static const struct {
        const char *text, *op, *values;
    } cases[] = {
        {"code = a.fr", "=", "a.fr"},
        {"code=a.fr", "=", "a.fr"},
        {" code == a.fr ", "=", "a.fr"},
        {"code != a.fr", "!=", "a.fr"},
        {"code <> a.fr", "!=", "a.fr"},
        {"revision <= 3", "<=", "3"},
        {"revision<3", "<", "3"},
        {"revision >= 3", ">=", "3"},
        {"revision > -1", ">", "-1"},
        {"code ^= www", "prefix", "www"},
        {"code prefix www", "prefix", "www"},
        {"name ~ of = France", "contains", "of = France"},
        {"name contains \"two  words \"", "contains", "two  words "},
        {"name = 'a, b'", "=", "a, b"},
        {"name = ''", "=", ""},
        {"name =", "=", ""},
        {"code in a,b , c", "in", "a|b|c"},
        {"code in (a, 'b,c')", "in", "a|b,c"},
        {"code IN a", "in", "a"},
        {"name is null", "is_null", "true"},
        {"name IS NOT NULL", "is_null", "false"},
        {"live=yes", "=", "true"},
        {"updated_at > 2027-01-31", ">", "2027-01-31T00:00:00Z"},
        {"home-directory = x", "=", "x"},
        {"name", NULL, NULL},
        {"", NULL, NULL},
        {"= 3", NULL, NULL},
        {"nme = x", NULL, NULL},
        {"name is", NULL, NULL},
        {"name is nullx", NULL, NULL},
        {"name is not", NULL, NULL},
        {"name is null x", NULL, NULL},
        {"name = 'open", NULL, NULL},
        {"name = 'a' b", NULL, NULL},
        {"name like x", NULL, NULL},
        {"name inside x", NULL, NULL},
        {"live = maybe", NULL, NULL},
        {"revision = x", NULL, NULL},
    };
    sw_schema_resource resource;
    assert_int_equal(sw_schema_resource_find(*state, "website", &resource, NULL), SW_OK);
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        json_t *filter = NULL;
        sw_error error = {0};
        sw_code code = sw_filter_parse(resource.message, cases[i].text, &filter, &error);
        if (cases[i].op == NULL) {
            if (code != SW_INVALID_ARGUMENT)
                fail_msg("'%s' was accepted", cases[i].text);
            assert_true(error.message[0] != '\0');
            continue;
        }
        if (code != SW_OK)
            fail_msg("'%s': %s", cases[i].text, error.message);
        char values[128] = "";
        size_t index;
        json_t *value;
        json_array_foreach(json_object_get(filter, "values"), index, value)
        {
            strcat(values, index > 0 ? "|" : "");
            strcat(values, json_string_value(value));
        }
        assert_string_equal(json_string_value(json_object_get(filter, "op")), cases[i].op);
        assert_string_equal(values, cases[i].values);
        json_decref(filter);
    }
}

static void test_order(void **state)
{
    sw_schema_resource resource;
    json_t *order = NULL;
    assert_int_equal(sw_schema_resource_find(*state, "website", &resource, NULL), SW_OK);
    assert_int_equal(sw_order_parse(resource.message, "name,-updated-at", &order, NULL), SW_OK);
    char *text = json_dumps(order, JSON_COMPACT | JSON_SORT_KEYS);
    assert_string_equal(
        text, "[{\"descending\":false,\"field\":\"name\"},{\"descending\":true,\"field\":\"updated_at\"}]");
    free(text);
    json_decref(order);
    assert_int_equal(sw_order_parse(resource.message, "name,nope", &order, NULL), SW_INVALID_ARGUMENT);
}

static void test_value_text(void **state)
{
    (void)state;
    json_t *list = json_pack("[s,s]", "a", "b"), *object = json_pack("{s:i}", "a", 1),
           *number = json_integer(5);
    char *texts[] = {sw_cell_text(NULL), sw_cell_text(list), sw_cell_text(object), sw_cell_text(number),
                     sw_cell_text(json_true())};
    static const char *const expected[] = {"", "a,b", "{\"a\":1}", "5", "true"};
    for (size_t i = 0; i < 5; i++) {
        assert_string_equal(texts[i], expected[i]);
        free(texts[i]);
    }
    json_decref(list);
    json_decref(object);
    json_decref(number);
}

static void test_flags(void **state)
{
    (void)state;
    static const sw_flag own[] = {{"limit", 'l', "N", ""}, {"csv", 0, NULL, ""}, {.name = NULL}};
    char *argv[] = {"a", "--limit=5", "-", "--json", "-l", "7", "--", "--csv"};
    sw_args args;
    sw_error error;
    int64_t number;
    assert_int_equal(sw_args_parse(8, argv, own, sw_all_commands.flags, &args, NULL), SW_OK);
    assert_int_equal(args.word_count, 3);
    assert_string_equal(args.words[1], "-");
    assert_string_equal(args.words[2], "--csv");
    assert_true(sw_args_has(&args, "json"));
    assert_false(sw_args_has(&args, "csv"));
    assert_string_equal(sw_args_value(&args, "limit"), "7");
    assert_string_equal(sw_args_value_at(&args, "limit", 0), "5");
    assert_null(sw_args_value_at(&args, "limit", 2));
    assert_int_equal(sw_args_number(&args, "limit", 1, 6, 0, &number, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_args_number(&args, "limit", 1, 10, 0, &number, &error), SW_OK);
    assert_int_equal(number, 7);
    sw_args_free(&args);
    static char *const bad[] = {"--lmit", "--limit", "--csv=x", "-x", "--", "-"};
    for (int i = 0; i < 4; i++)
        assert_int_equal(sw_args_parse(1, &bad[i], own, sw_all_commands.flags, &args, &error),
                         SW_INVALID_ARGUMENT);
    assert_int_equal(sw_args_parse(1, &bad[0], own, sw_all_commands.flags, &args, &error),
                     SW_INVALID_ARGUMENT);
    assert_string_equal(error.message, "unknown flag --lmit; did you mean --limit?");
}

static void test_durations(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t ms;
    } cases[] = {{"250ms", 250},  {"5s", 5000},     {"5", 5000}, {"1.5s", 1500}, {"2m", 120000},
                 {"1h", 3600000}, {"1d", 86400000}, {"", -1},    {"5x", -1},     {"-5s", -1},
                 {"s", -1},       {"1e300", -1},    {"inf", -1}, {"5 s", -1}};
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        int64_t ms = -1;
        assert_int_equal(sw_duration_parse_ms(cases[i].text, "s", &ms), cases[i].ms >= 0);
        assert_int_equal(ms, cases[i].ms);
    }
}

static void test_times(void **state)
{
    (void)state;
    static const sw_flag flags[] = {{"at", 0, "TIME", ""}, {.name = NULL}};
    static const struct {
        const char *given, *text; /* NULL: refused */
    } cases[] = {
        {"2026-11-24", "2026-11-24T00:00:00Z"},
        {"2026-11-24T10:00:00+01:00", "2026-11-24T10:00:00+01:00"},
        {"soon", NULL},
        {"", NULL},
        {"2026", "20"}, /* seconds ago */
        {"2h", "20"},
        {"-2h", NULL},
        {"1000000d", NULL},
        {"T23456789-123456789-123456789-123456789-123456789-123456789-1234", NULL},
    };
    for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
        char *argv[] = {(char *)"--at", (char *)cases[i].given}, text[SW_TIME_TEXT];
        sw_args args;
        sw_error error;
        assert_int_equal(sw_args_parse(2, argv, flags, NULL, &args, &error), SW_OK);
        sw_code code = sw_args_time(&args, "at", text, &error);
        assert_int_equal(code, cases[i].text == NULL ? SW_INVALID_ARGUMENT : SW_OK);
        if (code == SW_OK)
            assert_memory_equal(text, cases[i].text, strlen(cases[i].text));
        sw_args_free(&args);
    }
    sw_args none = {0};
    char text[SW_TIME_TEXT] = "x";
    assert_int_equal(sw_args_time(&none, "at", text, NULL), SW_OK);
    assert_string_equal(text, "");
}

static void test_nearest(void **state)
{
    (void)state;
    assert_int_equal(sw_edit_distance("list", 4, "list", 4), 0);
    assert_int_equal(sw_edit_distance("lsit", 4, "list", 4), 1);
    assert_int_equal(sw_edit_distance("", 0, "list", 4), 4);
    assert_int_equal(sw_edit_distance("a_b", 3, "A-B", 3), 0);
    char text[64];
    sw_nearest nearest;
    sw_nearest_init(&nearest, "updte", 5);
    sw_nearest_offer(&nearest, "get");
    sw_nearest_offer(&nearest, "update");
    sw_nearest_offer(&nearest, "up");
    sw_nearest_text(&nearest, "", text, sizeof(text));
    assert_string_equal(text, "; did you mean update?");
    sw_nearest_text(&nearest, "", text, 10);
    assert_string_equal(text, "");
    sw_nearest_init(&nearest, "zzzzzz", 6);
    sw_nearest_offer(&nearest, "update");
    sw_nearest_text(&nearest, "", text, sizeof(text));
    assert_string_equal(text, "");
}

/* One line of summary, at least one example, and each line of the examples is a comment or a
 * command. */
static void check_help(const sw_command *c)
{
    assert_null(strchr(c->summary, '\n'));
    assert_true(*c->examples == '#');
    for (const char *p = c->examples; *p != '\0'; p = strchr(p, '\n') + 1)
        assert_true(*p == '#' || strstr(p, "sitewire") != NULL);
}

static void test_commands(void **state)
{
    (void)state;
    size_t count = 0;
    for (const sw_command_group *g = sw_all_commands.groups; g->title != NULL; g++)
        for (const sw_command *c = g->commands; c->name != NULL; c++, count++) {
            assert_ptr_equal(sw_command_find(&sw_all_commands, c->name), c);
            if (!c->hidden)
                check_help(c);
        }
    assert_true(count > 30);
    assert_null(sw_command_find(&sw_all_commands, "nothing"));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_resource_names), cmocka_unit_test(test_resources_are_whole),
        cmocka_unit_test(test_keys),           cmocka_unit_test(test_assignments),
        cmocka_unit_test(test_file_value),     cmocka_unit_test(test_filters),
        cmocka_unit_test(test_order),          cmocka_unit_test(test_value_text),
        cmocka_unit_test(test_flags),          cmocka_unit_test(test_durations),
        cmocka_unit_test(test_times),          cmocka_unit_test(test_nearest),
        cmocka_unit_test(test_commands),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

/* proto3 JSON: every kind of value, both spellings, and errors that name the field and the
 * remedy. */
#include "c/json/json.h"
#include "c/json/json_value.h"
#include "c/json/schema.h"

#include <google/protobuf/descriptor.pb-c.h>
#include <setjmp.h>
#include <sitewire/referential/v1/referential.pb-c.h>
#include <sitewire/rpc/v1/rpc.pb-c.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

extern const unsigned char foreign_schema[];
extern const size_t foreign_schema_size;

static char *through(const ProtobufCMessageDescriptor *type, const char *text, sw_error *error)
{
    ProtobufCMessage *message;
    if (sw_json_parse(type, text, strlen(text), NULL, &message, error) != SW_OK) {
        assert_null(message);
        return NULL;
    }
    json_t *json = sw_json_from_message(message);
    char *out = json_dumps(json, JSON_COMPACT);
    json_decref(json);
    protobuf_c_message_free_unpacked(message, NULL);
    return out;
}

static void same(const ProtobufCMessageDescriptor *type, const char *text, const char *wanted)
{
    sw_error error;
    char *out = through(type, text, &error);
    if (out == NULL)
        fail_msg("%s: %s", text, error.message);
    assert_string_equal(out, wanted);
    free(out);
}

static void test_values(void **state)
{
    (void)state;
    const ProtobufCMessageDescriptor *website = &sw__website__descriptor;
    same(website, "{}", "{}");
    same(website, " { \"code\" : \"a\" , \"name\" : null } ", "{\"code\":\"a\"}");
    same(website, "{\"codeRepositoryUrl\":\"u\"}", "{\"code_repository_url\":\"u\"}");
    same(website, "{\"name\":\"\"}", "{\"name\":\"\"}"); /* set, and empty */
    same(website, "{\"revision\":7}", "{\"revision\":\"7\"}");
    same(website, "{\"revision\":\"-9223372036854775808\"}", "{\"revision\":\"-9223372036854775808\"}");
    same(website, "{\"revision\":1e3}", "{\"revision\":\"1000\"}");
    same(website, "{\"createdAt\":\"1970-01-01T00:00:00Z\"}", "{\"created_at\":\"1970-01-01T00:00:00Z\"}");
    same(&sw__environment__descriptor, "{\"rank\":\"12\"}", "{\"rank\":12}");
    same(&sw__update_website_request__descriptor, "{\"updateMask\":\"codeRepositoryUrl,name\"}",
         "{\"update_mask\":\"code_repository_url,name\"}");
    same(&sw__update_website_request__descriptor, "{\"update_mask\":\"\"}", "{\"update_mask\":\"\"}");
    same(&sw__health_check_response__descriptor, "{\"status\":1}", "{\"status\":\"SERVING\"}");
    same(&sw__health_check_response__descriptor, "{\"status\":99}", "{\"status\":99}");
    same(&sw__get_schema_response__descriptor, "{\"file_descriptor_set\":\"_-8\"}",
         "{\"file_descriptor_set\":\"/+8=\"}");
    same(&sw__method_stats__descriptor, "{\"codes\":[]}", "{}");
}

static void test_errors(void **state)
{
    (void)state;
    static const struct {
        const ProtobufCMessageDescriptor *type;
        const char *text, *field, *message;
    } rows[] = {
        {&sw__website__descriptor, "{\"nmae\":\"x\"}", "nmae", "did you mean 'name'?"},
        {&sw__website__descriptor, "{\"zzzzzzzzzz\":1}", "zzzzzzzzzz", "no such field"},
        {&sw__website__descriptor, "{\"name\":1}", "name", "expected a string, not a number"},
        {&sw__website__descriptor, "{\"enabled\":\"true\"}", "enabled", "expected true or false"},
        {&sw__website__descriptor, "{\"revision\":1.5}", "revision", "whole number"},
        {&sw__website__descriptor, "{\"revision\":\"9223372036854775808\"}", "revision", "whole number"},
        {&sw__website__descriptor, "{\"revision\":\"12x\"}", "revision", "whole number"},
        {&sw__website__descriptor, "{\"revision\":\"\"}", "revision", "whole number"},
        {&sw__website__descriptor, "{\"created_at\":\"2026-02-29T00:00:00Z\"}", "created_at",
         "a time such as"},
        {&sw__website__descriptor, "{\"created_at\":1}", "created_at", "a time such as"},
        {&sw__website__descriptor, "{\"home_directory\":\"a\",\"homeDirectory\":\"b\"}", "home_directory",
         "twice"},
        {&sw__website__descriptor, "{\"name\":\"a\",\"name\":\"b\"}", "", "duplicate"},
        {&sw__website__descriptor, "{\"name\":\"a\\u0000b\"}", "", "NUL"},
        {&sw__website__descriptor, "{\"name\":\"\xff\"}", "", "unable to decode byte 0xff"},
        {&sw__website__descriptor, "{\"name\":", "", "line 1"},
        {&sw__website__descriptor, "{} x", "", "end of file"},
        {&sw__website__descriptor, "", "", "JSON line"},
        {&sw__website__descriptor, "[]", "", "expected an object, not an array"},
        {&sw__website__descriptor, "3", "", "expected an object"},
        {&sw__environment__descriptor, "{\"rank\":2147483648}", "rank", "2147483647"},
        {&sw__list_websites_request__descriptor, "{\"filters\":[{},{\"feild\":\"x\"}]}", "filters[1].feild",
         "did you mean 'field'?"},
        {&sw__list_websites_request__descriptor, "{\"filters\":[{\"values\":[\"a\",1]}]}",
         "filters[0].values[1]", "expected a string"},
        {&sw__list_websites_request__descriptor, "{\"filters\":{}}", "filters", "expected an array"},
        {&sw__list_websites_request__descriptor, "{\"filters\":[null]}", "filters[0]", "must not be null"},
        {&sw__update_website_request__descriptor, "{\"website\":{\"live\":0}}", "website.live",
         "true or false"},
        {&sw__update_website_request__descriptor, "{\"update_mask\":[\"a\"]}", "update_mask",
         "comma-separated"},
        {&sw__update_website_request__descriptor, "{\"update_mask\":\"a,,b\"}", "update_mask", "empty"},
        {&sw__health_check_response__descriptor, "{\"status\":\"SERVED\"}", "status",
         "not one of UNKNOWN, SERVING, NOT_SERVING"},
        {&sw__method_stats__descriptor, "{\"codes\":[-1]}", "codes[0]", "18446744073709551615"},
        {&sw__method_stats__descriptor, "{\"codes\":[\"-1\"]}", "codes[0]", "18446744073709551615"},
        {&sw__get_schema_response__descriptor, "{\"file_descriptor_set\":\"a\"}", "file_descriptor_set",
         "base64"},
        {&sw__get_schema_response__descriptor, "{\"file_descriptor_set\":\"a!==\"}", "file_descriptor_set",
         "base64"},
    };
    for (size_t i = 0; i < sizeof(rows) / sizeof(rows[0]); i++) {
        sw_error error = {0};
        char *out = through(rows[i].type, rows[i].text, &error);
        if (out != NULL || error.code != SW_INVALID_ARGUMENT || strcmp(error.field, rows[i].field) != 0 ||
            strstr(error.message, rows[i].message) == NULL)
            fail_msg("%s: field '%s', message '%s'", rows[i].text, error.field, error.message);
    }
}

static void test_depth(void **state)
{
    (void)state;
    char text[8192] = "";
    for (int depth = 1; depth <= SW_JSON_DEPTH_MAX + 8; depth++) {
        char *at = text;
        for (int i = 1; i < depth; i++)
            at += sprintf(at, "{\"nested_type\":[");
        at += sprintf(at, "{}");
        for (int i = 1; i < depth; i++)
            at += sprintf(at, "]}");
        sw_error error = {0};
        char *out = through(&google__protobuf__descriptor_proto__descriptor, text, &error);
        if (depth <= SW_JSON_DEPTH_MAX)
            assert_non_null(out);
        else
            assert_non_null(strstr(error.message, "nested deeper"));
        free(out);
    }
}

/* Double quotes for single ones. */
static void quoted(const char *from, char to[512])
{
    snprintf(to, 512, "%s", from);
    for (char *at = to; (at = strchr(at, '\'')) != NULL;)
        *at = '"';
}

/* What Python's google.protobuf.json_format reads and prints. */
static void test_foreign_messages(void **state)
{
    (void)state;
    static const char *const good[][2] = {
        {"{'labels':{'a':'1','':'x'}}", NULL},
        {"{'children':{'-5':{'labels':{'b':'2'}},'7':{}}}", NULL},
        {"{'switches':{'true':1.5,'false':0}}", "{'switches':{'true':1.5,'false':0.0}}"},
        {"{'colors':{'18446744073709551615':'COLOR_RED','1':0}}",
         "{'colors':{'18446744073709551615':'COLOR_RED','1':'COLOR_UNSPECIFIED'}}"},
        {"{'settings':{'a':null,'b':[1.0,'x',{'c':true}]}}", NULL},
        {"{'times':{'t':'2026-01-31T12:00:00Z'}}", NULL},
        {"{'document':{'a':{'b':[null,1.5,'s',false,{}]},'n':null}}", NULL},
        {"{'document':{}}", NULL},
        {"{'value':null}", NULL},
        {"{'value':3}", "{'value':3.0}"},
        {"{'value':'s'}", NULL},
        {"{'value':[]}", NULL},
        {"{'value':{'x':1.0}}", NULL},
        {"{'list':[1.0,[2.0]]}", NULL},
        {"{'nothing':null}", NULL},
        {"{'none':null}", NULL},
        {"{'any':{'@type':'type.googleapis.com/foreign.v1.Everything','labels':{'a':'b'}}}", NULL},
        {"{'any':{'@type':'type.googleapis.com/google.protobuf.Duration','value':'1.500s'}}", NULL},
        {"{'any':{'@type':'type.googleapis.com/google.protobuf.Struct','value':{'a':1.0}}}", NULL},
        {"{'any':{'@type':'type.googleapis.com/google.protobuf.Any','value':"
         "{'@type':'type.googleapis.com/google.protobuf.StringValue','value':'x'}}}",
         NULL},
        {"{'any':{'@type':'type.googleapis.com/google.protobuf.Empty'}}", NULL},
        {"{'any':{'@type':'example.org/unknown.Type','value':'AAE='}}", NULL},
        {"{'any':{}}", NULL},
        {"{'empty':{}}", NULL},
        {"{'wide':'9007199254740993'}", NULL},
        {"{'wide':0}", "{'wide':'0'}"},
        {"{'wide':null}", "{}"},
        {"{'count':7}", NULL},
        {"{'flag':false}", NULL},
        {"{'text':''}", NULL},
        {"{'data':'AAE='}", NULL},
        {"{'ratio':0.5}", NULL},
        {"{'exact':'NaN'}", NULL},
        {"{'mask':'a,b.c'}", NULL},
        {"{'wait':'3s'}", NULL},
        {"{'other-name':'x'}", "{'renamed_field':'x'}"},
        {"{'renamed_field':'x'}", NULL},
        {"{'values':[null,1.0]}", NULL},
        {"{'counts':[1,2]}", NULL},
    };
    static const struct {
        const char *text, *field, *wanted;
    } bad[] = {
        {"{'any':{'@type':'type.googleapis.com/google.protobuf.Empty','value':{}}}", "any.value",
         "no such field"},
        {"{'any':{'@type':'type.googleapis.com/google.protobuf.Duration'}}", "any", "given as \"value\""},
        {"{'any':{'@type':'example.org/unknown.Type','a':1}}", "any",
         "no message \"example.org/unknown.Type\""},
        {"{'any':{'@type':7}}", "any", "an object with \"@type\""},
        {"{'any':{'labels':{}}}", "any", "an object with \"@type\""},
        {"{'renamedField':'x'}", "renamedField", "no such field"},
        {"{'other-name':'x','renamed_field':'y'}", "renamed_field", "given twice"},
        {"{'counts':[null]}", "counts[0]", "must not be null"},
        {"{'labels':{'a':null}}", "labels.a", "must not be null"},
        {"{'labels':[]}", "labels", "an object"},
        {"{'switches':{'yes':1}}", "switches.yes", "true or false"},
        {"{'children':{'x':{}}}", "children.x", "a whole number"},
        {"{'children':{'1':{'labels':{'a':1}}}}", "children.1.labels.a", "a string"},
        {"{'wide':'x'}", "wide", "a whole number"},
        {"{'document':[]}", "document", "an object"},
        {"{'list':{}}", "list", "an array"},
        {"{'none':null,'some':'x'}", "some", "only one member"},
    };
    sw_schema *schema;
    sw_error error;
    assert_int_equal(sw_schema_new(foreign_schema, foreign_schema_size, &schema, &error), SW_OK);
    const ProtobufCMessageDescriptor *type = sw_schema_find_message(schema, "Everything");
    for (size_t i = 0; i < sizeof(good) / sizeof(*good); i++) {
        char text[512], wanted[512];
        quoted(good[i][0], text);
        quoted(good[i][1] != NULL ? good[i][1] : good[i][0], wanted);
        same(type, text, wanted);
    }
    for (size_t i = 0; i < sizeof(bad) / sizeof(*bad); i++) {
        char text[512];
        quoted(bad[i].text, text);
        char *out = through(type, text, &error);
        if (out != NULL || error.code != SW_INVALID_ARGUMENT || strcmp(error.field, bad[i].field) != 0 ||
            strstr(error.message, bad[i].wanted) == NULL)
            fail_msg("%s: %s (%s)", text, out != NULL ? out : error.message, error.field);
    }
    sw_schema_destroy(&schema);
}

static void test_base64(void **state)
{
    (void)state;
    uint8_t bytes[64], back[SW_BASE64_DECODED(100)];
    char text[SW_BASE64_ENCODED(64)];
    for (size_t size = 0; size <= sizeof(bytes); size++) {
        for (size_t i = 0; i < size; i++)
            bytes[i] = (uint8_t)(i * 37 + size);
        sw_base64_encode(bytes, size, text);
        assert_int_equal(strlen(text), (size + 2) / 3 * 4);
        size_t length;
        assert_true(sw_base64_decode(text, strlen(text), back, &length));
        assert_int_equal(length, size);
        assert_memory_equal(bytes, back, size);
        size_t bare = strcspn(text, "=");
        assert_true(sw_base64_decode(text, bare, back, &length));
        assert_int_equal(length, size);
    }
    size_t length;
    static const char *const bad[] = {"=", "==", "====", "a===", "aa=", "a=aa", "aB==", "aaB=", "a b="};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_false(sw_base64_decode(bad[i], strlen(bad[i]), back, &length));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_values),           cmocka_unit_test(test_errors), cmocka_unit_test(test_depth),
        cmocka_unit_test(test_foreign_messages), cmocka_unit_test(test_base64),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

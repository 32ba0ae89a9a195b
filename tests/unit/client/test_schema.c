/* Schemas read at run time: descriptors that protobuf-c works with, services, comments, hostile
 * sets. */
#include "c/json/json.h"
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

extern const unsigned char compiled_schema[] __asm__("sw_schema");
extern const size_t compiled_schema_size __asm__("sw_schema_size");

static int set_up(void **state)
{
    sw_schema *schema;
    sw_error error;
    if (sw_schema_new(compiled_schema, compiled_schema_size, &schema, &error) != SW_OK)
        fail_msg("%s", error.message);
    *state = schema;
    return 0;
}

static int tear_down(void **state)
{
    sw_schema *schema = *state;
    sw_schema_destroy(&schema);
    assert_null(schema);
    return 0;
}

static void test_find(void **state)
{
    const sw_schema *schema = *state;
    const sw_schema_method *method = sw_schema_find_method(schema, "Referential/GetWebsite");
    assert_non_null(method);
    assert_string_equal(method->path, "/sitewire.referential.v1.Referential/GetWebsite");
    assert_string_equal(method->request->name, "sitewire.referential.v1.GetWebsiteRequest");
    assert_string_equal(method->reply->short_name, "Website");
    assert_true(method->read_only);
    assert_ptr_equal(method, sw_schema_find_method(schema, method->path));
    assert_ptr_equal(method, sw_schema_find_method(schema, method->path + 1));
    assert_ptr_equal(method, sw_schema_find_method(schema, "GetWebsite"));
    assert_false(sw_schema_find_method(schema, "Referential/CreateWebsite")->read_only);
    assert_true(sw_schema_find_method(schema, "Health/Watch")->streams);
    assert_null(sw_schema_find_method(schema, "Referential/"));
    assert_null(sw_schema_find_method(schema, "/"));
    assert_null(sw_schema_find_method(schema, ""));
    assert_non_null(sw_schema_find_service(schema, "Health"));
    assert_null(sw_schema_find_service(schema, "ealth"));
    assert_non_null(sw_schema_find_message(schema, "Website"));
    assert_non_null(sw_schema_find_message(schema, "google.protobuf.Timestamp"));
    assert_null(
        /* an enum */
        sw_schema_find_message(schema, "sitewire.rpc.v1.HealthCheckResponse.ServingStatus"));
    const sw_schema_service *services;
    const ProtobufCMessageDescriptor *const *messages;
    assert_true(sw_schema_services(schema, &services) >= 5);
    assert_true(sw_schema_messages(schema, &messages) > 100);
}

static void test_comments(void **state)
{
    const sw_schema *schema = *state;
    const ProtobufCMessageDescriptor *header = sw_schema_find_message(schema, "CallHeader");
    assert_string_equal(sw_schema_comment(schema, header, NULL),
                        "What a client says about its call. The first frame of an RPC body.");
    assert_string_equal(sw_schema_comment(schema, header, "metadata"), "At most 64 entries.");
    assert_string_equal(sw_schema_comment(schema, header, "nothing"), "");
    assert_string_equal(sw_schema_comment(schema, &sw__call_header__descriptor, "metadata"),
                        "At most 64 entries.");
    assert_string_equal(sw_schema_find_method(schema, "Health/Watch")->comment,
                        "Answers at once, and again on every change until it is cancelled.");
}

/* The same message through the generated and the dynamic descriptor: same bytes, same JSON. */
static void round_trip(const sw_schema *schema, const ProtobufCMessageDescriptor *type, const char *text)
{
    const ProtobufCMessageDescriptor *dynamic = sw_schema_find_message(schema, type->name);
    assert_non_null(dynamic);
    ProtobufCMessage *one, *other;
    sw_error error;
    if (sw_json_parse(type, text, strlen(text), NULL, &one, &error) != SW_OK ||
        sw_json_parse(dynamic, text, strlen(text), NULL, &other, &error) != SW_OK)
        fail_msg("%s: %s", type->name, error.message);
    size_t size = protobuf_c_message_get_packed_size(one);
    size_t other_size = protobuf_c_message_get_packed_size(other);
    uint8_t *a = malloc(size + 1), *b = malloc(other_size + 1);
    assert_int_equal(protobuf_c_message_pack(one, a), size);
    assert_int_equal(protobuf_c_message_pack(other, b), other_size);
    /* The view that protoc-c compiles packs no repeated numbers; both are read. */
    if (type != &sw__method_stats__descriptor) {
        assert_int_equal(size, other_size);
        assert_memory_equal(a, b, size);
    }
    ProtobufCMessage *back = protobuf_c_message_unpack(dynamic, NULL, size, a);
    assert_non_null(back);
    json_t *x = sw_json_from_message(one), *y = sw_json_from_message(back);
    json_t *z = json_loads(text, JSON_DECODE_ANY, NULL);
    assert_true(json_equal(x, y));
    if (!json_equal(x, z))
        fail_msg("%s became %s", text, json_dumps(x, 0));
    json_decref(x);
    json_decref(y);
    json_decref(z);
    free(a);
    free(b);
    protobuf_c_message_free_unpacked(one, NULL);
    protobuf_c_message_free_unpacked(other, NULL);
    protobuf_c_message_free_unpacked(back, NULL);
}

static void test_round_trips(void **state)
{
    const sw_schema *schema = *state;
    round_trip(
        schema, &sw__website__descriptor,
        "{\"code\":\"saint-gobain.com\",\"name\":\"Gr\\u00fc\\u00df Gott\",\"enabled\":false,\"live\":true,"
        "\"created_at\":\"2026-01-31T23:59:59.120Z\",\"revision\":\"9223372036854775807\"}");
    round_trip(schema, &sw__environment__descriptor, "{\"code\":\"prod\",\"rank\":-3,\"approvals\":2}");
    round_trip(
        schema, &sw__update_website_request__descriptor,
        "{\"website\":{\"code\":\"a\"},\"update_mask\":\"name,code_repository_url\",\"allow_missing\":true}");
    round_trip(
        schema, &sw__list_websites_request__descriptor,
        "{\"page_size\":10,\"filters\":[{\"field\":\"code\",\"op\":\"in\",\"values\":[\"a\",\"b\"]},{}]}");
    round_trip(schema, &sw__health_check_response__descriptor,
               "{\"status\":\"NOT_SERVING\",\"reason\":\"x\"}");
    round_trip(schema, &sw__method_stats__descriptor,
               "{\"method\":\"m\",\"codes\":[\"1\",\"0\",\"18446744073709551615\"],\"latency\":[\"5\"]}");
    round_trip(schema, &sw__get_schema_response__descriptor, "{\"file_descriptor_set\":\"AAECAw==\"}");
    round_trip(schema, &sw__empty__descriptor, "{}");
}

/* --- Sets made by hand --- */

static sw_code load(const Google__Protobuf__FileDescriptorProto *file, sw_schema **schema, sw_error *error)
{
    Google__Protobuf__FileDescriptorSet set = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_SET__INIT;
    Google__Protobuf__FileDescriptorProto *files[] = {
        (Google__Protobuf__FileDescriptorProto *)(uintptr_t)file};
    set.n_file = 1;
    set.file = files;
    size_t size = protobuf_c_message_get_packed_size(&set.base);
    uint8_t *bytes = malloc(size + 1);
    protobuf_c_message_pack(&set.base, bytes);
    sw_code code = sw_schema_new(bytes, size, schema, error);
    free(bytes);
    return code;
}

typedef Google__Protobuf__FieldDescriptorProto field;
#define FIELD(name_, number_, type_)                                                                         \
    {                                                                                                        \
        PROTOBUF_C_MESSAGE_INIT(&google__protobuf__field_descriptor_proto__descriptor),                      \
            .name = (char *)(name_), .has_number = 1, .number = (number_), .has_type = 1,                    \
            .type = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_##type_                             \
    }

static void test_oneof_and_packed(void **state)
{
    (void)state;
    field fields[] = {FIELD("text", 1, STRING),  FIELD("number", 9, SINT64), FIELD("blob", 5, BYTES),
                      FIELD("self", 3, MESSAGE), FIELD("maybe", 4, BOOL),    FIELD("many", 6, DOUBLE),
                      FIELD("f", 7, FLOAT)};
    for (size_t i = 0; i < 4; i++) {
        fields[i].has_oneof_index = 1;
        fields[i].oneof_index = 0;
    }
    fields[3].type_name = (char *)".t.M";
    fields[4].has_oneof_index = fields[4].has_proto3_optional = fields[4].proto3_optional = 1;
    fields[4].oneof_index = 1;
    fields[5].has_label = 1;
    fields[5].label = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__LABEL__LABEL_REPEATED;
    field *list[7];
    for (size_t i = 0; i < 7; i++)
        list[i] = &fields[i];
    Google__Protobuf__OneofDescriptorProto a = GOOGLE__PROTOBUF__ONEOF_DESCRIPTOR_PROTO__INIT, b = a;
    a.name = (char *)"kind";
    b.name = (char *)"_maybe";
    Google__Protobuf__OneofDescriptorProto *oneofs[] = {&a, &b};
    Google__Protobuf__DescriptorProto message = GOOGLE__PROTOBUF__DESCRIPTOR_PROTO__INIT;
    Google__Protobuf__DescriptorProto *messages[] = {&message};
    message.name = (char *)"M";
    message.n_field = 7;
    message.field = list;
    message.n_oneof_decl = 2;
    message.oneof_decl = oneofs;
    Google__Protobuf__FileDescriptorProto file = GOOGLE__PROTOBUF__FILE_DESCRIPTOR_PROTO__INIT;
    file.name = (char *)"t.proto";
    file.package = (char *)"t";
    file.syntax = (char *)"proto3";
    file.n_message_type = 1;
    file.message_type = messages;
    sw_schema *schema;
    sw_error error;
    if (load(&file, &schema, &error) != SW_OK)
        fail_msg("%s", error.message);
    const ProtobufCMessageDescriptor *type = sw_schema_find_message(schema, "M");
    static const char *const texts[] = {
        "{\"text\":\"a\"}",
        "{\"number\":\"-5\"}",
        "{\"blob\":\"AQI=\"}",
        "{\"self\":{\"text\":\"\"}}",
        "{\"maybe\":false,\"many\":[0.5,-1.0]}",
        "{\"f\":0.1,\"number\":\"0\"}",
        "{\"many\":[\"NaN\",\"Infinity\",\"-Infinity\"]}",
    };
    for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++) {
        ProtobufCMessage *one, *back;
        if (sw_json_parse(type, texts[i], strlen(texts[i]), NULL, &one, &error) != SW_OK)
            fail_msg("%s", error.message);
        uint8_t bytes[256];
        size_t size = protobuf_c_message_pack(one, bytes);
        /* Twice in a row: the last member of a oneof wins, and nothing leaks. */
        memcpy(bytes + size, bytes, size);
        back = protobuf_c_message_unpack(type, NULL, i == 4 || i == 6 ? size : 2 * size, bytes);
        assert_non_null(back);
        json_t *json = sw_json_from_message(back);
        char *text = json_dumps(json, JSON_COMPACT | JSON_REAL_PRECISION(9));
        assert_string_equal(text, texts[i]);
        free(text);
        json_decref(json);
        protobuf_c_message_free_unpacked(one, NULL);
        protobuf_c_message_free_unpacked(back, NULL);
    }
    ProtobufCMessage *none;
    const char *two = "{\"text\":\"a\",\"number\":1}";
    assert_int_equal(sw_json_parse(type, two, strlen(two), NULL, &none, &error), SW_INVALID_ARGUMENT);
    sw_schema_destroy(&schema);
    /* The same, with what a hostile peer would make of it. */
    fields[3].type_name = (char *)".t.Gone";
    assert_int_equal(load(&file, &schema, &error), SW_INVALID_ARGUMENT);
    assert_non_null(strstr(error.message, "t.M.self"));
    fields[3].type_name = (char *)".t.M";
    fields[0].oneof_index = 2;
    assert_int_equal(load(&file, &schema, &error), SW_INVALID_ARGUMENT);
    fields[0].oneof_index = -1;
    assert_int_equal(load(&file, &schema, &error), SW_INVALID_ARGUMENT);
    fields[0].oneof_index = 0;
    fields[1].number = 1;
    assert_int_equal(load(&file, &schema, &error), SW_INVALID_ARGUMENT);
    fields[1].number = -1;
    assert_int_equal(load(&file, &schema, &error), SW_INVALID_ARGUMENT);
    fields[1].number = 2;
    fields[1].type = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_GROUP;
    assert_int_equal(load(&file, &schema, &error), SW_INVALID_ARGUMENT);
    fields[1].type = (Google__Protobuf__FieldDescriptorProto__Type)99;
    assert_int_equal(load(&file, &schema, &error), SW_INVALID_ARGUMENT);
    fields[1].type = GOOGLE__PROTOBUF__FIELD_DESCRIPTOR_PROTO__TYPE__TYPE_BOOL;
    fields[1].name = NULL;
    assert_int_equal(load(&file, &schema, &error), SW_INVALID_ARGUMENT);
}

static void test_hostile(void **state)
{
    (void)state;
    sw_schema *schema;
    sw_error error;
    static const char *const bad[] = {"\x0a\xff", "\xff\xff\xff", "\x0a\x05hello", "plain text"};
    for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
        assert_int_equal(sw_schema_new(bad[i], strlen(bad[i]), &schema, &error), SW_INVALID_ARGUMENT);
    assert_int_equal(sw_schema_new("", 0, &schema, &error), SW_OK); /* an empty set is one */
    sw_schema_destroy(&schema);
    /* Nested messages, 1000 deep: each level is `nested_type { ... }`. */
    uint8_t deep[8000];
    size_t at = sizeof(deep);
    for (int i = 0; i < 1000; i++) {
        size_t length = sizeof(deep) - at;
        deep[--at] = (uint8_t)(length >> 7);
        deep[--at] = (uint8_t)(length | 0x80);
        deep[--at] = i == 998 ? 0x22 : i == 999 ? 0x0a : 0x1a;
    }
    assert_int_equal(sw_schema_new(deep + at, sizeof(deep) - at, &schema, &error), SW_INVALID_ARGUMENT);
    /* Two sets in a row are their union. */
    uint8_t *twice = malloc(2 * compiled_schema_size);
    memcpy(twice, compiled_schema, compiled_schema_size);
    memcpy(twice + compiled_schema_size, compiled_schema, compiled_schema_size);
    assert_int_equal(sw_schema_new(twice, 2 * compiled_schema_size, &schema, &error), SW_OK);
    assert_non_null(sw_schema_find_message(schema, "Website"));
    sw_schema_destroy(&schema);
    free(twice);
    sw_schema_destroy(&schema);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_find),        cmocka_unit_test(test_comments),
        cmocka_unit_test(test_round_trips), cmocka_unit_test(test_oneof_and_packed),
        cmocka_unit_test(test_hostile),
    };
    return cmocka_run_group_tests(tests, set_up, tear_down);
}

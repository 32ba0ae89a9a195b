/* The runner's parts when memory runs out: each allocation in turn fails. Nothing is sent half, a
 * lease and a sender that live on work afterwards, a call that was started is answered, and no
 * secret stays behind. */
#include "base/clock.h"
#include "base/error.h"
#include "fake_broker.h"
#include "heap.h"
#include "runner/environment.h"
#include "runner/lease.h"
#include "runner/output_sender.h"
#include "runner/secrets.h"
#include "wire/mdp.h"

#include <fcntl.h>
#include <pthread.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

/* --- secrets and variables --- */

static char secrets_path[] = "/tmp/test-runner-memory.XXXXXX";

static int write_secrets(void **state)
{
    (void)state;
    static const char text[] = "DB_PASSWORD = \"correct horse\"\nTOKEN = \"abcd\"\n";
    int fd = mkstemp(secrets_path);
    if (fd < 0 || write(fd, text, sizeof(text) - 1) != sizeof(text) - 1 || fchmod(fd, 0600) != 0)
        return -1;
    return close(fd);
}

static int remove_secrets(void **state)
{
    (void)state;
    return unlink(secrets_path);
}

static bool has(char **variables, const char *variable)
{
    while (*variables != NULL && strcmp(*variables, variable) != 0)
        variables++;
    return *variables != NULL;
}

static void expect_variables(const sw_secrets *secrets)
{
    Sw__Fact fact = SW__FACT__INIT, *facts[] = {&fact, &fact, &fact};
    Sw__Claim claim = SW__CLAIM__INIT;
    Sw__DeploymentCommand command = SW__DEPLOYMENT_COMMAND__INIT;
    sw_settings settings = {.name = "here", .user = "", .path = "/bin"};
    fact.name = (char *)"SITEWIRE_VERSION";
    fact.value = (char *)"1.2";
    claim.facts = facts;
    claim.n_facts = 3;
    char **variables = sw_environment_new(&settings, secrets, &claim, &command, 2);
    if (variables == NULL)
        return;
    assert_true(has(variables, "DB_PASSWORD=correct horse"));
    assert_true(has(variables, "TOKEN=abcd"));
    assert_true(has(variables, "SITEWIRE_VERSION=1.2"));
    assert_true(has(variables, "SITEWIRE_ATTEMPT=2"));
    sw_environment_free(&variables);
    assert_null(variables);
}

static void prepare(void *context)
{
    (void)context;
    sw_secrets *secrets;
    sw_error error = {0};
    sw_code code = sw_secrets_load(secrets_path, &secrets, &error);
    assert_int_equal(code == SW_OK, secrets != NULL);
    if (code != SW_OK) {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
        assert_true(error.message[0] != '\0');
        return;
    }
    assert_int_equal(secrets->count, 2);
    expect_variables(secrets);
    sw_secrets_destroy(&secrets);
}

static void test_variables(void **state)
{
    (void)state;
    assert_true(sw_heap_each(prepare, NULL) > 12);
}

/* --- the spool --- */

/* What could not be packed waits, and is packed the next time. */
static void spool_output(void *context)
{
    (void)context;
    sw_spool spool;
    sw_error error = {0};
    size_t size;
    sw_code code = sw_spool_init(&spool, 5, &error);
    if (code != SW_OK) {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
        assert_int_equal(error.code, SW_RESOURCE_EXHAUSTED);
        return;
    }
    sw_spool_add(&spool, 1, 1, 0, (const uint8_t *)"out", 3);
    sw_spool_add(&spool, 1, 1, 1, (const uint8_t *)"err", 3);
    uint8_t *packed = sw_spool_take(&spool, 7, 2, &size);
    if (packed == NULL) {
        assert_int_equal(sw_spool_waiting(&spool), 6);
        assert_non_null(packed = sw_spool_take(&spool, 7, 2, &size)); /* one failure at a time */
    }
    sw_heap_pause();
    Sw__AppendLogRequest *request = sw__append_log_request__unpack(NULL, size, packed);
    assert_non_null(request);
    assert_int_equal(request->n_chunks, 2);
    assert_int_equal(request->chunks[1]->offset, 8);
    sw__append_log_request__free_unpacked(request, NULL);
    sw_heap_resume();
    free(packed);
    sw_spool_acknowledge(&spool);
    assert_true(sw_spool_is_empty(&spool));
    sw_spool_clear(&spool);
}

static void test_spool(void **state)
{
    (void)state;
    assert_int_equal(sw_heap_each(spool_output, NULL), 4);
}

/* --- calls --- */

static sw_loop *loop;
static sw_client *client; /* without a broker: nothing is answered */
static int lost;

static void on_lost(const char *reason, void *context)
{
    (void)context;
    assert_true(*reason != '\0');
    lost++;
}

static void on_nothing(void *context)
{
    (void)context;
}

static void on_reason(const char *reason, void *context)
{
    (void)reason, (void)context;
}

/* Neither is there when nothing may fail: the client and the loop have tests of their own. */
static void open_both(void)
{
    const sw_client_options options = {.size = sizeof(options), .timeout_ms = 1000, .key_file = "off"};
    sw_heap_pause();
    lost = 0;
    assert_non_null(loop = sw_loop_new());
    assert_int_equal(sw_client_open("ipc:///nonexistent/sitewire", &options, &client, NULL), SW_OK);
    sw_heap_resume();
}

static void close_both(void)
{
    sw_client_close(&client);
    sw_loop_destroy(&loop);
}

static void on_answer(ProtobufCMessage **reply, const sw_error *error, void *context)
{
    (void)reply, (void)error, (void)context;
    fail_msg("a call without a broker was answered");
}

/* A call is refused without a trace, or it is under way or waits for its next try. */
static void expect_call(const sw_service_call *call, sw_code code)
{
    if (code != SW_OK) {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
        assert_false(call->active);
        return;
    }
    assert_true(call->active);
    assert_non_null(call->payload);
    assert_int_equal(call->failures, call->call_id == 0);
}

static void start_calls(void *context)
{
    (void)context;
    sw_service_call call = {0};
    Sw__RenewLeaseRequest request = SW__RENEW_LEASE_REQUEST__INIT;
    open_both();
    sw_code code = sw_service_call_init(&call, loop, client, NULL);
    if (code == SW_OK) {
        expect_call(&call, sw_service_call_start(&call, &sw_method_renew_lease, &request.base, on_answer));
        sw_service_call_cancel(&call);
        expect_call(&call, sw_service_call_start(&call, &sw_method_renew_lease, &request.base, on_answer));
    } else {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
    }
    sw_service_call_clear(&call);
    close_both();
}

/* A lease that could not ask has a timer, by which it asks again or ends in time. */
static void hold_a_lease(void *context)
{
    (void)context;
    static const sw_lease_events events = {.renewed = on_nothing, .lost = on_lost, .abort = on_reason};
    sw_lease lease = {.id = 1, .fence = 1, .length_ms = 30000, .pause_ms = 5000};
    open_both();
    sw_code code = sw_lease_start(&lease, loop, client, &events, NULL, sw_lease_now_ms());
    if (code == SW_OK) {
        sw_lease_ask(&lease);
        assert_false(lease.lost);
        assert_true(lease.until_ms > sw_lease_now_ms() + 20000);
        sw_lease_ask(&lease);
        assert_true(lease.renewal.active);
        sw_lease_lose(&lease, "another call said so");
        assert_int_equal(lost, 1);
    } else {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
    }
    sw_lease_clear(&lease);
    close_both();
}

/* Output is under way, or the owner is told that it is lost. */
static void send_output(void *context)
{
    (void)context;
    static const sw_output_sender_events events = {.due = on_nothing, .refused = on_reason, .lost = on_lost};
    sw_output_sender sender = {.deployment = 1, .fence = 1, .events = &events};
    open_both();
    sw_code code = sw_output_sender_init(&sender, loop, client, 0);
    if (code == SW_OK) {
        sw_spool_add(&sender.spool, 1, 1, 0, (const uint8_t *)"out", 3);
        bool sent = sw_output_sender_send(&sender, false);
        assert_int_equal(lost, !sent);
        assert_int_equal(sw_output_sender_is_busy(&sender), sent);
        assert_int_equal(sender.append.active, sent);
    } else {
        assert_int_equal(code, SW_RESOURCE_EXHAUSTED);
    }
    sw_output_sender_clear(&sender);
    close_both();
}

static void test_calls(void **state)
{
    (void)state;
    assert_true(sw_heap_each(start_calls, NULL) > 6);
    assert_true(sw_heap_each(hold_a_lease, NULL) > 4);
    assert_true(sw_heap_each(send_output, NULL) > 6);
}

/* --- a call that is answered --- */

static fake_broker broker;
static atomic_bool over;

/* In a thread of its own, where no allocation fails. */
static void *serve(void *context)
{
    static fake_request request;
    uint8_t payload[64];
    Sw__Lease lease = SW__LEASE__INIT;
    lease.has_abort = lease.abort = true;
    lease.abort_reason = (char *)"stop";
    size_t size = sw__lease__pack(&lease, payload);
    while (!atomic_load(&over))
        if (fake_next(&broker, NULL, &request, 20) && request.command == SW_MDP_CLIENT_REQUEST)
            fake_reply(&broker, &request, payload, size);
    return context;
}

static void on_lease(ProtobufCMessage **reply, const sw_error *error, void *context)
{
    if (*reply == NULL)
        fail_msg("a good reply is lost: %s", error->message);
    assert_string_equal(((Sw__Lease *)*reply)->abort_reason, "stop");
    *(bool *)context = true;
}

/* A call that was started is answered, however often it must ask. */
static void be_answered(void *context)
{
    (void)context;
    bool answered = false;
    sw_service_call call = {0};
    sw_error error;
    Sw__RenewLeaseRequest request = SW__RENEW_LEASE_REQUEST__INIT;
    const sw_client_options options = {.size = sizeof(options), .timeout_ms = 1000, .key_file = "off"};
    sw_heap_pause();
    assert_non_null(loop = sw_loop_new());
    assert_int_equal(sw_client_open(broker.endpoint, &options, &client, NULL), SW_OK);
    assert_int_equal(sw_service_call_init(&call, loop, client, &answered), SW_OK);
    sw_heap_resume();
    int64_t until = sw_now_ms() + 20000;
    if (sw_service_call_start(&call, &sw_method_renew_lease, &request.base, on_lease) == SW_OK)
        while (!answered && sw_now_ms() < until) {
            sw_client_process(client, 5);
            assert_int_equal(sw_loop_once(loop, 0, &error), SW_OK);
        }
    else
        answered = true; /* refused at once */
    assert_true(answered);
    sw_service_call_clear(&call);
    close_both();
}

static void test_answers(void **state)
{
    (void)state;
    pthread_t thread;
    atomic_store(&over, false);
    fake_open(&broker, FAKE_COMPACT);
    assert_int_equal(pthread_create(&thread, NULL, serve, NULL), 0);
    assert_true(sw_heap_each(be_answered, NULL) > 4);
    atomic_store(&over, true);
    pthread_join(thread, NULL);
    fake_close(&broker);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(test_variables, write_secrets, remove_secrets),
        cmocka_unit_test(test_spool),
        cmocka_unit_test(test_calls),
        cmocka_unit_test(test_answers),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

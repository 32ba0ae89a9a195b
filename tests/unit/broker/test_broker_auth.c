/* Who may call what: callers, the user service's answers, and refusals, without a socket. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "base/deadline.h"
#include "base/log.h"
#include "broker/auth/auth.h"
#include "sitewire/user/v1/user.pb-c.h"
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S 1000000

static sw_core *core;
static sw_auth *auth;
static int64_t now;
static bool is_reachable; /* whether calls to the user service can be sent */
static uint64_t call_id;  /* of the last one */
static int changes, cuts;
static uint64_t report_id;     /* of the last report of refusals; 0: none */
static size_t reported;        /* its items */
static char first_report[256]; /* the first one: caller, key, address, method, code and reason */

static bool on_report(const sw_call_header *header, const ProtobufCMessage *message)
{
    const Sw__RecordRefusalsRequest *request = (const Sw__RecordRefusalsRequest *)message;
    const Sw__RefusalReport *item = request->items[0];
    report_id = header->call_id;
    reported = request->n_items;
    snprintf(first_report, sizeof(first_report), "%s|%s|%s|%s|%s|%s|%d", item->caller, item->key,
             item->address, item->method, item->code, item->reason, (int)item->count);
    return is_reachable;
}

static bool on_call(void *context, const sw_call_header *header, const ProtobufCMessage *request)
{
    (void)context;
    assert_non_null(request);
    if (sw_view_equal(header->method, SW_VIEW("/sitewire.user.v1.Users/RecordRefusals")))
        return on_report(header, request);
    assert_true(sw_view_equal(header->method, SW_VIEW("/sitewire.user.v1.Users/Authenticate")));
    call_id = header->call_id;
    return is_reachable;
}

static void on_change(void *context, sw_identity *identity)
{
    (void)context;
    assert_non_null(identity);
    changes++;
}

static void on_cut(void *context, sw_caller *caller)
{
    (void)context;
    assert_non_null(caller->identity);
    cuts++;
}

static int open_auth(void **state)
{
    (void)state;
    static const sw_broker_options options = {.local_users = "1000=ann@a.example", .auth_cache_ms = 60000};
    const sw_auth_owner owner = {NULL, on_call, on_change, on_cut};
    sw_error error = {0};
    sw_log_open("test", SW_LOG_ERROR, false);
    now = 100 * S;
    is_reachable = true;
    call_id = 0;
    changes = cuts = 0;
    report_id = reported = 0;
    core = sw_core_new(&sw_core_defaults, 1, now);
    auth = calloc(1, sizeof(*auth));
    return core == NULL || auth == NULL || sw_auth_open(auth, &owner, &options, core, 1, &error) != SW_OK;
}

static int close_auth(void **state)
{
    (void)state;
    sw_auth_close(auth);
    free(auth);
    sw_core_destroy(&core);
    return 0;
}

static void start_user_service(void)
{
    static char token;
    uint32_t number = SW_NONE;
    sw_core_hello hello = {.rpc = true,
                           .instance = SW_VIEW("user-0"),
                           .capacity = 1,
                           .service_count = 1,
                           .services = {SW_VIEW("sitewire.user.v1.Users")}};
    assert_true(sw_core_worker_ready(core, &number, &hello, &token, now));
}

/* What the user service says about one identity. */
static void answer(sw_code code, Sw__Identity *item)
{
    uint8_t bytes[64], payload[1024];
    sw_reply_header header = {.call_id = call_id, .code = (uint32_t)code};
    size_t size = sw_reply_header_encode(&header, bytes, sizeof(bytes));
    Sw__AuthenticateResponse response = SW__AUTHENTICATE_RESPONSE__INIT;
    response.n_items = item != NULL;
    response.items = &item;
    size_t packed = sw__authenticate_response__pack(&response, payload);
    sw_auth_reply(auth, call_id, (sw_view){(char *)bytes, size}, (sw_view){(char *)payload, packed}, now);
}

static void answer_about(const char *key, const char *user, const char *profile, const char *refused)
{
    Sw__Identity item = SW__IDENTITY__INIT;
    now += 2 * S;
    sw_auth_idle(auth, now);
    item.public_key = (char *)key;
    item.user = (char *)user;
    item.profile = (char *)profile;
    item.refused = (char *)refused;
    answer(SW_OK, &item);
}

static sw_caller local(int64_t uid)
{
    return (sw_caller){.uid = uid};
}

static sw_admission decided; /* by the last verdict; WAIT: not yet */

static void on_decision(sw_waiter *waiter, sw_admission admission)
{
    assert_null(waiter->identity);
    decided = admission;
}

static sw_caller with_key(void)
{
    decided = SW_ADMISSION_WAIT;
    return (sw_caller){
        .waiter.decide = on_decision, .is_network = true, .is_curve = true, .uid = -1, .key = "a-key"};
}

static sw_answer judge(const sw_caller *caller, const char *service)
{
    return sw_auth_judge(auth, caller, sw_view_of(service), sw_view_of(service), now);
}

static const char *reason(const sw_caller *caller, sw_answer given)
{
    static char text[300];
    sw_view view = sw_auth_reason(auth, caller, given, SW_VIEW("otherwise"));
    snprintf(text, sizeof(text), "%.*s", (int)view.size, view.data);
    return text;
}

#define HEALTH  "sitewire.rpc.v1.Health"
#define STATS   "sitewire.rpc.v1.Stats"
#define DRAIN   "sitewire.rpc.v1.Drain"
#define OURS    "sitewire.referential.v1.Websites"
#define FOREIGN "example.Printer"

static void an_unknown_uid(void **state)
{
    (void)state;
    sw_caller stranger = local(7);
    assert_int_equal(sw_auth_admit(auth, &stranger, now), SW_ADMISSION_GOOD); /* its calls say why not */
    assert_null(stranger.identity);
    assert_true(sw_auth_is_stranger(auth, &stranger));
    assert_int_equal(judge(&stranger, HEALTH), SW_ANSWER_REFUSED);
    assert_int_equal(judge(&stranger, OURS), SW_ANSWER_REFUSED);
    assert_int_equal(auth->calls_refused, 2);
    assert_non_null(strstr(reason(&stranger, SW_ANSWER_REFUSED), "uid 7 "));
    assert_string_equal(reason(&stranger, SW_ANSWER_NO_WORKER), "otherwise");
}

/* The kernel vouches for a local user while the user service is away. */
static void a_local_user(void **state)
{
    (void)state;
    sw_caller ann = local(1000);
    assert_int_equal(sw_auth_admit(auth, &ann, now), SW_ADMISSION_GOOD);
    assert_false(sw_auth_is_stranger(auth, &ann));
    assert_non_null(ann.identity);
    assert_false(sw_auth_is_pending(auth, &ann, now));
    sw_auth_idle(auth, now);
    assert_int_equal(judge(&ann, STATS), SW_ANSWER_NONE);
    assert_int_equal(auth->calls_refused, 0);
    assert_int_equal(judge(&ann, DRAIN), SW_ANSWER_UNCHECKED);
    assert_int_equal(auth->calls_refused, 1);
    assert_non_null(strstr(reason(&ann, SW_ANSWER_UNCHECKED), "no user service"));

    start_user_service();
    answer_about("", "ann@a.example", "USER", "");
    assert_int_equal(judge(&ann, STATS), SW_ANSWER_NONE);
    assert_int_equal(judge(&ann, FOREIGN), SW_ANSWER_NONE);
    assert_int_equal(judge(&ann, DRAIN), SW_ANSWER_NOT_ADMIN);
    assert_string_equal(reason(&ann, SW_ANSWER_NOT_ADMIN), "ann@a.example");
    answer_about("", "ann@a.example", "ADMIN", "");
    assert_int_equal(judge(&ann, DRAIN), SW_ANSWER_NONE);
    answer_about("", "ann@a.example", "", "");
    assert_int_equal(judge(&ann, OURS), SW_ANSWER_NONE);
    assert_int_equal(judge(&ann, STATS), SW_ANSWER_NO_PROFILE);
    assert_int_equal(judge(&ann, FOREIGN), SW_ANSWER_NO_PROFILE);
    /* Our method at a foreign service: a plain worker answers whatever is called. */
    assert_int_equal(sw_auth_judge(auth, &ann, SW_VIEW(HEALTH), SW_VIEW(FOREIGN), now), SW_ANSWER_NO_PROFILE);
    assert_int_equal(auth->calls_refused, 5);
    assert_int_equal(auth->known, 1);
    sw_caller_detach(&ann);
}

/* A key means nothing until the user service has confirmed it. */
static void a_key(void **state)
{
    (void)state;
    sw_caller caller = with_key();
    start_user_service();
    assert_int_equal(sw_auth_admit(auth, &caller, now), SW_ADMISSION_WAIT);
    assert_true(sw_auth_is_pending(auth, &caller, now));
    assert_int_equal(judge(&caller, HEALTH), SW_ANSWER_NONE);
    assert_int_equal(judge(&caller, OURS), SW_ANSWER_UNCHECKED);
    sw_handover handover = {0};
    sw_auth_hand_over(auth, &caller, &handover, now);
    assert_int_equal(handover.caller.size, 0);
    answer_about("a-key", "ann@a.example", "USER", "");
    assert_false(sw_auth_is_pending(auth, &caller, now));
    assert_int_equal(judge(&caller, OURS), SW_ANSWER_NONE);
    sw_auth_hand_over(auth, &caller, &handover, now);
    assert_true(sw_view_equal(handover.caller, SW_VIEW("ann@a.example")));
    assert_true(sw_view_equal(handover.key, SW_VIEW("a-key")));
    sw_auth_hand_over(auth, NULL, &handover, now);
    assert_true(sw_view_equal(handover.caller, SW_VIEW("@broker")));
    assert_int_equal(auth->refusals.connections, 0);
    assert_int_equal(cuts, 0);
    sw_caller_detach(&caller);
}

static void a_revoked_key(void **state)
{
    (void)state;
    sw_caller caller = with_key();
    start_user_service();
    assert_int_equal(sw_auth_admit(auth, &caller, now), SW_ADMISSION_WAIT);
    answer_about("a-key", "ann@a.example", "USER", "");
    int before = changes;
    answer_about("a-key", "ann@a.example", "USER", "this key was revoked");
    assert_true(changes > before);
    assert_int_equal(judge(&caller, HEALTH), SW_ANSWER_REFUSED);
    assert_string_equal(reason(&caller, SW_ANSWER_REFUSED), "this key was revoked");
    assert_int_equal(auth->refusals.connections, 1);
    assert_int_equal(cuts, 0); /* it may still read the reason */
    answer_about("a-key", "ann@a.example", "USER", "this key was revoked");
    assert_int_equal(auth->refusals.connections, 1); /* counted once */
    assert_int_equal(cuts, 1);
    assert_int_equal(decided, SW_ADMISSION_GOOD); /* once */
    sw_caller_detach(&caller);
}

/* What a handshake waits for: each refusal counts; one that left is not decided. */
static void admission(void **state)
{
    (void)state;
    sw_caller first = with_key(), second = first, gone = first;
    start_user_service();
    assert_int_equal(sw_auth_admit(auth, &first, now), SW_ADMISSION_WAIT);
    assert_int_equal(sw_auth_admit(auth, &second, now), SW_ADMISSION_WAIT);
    assert_int_equal(sw_auth_admit(auth, &gone, now), SW_ADMISSION_WAIT);
    sw_waiter_leave(&gone.waiter);
    sw_caller_detach(&gone);
    answer_about("a-key", "", "", "this key is not enrolled");
    assert_int_equal(decided, SW_ADMISSION_REFUSED);
    assert_int_equal(auth->refusals.connections, 2);
    assert_null(first.waiter.identity);
    sw_caller_detach(&first);
    /* asked again each time, so that a key that was enrolled meanwhile comes in */
    decided = SW_ADMISSION_WAIT;
    assert_int_equal(sw_auth_admit(auth, &first, now), SW_ADMISSION_WAIT);
    answer_about("a-key", "ann@a.example", "USER", "");
    assert_int_equal(decided, SW_ADMISSION_GOOD);
    sw_caller_detach(&first);
    assert_int_equal(sw_auth_admit(auth, &first, now), SW_ADMISSION_GOOD); /* a fresh verdict */
    sw_caller_detach(&first);
    sw_caller_detach(&second);
}

/* While nobody can be asked, the refusal is a temporary one, unless the last verdict still
 * holds. */
static void admission_without_a_user_service(void **state)
{
    (void)state;
    sw_caller caller = with_key();
    assert_int_equal(sw_auth_admit(auth, &caller, now), SW_ADMISSION_WAIT);
    sw_auth_idle(auth, now);
    assert_int_equal(decided, SW_ADMISSION_LATER);
    sw_caller_detach(&caller);
    start_user_service();
    assert_int_equal(sw_auth_admit(auth, &caller, now), SW_ADMISSION_WAIT);
    answer_about("a-key", "ann@a.example", "USER", "");
    assert_int_equal(decided, SW_ADMISSION_GOOD);
    sw_caller_detach(&caller);
    is_reachable = false;
    now += 30 * S;
    caller = with_key();
    assert_int_equal(sw_auth_admit(auth, &caller, now), SW_ADMISSION_WAIT);
    sw_auth_idle(auth, now);
    assert_int_equal(decided, SW_ADMISSION_GOOD);
    sw_caller_detach(&caller);
    now += 61 * S;
    caller = with_key();
    assert_int_equal(sw_auth_admit(auth, &caller, now), SW_ADMISSION_WAIT);
    sw_auth_idle(auth, now);
    assert_int_equal(decided, SW_ADMISSION_LATER);
    sw_caller_detach(&caller);
}

static void the_user_service_fails(void **state)
{
    (void)state;
    sw_caller caller = with_key();
    start_user_service();
    assert_int_equal(sw_auth_admit(auth, &caller, now), SW_ADMISSION_WAIT);
    sw_auth_idle(auth, now);
    sw_auth_failed(auth, call_id + 1, now); /* another call's */
    assert_true(sw_auth_is_pending(auth, &caller, now));
    sw_auth_failed(auth, call_id, now);
    assert_false(sw_auth_is_pending(auth, &caller, now));
    assert_non_null(strstr(reason(&caller, SW_ANSWER_UNCHECKED), "does not answer"));
    now += 2 * S;
    sw_auth_idle(auth, now);
    answer(SW_UNAVAILABLE, NULL);
    assert_non_null(strstr(reason(&caller, SW_ANSWER_UNCHECKED), "UNAVAILABLE"));
    now += 2 * S;
    sw_auth_idle(auth, now);
    sw_auth_reply(auth, call_id, SW_VIEW("\xff"), (sw_view){0}, now);
    assert_non_null(strstr(reason(&caller, SW_ANSWER_UNCHECKED), "malformed"));
    is_reachable = false; /* no memory for the call, for instance */
    now += 2 * S;
    sw_auth_idle(auth, now);
    assert_non_null(strstr(reason(&caller, SW_ANSWER_UNCHECKED), "does not answer"));
    assert_int_equal(judge(&caller, OURS), SW_ANSWER_UNCHECKED);
    is_reachable = true;
    answer_about("a-key", "ann@a.example", "USER", "");
    assert_int_equal(judge(&caller, OURS), SW_ANSWER_NONE);
    sw_caller_detach(&caller);
}

/* A verdict holds for --auth-cache-ms without confirmation; a caller that left is forgotten
 * after that. */
static void the_cache(void **state)
{
    (void)state;
    sw_caller caller = with_key();
    start_user_service();
    assert_int_equal(sw_auth_admit(auth, &caller, now), SW_ADMISSION_WAIT);
    answer_about("a-key", "ann@a.example", "USER", "");
    is_reachable = false;
    now += 59 * S;
    sw_auth_idle(auth, now);
    assert_int_equal(judge(&caller, OURS), SW_ANSWER_NONE);
    sw_caller_detach(&caller);
    now += 59 * S;
    sw_auth_idle(auth, now);
    assert_int_equal(auth->known, 1);
    now += 2 * S;
    sw_auth_idle(auth, now);
    assert_int_equal(auth->known, 0);
    assert_int_equal(sw_auth_next_us(auth), SW_NEVER);
}

static void options_are_checked(void **state)
{
    (void)state;
    const sw_auth_owner owner = {NULL, on_call, on_change, on_cut};
    static const sw_broker_options wrong[] = {
        {.curve = "yes"},
        {.caller = "@broker"},
        {.local_users = "1000"},
        {.local_users = "1000="},
        {.local_users = "x=ann@a.example"},
        {.local_users = "-1=ann@a.example"},
        {.local_users = "4294967296=ann@a.example"},
        {.local_users = "1000=@broker"},
        {.frontend = "tcp://*:1"},
        {.frontend = "ipc:///f", .backend = "tcp://*:1", .key = "/nowhere"},
    };
    for (size_t i = 0; i < sizeof(wrong) / sizeof(wrong[0]); i++) {
        sw_error error = {0};
        static sw_auth other;
        assert_int_not_equal(sw_auth_open(&other, &owner, &wrong[i], core, 1, &error), SW_OK);
        assert_true(strstr(error.message, "--") != NULL);
        sw_auth_close(&other);
    }
}

/* What the broker refuses reaches the user service: at most once a second, one call at a time, and
 * only while the service is there. */
static void refusals_are_reported(void **state)
{
    (void)state;
    char why[64];
    sw_caller ann = local(1000), stranger = local(7);
    sw_auth_admit(auth, &ann, now);
    sw_auth_admit(auth, &stranger, now);
    for (int i = 0; i < 3; i++)
        assert_int_equal(judge(&stranger, OURS), SW_ANSWER_REFUSED);
    sw_auth_idle(auth, now);
    assert_int_equal(report_id, 0); /* there is no service */
    start_user_service();
    sw_auth_idle(auth, now);
    assert_int_equal(reported, 1);
    assert_string_equal(first_report,
                        "|||" OURS "|UNAUTHENTICATED|uid 7 is not a user of this broker: see its option "
                        "--local-users|3");
    uint64_t before = report_id;
    for (int i = 0; i < 100; i++) {
        snprintf(why, sizeof(why), "reason %d", i);
        sw_refusals_connection(&auth->refusals, "service refused", SW_VIEW("key"), "[::1]:77", why);
    }
    now += 2 * S;
    sw_auth_idle(auth, now);
    assert_int_equal(report_id, before); /* the call is running */
    sw_auth_reply(auth, report_id, (sw_view){0}, (sw_view){0}, now);
    sw_auth_idle(auth, now);
    assert_true(report_id != before);
    assert_int_equal(reported, SW_REFUSALS_MAX + 1);
    assert_string_equal(first_report, "|key|[::1]||UNAUTHENTICATED|service refused: reason 0|1");
    before = report_id;
    sw_auth_failed(auth, report_id, now);
    assert_int_equal(judge(&stranger, OURS), SW_ANSWER_REFUSED);
    sw_auth_idle(auth, now);
    assert_int_equal(report_id, before); /* less than a second has passed */
    assert_true(sw_auth_next_us(auth) <= now + S);
    now += S;
    sw_auth_idle(auth, now);
    assert_true(report_id != before);
    assert_int_equal(reported, 1);
    sw_caller_detach(&ann);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(an_unknown_uid, open_auth, close_auth),
        cmocka_unit_test_setup_teardown(a_local_user, open_auth, close_auth),
        cmocka_unit_test_setup_teardown(a_key, open_auth, close_auth),
        cmocka_unit_test_setup_teardown(a_revoked_key, open_auth, close_auth),
        cmocka_unit_test_setup_teardown(admission, open_auth, close_auth),
        cmocka_unit_test_setup_teardown(admission_without_a_user_service, open_auth, close_auth),
        cmocka_unit_test_setup_teardown(the_user_service_fails, open_auth, close_auth),
        cmocka_unit_test_setup_teardown(the_cache, open_auth, close_auth),
        cmocka_unit_test_setup_teardown(refusals_are_reported, open_auth, close_auth),
        cmocka_unit_test_setup_teardown(options_are_checked, open_auth, close_auth),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}

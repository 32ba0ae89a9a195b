/* Who comes in, what it may call, and what services learn about it (auth.h). A caller that is
 * refused after it came in may stay for a moment, in which its calls are answered with the reason:
 * a handshake cannot carry one. */
#include "broker/auth/auth.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include "wire/mdp.h"
#include <stdio.h>
#include <string.h>

#define CHECK_US   1000000 /* a revocation takes effect within this */
#define REFUSED_US 2000000 /* a refused caller may stay so long, to read the reason */

#define USERS         "sitewire.user.v1.Users"
#define BROKER_CALLER "@broker" /* no user's name begins with @ */

/* --- callers --- */

/* Whether a caller must have an identity. Without --local-users, everybody unencrypted is the
 * user of --caller. */
static bool is_checked(const sw_auth *auth, const sw_caller *caller)
{
    return caller->is_curve || (auth->local_users.caller.size == 0 && auth->local_users.count > 0);
}

bool sw_auth_is_stranger(const sw_auth *auth, const sw_caller *caller)
{
    return is_checked(auth, caller) && caller->identity == NULL;
}

sw_admission sw_auth_admit(sw_auth *auth, sw_caller *caller, int64_t now_us)
{
    caller->met_us = now_us;
    if (!is_checked(auth, caller))
        return SW_ADMISSION_GOOD;
    bool is_user = !caller->is_curve;
    sw_view name = is_user ? sw_local_users_find(&auth->local_users, caller->uid) : sw_view_of(caller->key);
    sw_identity *identity =
        name.size == 0 ? NULL : sw_identities_find_or_add(&auth->identities, name, is_user, now_us);
    if (identity == NULL && name.size > 0) /* no room for it now */
        return SW_ADMISSION_LATER;
    if (identity != NULL)
        sw_caller_attach(caller, identity);
    if (caller->is_curve)
        return sw_waiter_ask(&caller->waiter, &auth->identities, identity, now_us);
    if (identity != NULL && (now_us - identity->confirmed_us >= CHECK_US || identity->confirmed_us == 0))
        sw_identity_ask(&auth->identities, identity);
    return SW_ADMISSION_GOOD;
}

sw_admission sw_auth_admit_subscriber(sw_auth *auth, sw_waiter *waiter, sw_view key, int64_t uid,
                                      sw_identity **identity, int64_t now_us)
{
    bool is_user = key.size == 0;
    sw_view name = is_user ? sw_local_users_plain(&auth->local_users, uid) : key;
    waiter->subscribes = true;
    *identity = name.size == 0 ? NULL : sw_identities_find_or_add(&auth->identities, name, is_user, now_us);
    if (*identity == NULL)
        return name.size == 0 ? SW_ADMISSION_REFUSED : SW_ADMISSION_LATER;
    return sw_waiter_ask(waiter, &auth->identities, *identity, now_us);
}

sw_admission sw_auth_admit_service(sw_auth *auth, const char *key, const char *address)
{
    sw_error error = {.message = "no --service-keys were given"};
    if (auth->services != NULL && sw_cert_store_find(auth->services, key, &error) == SW_OK)
        return SW_ADMISSION_GOOD;
    sw_refusals_connection(&auth->refusals, "service refused", sw_view_of(key), address, error.message);
    return SW_ADMISSION_REFUSED;
}

/* --- calls --- */

/* what a service requires of its callers */
typedef enum { PUBLIC, IDENTIFIED, PROFILED, ADMIN } access;

static bool begins(sw_view text, const char *with)
{
    size_t size = strlen(with);
    return text.size >= size && memcmp(text.data, with, size) == 0;
}

/* Not one of ours. Foreign services do not check profiles, so the broker does it for them; ours
 * check for themselves, also behind an `@instance`. */
static bool is_foreign(sw_view service)
{
    return !begins(service, "sitewire.") && !begins(service, "@") && !begins(service, SW_MMI_PREFIX);
}

static access required_by(sw_view service)
{
    if (sw_view_equal(service, SW_VIEW("sitewire.rpc.v1.Health")) ||
        sw_view_equal(service, SW_VIEW("sitewire.rpc.v1.Reflection")))
        return PUBLIC;
    if (sw_view_equal(service, SW_VIEW("sitewire.rpc.v1.Stats")))
        return PROFILED;
    if (sw_view_equal(service, SW_VIEW("sitewire.rpc.v1.Drain")) ||
        sw_view_equal(service, SW_VIEW("sitewire.rpc.v1.Trace")))
        return ADMIN;
    return is_foreign(service) ? PROFILED : IDENTIFIED;
}

/* A caller without an identity. The mode of the ipc file says who may come; on tcp nothing does. */
static sw_answer judge_unchecked(const sw_auth *auth, const sw_caller *caller, access required)
{
    bool is_anybody = caller->is_network && auth->local_users.caller.size == 0;
    return required == ADMIN && is_anybody ? SW_ANSWER_REFUSED : SW_ANSWER_NONE;
}

static sw_answer judge_identity(sw_identity *identity, sw_view service, access required, int64_t now_us)
{
    switch (sw_identity_verdict(identity, now_us)) {
    case SW_VERDICT_REFUSED:
        return SW_ANSWER_REFUSED;
    case SW_VERDICT_GOOD:
        /* The user service lets it call two methods; no other service may hear of it. */
        if (identity->enrolls && required != PUBLIC && !sw_view_equal(service, SW_VIEW(USERS)))
            return SW_ANSWER_NO_PROFILE;
        if (required == PROFILED && !identity->has_profile)
            return SW_ANSWER_NO_PROFILE;
        return required == ADMIN && !identity->admin ? SW_ANSWER_NOT_ADMIN : SW_ANSWER_NONE;
    default:
        /* The kernel vouches for a local user, and services know what it may do. */
        if (required == PUBLIC || (required != ADMIN && identity->is_user))
            return SW_ANSWER_NONE;
        return SW_ANSWER_UNCHECKED;
    }
}

static void note_call(sw_auth *auth, const sw_caller *caller, sw_view service, sw_answer answer)
{
    bool refused = answer == SW_ANSWER_REFUSED;
    sw_view otherwise = answer == SW_ANSWER_NOT_ADMIN ? SW_VIEW("only admins may call this")
                                                      : SW_VIEW("the caller has no access right yet");
    sw_refusals_call(&auth->refusals, caller->identity, service,
                     refused ? SW_UNAUTHENTICATED : SW_PERMISSION_DENIED,
                     refused ? sw_auth_reason(auth, caller, answer, otherwise) : otherwise);
}

sw_answer sw_auth_judge(sw_auth *auth, const sw_caller *caller, sw_view service, sw_view target,
                        int64_t now_us)
{
    access required = required_by(service);
    /* For a plain worker the method is part of the body: it answers whatever is called. */
    if (required < PROFILED && is_foreign(target) && !sw_core_is_rpc(auth->core, target))
        required = PROFILED;
    sw_answer answer = !is_checked(auth, caller) ? judge_unchecked(auth, caller, required)
                       : caller->identity == NULL
                           ? SW_ANSWER_REFUSED
                           : judge_identity(caller->identity, service, required, now_us);
    auth->calls_refused += answer != SW_ANSWER_NONE;
    if (answer == SW_ANSWER_REFUSED || answer == SW_ANSWER_NOT_ADMIN || answer == SW_ANSWER_NO_PROFILE)
        note_call(auth, caller, service, answer);
    return answer;
}

bool sw_auth_is_pending(sw_auth *auth, const sw_caller *caller, int64_t now_us)
{
    sw_identity *identity = caller->identity;
    if (identity == NULL || identity->is_user || sw_identity_verdict(identity, now_us) != SW_VERDICT_NONE)
        return false;
    bool is_due = now_us - identity->confirmed_us >= auth->cache_us && auth->query.trouble[0] == '\0';
    if (is_due && !identity->asked)
        sw_identity_ask(&auth->identities, identity);
    return identity->due || identity->asked;
}

sw_view sw_auth_reason(sw_auth *auth, const sw_caller *caller, sw_answer answer, sw_view otherwise)
{
    const char *trouble = auth->query.trouble;
    if (answer == SW_ANSWER_UNCHECKED)
        return sw_view_of(trouble[0] != '\0' ? trouble : "the user service has not answered yet");
    if (answer == SW_ANSWER_NOT_ADMIN || answer == SW_ANSWER_NO_PROFILE)
        return sw_view_of(caller->identity->user);
    if (answer != SW_ANSWER_REFUSED)
        return otherwise;
    if (caller->identity != NULL)
        return sw_view_of(caller->identity->reason);
    if (caller->is_curve)
        return SW_VIEW("the connection has no key");
    if (caller->is_network)
        return SW_VIEW("this broker runs with --curve off, so it cannot identify callers on tcp");
    snprintf(auth->said, sizeof(auth->said),
             "uid %lld is not a user of this broker: see its option --local-users", (long long)caller->uid);
    return sw_view_of(auth->said);
}

void sw_auth_hand_over(const sw_auth *auth, const sw_caller *caller, sw_handover *handover, int64_t now_us)
{
    sw_identity *identity = caller == NULL ? NULL : caller->identity;
    if (caller == NULL) {
        handover->caller = SW_VIEW(BROKER_CALLER);
    } else if (!is_checked(auth, caller)) {
        handover->caller = auth->local_users.caller;
    } else if (identity != NULL && identity->is_user) {
        handover->caller = sw_view_of(identity->name);
    } else if (identity != NULL) {
        /* If the key has been refused meanwhile, the service looks up the reason by the key. */
        handover->key = sw_view_of(identity->name);
        if (sw_identity_verdict(identity, now_us) == SW_VERDICT_GOOD)
            handover->caller = sw_view_of(identity->user);
    }
}

/* --- workers and publishers --- */

/* A key, or the uid of a process without one. */
static void name_of(const sw_caller *caller, char who[SW_KEY_SIZE])
{
    if (caller->key[0] != '\0')
        memcpy(who, caller->key, SW_KEY_SIZE);
    else
        snprintf(who, SW_KEY_SIZE, "uid %lld", (long long)caller->uid);
}

bool sw_auth_may_offer(sw_auth *auth, const sw_caller *worker, sw_view service, sw_error *error)
{
    char who[SW_KEY_SIZE];
    if (sw_offers_judge(&auth->offers, worker, service, error) == SW_OK)
        return true;
    name_of(worker, who);
    auth->offers.refused++;
    sw_refusals_connection(&auth->refusals, "registration refused", sw_view_of(who), "", error->message);
    return false;
}

char *sw_auth_names_of(sw_auth *auth, const char *key)
{
    bool has = auth->services != NULL && sw_cert_store_find(auth->services, key, NULL) == SW_OK;
    return strdup(has ? sw_cert_store_services(auth->services, key) : "");
}

bool sw_auth_may_publish(sw_auth *auth, const sw_caller *publisher, const char *names, sw_view package)
{
    char who[SW_KEY_SIZE];
    sw_error error;
    if (sw_offers_judge_package(&auth->offers, publisher, names, package, &error) == SW_OK)
        return true;
    name_of(publisher, who);
    sw_refusals_event(&auth->refusals, who, error.message);
    return false;
}

/* --- verdicts --- */

/* sw_user_query_owner.call */
static bool call(void *context, const sw_call_header *header, const ProtobufCMessage *request)
{
    const sw_auth *auth = context;
    return auth->owner.call(auth->owner.context, header, request);
}

/* sw_user_query_owner.decided */
static void decided(void *context, sw_identity *identity)
{
    sw_auth *auth = context;
    sw_verdict verdict = identity->verdict;
    bool changed = identity->logged != verdict && verdict != SW_VERDICT_NONE;
    unsigned refused = sw_waiters_release(identity, auth->now_us);
    if (verdict == SW_VERDICT_REFUSED)
        sw_refusals_identity(&auth->refusals, identity, changed, refused);
    else if (changed)
        sw_refusals_accepted(identity);
    identity->logged = verdict;
    auth->owner.changed(auth->owner.context, identity);
}

static void cut_refused(sw_auth *auth, sw_identity *identity)
{
    for (sw_caller *caller = identity->callers, *next; caller != NULL; caller = next) {
        int64_t since_us = caller->met_us > identity->refused_us ? caller->met_us : identity->refused_us;
        next = caller->same_next;
        if (auth->now_us - since_us >= REFUSED_US)
            auth->owner.cut(auth->owner.context, caller);
    }
}

static bool is_absent(const sw_auth *auth, const sw_identity *identity)
{
    int64_t keep_us = identity->verdict == SW_VERDICT_GOOD ? auth->cache_us : CHECK_US;
    return identity->waiting == NULL && !identity->due && !identity->asked &&
           auth->now_us - identity->used_us >= keep_us;
}

/* Asks again about identities that are connected, cuts off the refused, and forgets the absent. */
static void check_identities(sw_auth *auth)
{
    uint32_t at = 0;
    for (sw_identity *each; (each = sw_identities_next(&auth->identities, &at)) != NULL;) {
        if (each->callers != NULL || each->subscribers != NULL) {
            each->used_us = auth->now_us;
            sw_identity_ask(&auth->identities, each);
            /* its verdict may have ended with its time */
            auth->owner.changed(auth->owner.context, each);
            if (each->verdict == SW_VERDICT_REFUSED)
                cut_refused(auth, each);
        } else if (is_absent(auth, each)) {
            sw_identities_forget(&auth->identities, each);
        }
    }
}

/* Whether there is something to report, and the user service is there. */
static bool may_report(const sw_auth *auth)
{
    return auth->refusals.book.count > 0 && auth->report.call_id == 0 &&
           sw_core_is_serving(auth->core, SW_VIEW(USERS));
}

void sw_auth_idle(sw_auth *auth, int64_t now_us)
{
    bool changed = auth->epoch != sw_core_epoch(auth->core);
    auth->epoch = sw_core_epoch(auth->core);
    auth->now_us = now_us;
    /* A user service that has just come is asked at once. */
    if (now_us >= auth->check_us || (changed && auth->query.trouble[0] != '\0')) {
        auth->check_us = now_us + CHECK_US;
        check_identities(auth);
    }
    sw_user_query_start(&auth->query, now_us);
    if (may_report(auth))
        sw_refusal_report_start(&auth->report, &auth->refusals.book, now_us, call, auth);
    auth->known = auth->identities.slab.used;
}

int64_t sw_auth_next_us(const sw_auth *auth)
{
    int64_t next_us = auth->identities.slab.used == 0 ? SW_NEVER : auth->check_us;
    return may_report(auth) && auth->report.due_us < next_us ? auth->report.due_us : next_us;
}

void sw_auth_reply(sw_auth *auth, uint64_t call_id, sw_view header, sw_view payload, int64_t now_us)
{
    auth->now_us = now_us;
    if (!sw_refusal_report_end(&auth->report, call_id))
        sw_user_query_reply(&auth->query, call_id, header, payload, now_us);
}

void sw_auth_failed(sw_auth *auth, uint64_t call_id, int64_t now_us)
{
    auth->now_us = now_us;
    if (!sw_refusal_report_end(&auth->report, call_id))
        sw_user_query_failed(&auth->query, call_id, now_us);
}

/* --- life --- */

static bool has_tcp(const char *endpoints)
{
    return endpoints != NULL && strstr(endpoints, "tcp://") != NULL;
}

/* What tcp needs. */
static sw_code check_tcp(sw_auth *auth, const sw_broker_options *options, sw_error *error)
{
    bool backend = has_tcp(options->backend) || has_tcp(options->publish);
    if (!backend && !has_tcp(options->frontend) && !has_tcp(options->events))
        return SW_OK;
    if (options->curve != NULL && strcmp(options->curve, "off") == 0) {
        sw_log(SW_LOG_WARNING, "tcp is not encrypted, and whoever reaches it may speak", "reason",
               "--curve off", NULL);
        return SW_OK;
    }
    auth->is_curve = true;
    if (sw_view_of(options->key).size == 0)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "tcp needs this broker's key: give --key FILE (`sitewire key new FILE` makes one), or "
                       "--curve off");
    if (backend && sw_view_of(options->service_keys).size == 0)
        return sw_fail(
            error, SW_FAILED_PRECONDITION,
            "a backend on tcp needs --service-keys FOLDER: the certificates of the services that may serve");
    return SW_OK;
}

static sw_code read_keys(sw_auth *auth, const sw_broker_options *options, sw_error *error)
{
    sw_code code = check_tcp(auth, options, error);
    if (code != SW_OK || sw_view_of(options->key).size == 0)
        return code;
    sw_key_file key;
    code = sw_key_file_read(options->key, &key, error);
    if (code == SW_OK)
        sw_auth_set_key(auth, &key);
    sw_key_file_wipe(&key);
    return code == SW_OK && sw_view_of(options->service_keys).size > 0
               ? sw_cert_store_new(options->service_keys, &auth->services, error)
               : code;
}

const uint8_t *sw_auth_secret_key(const sw_auth *auth, bool is_network)
{
    bool has_key = auth->key.secret_key[0] != '\0';
    return has_key && (auth->is_curve || !is_network) ? auth->secret_key : NULL;
}

static sw_code read_options(sw_auth *auth, const sw_broker_options *options, sw_error *error)
{
    const char *curve = options->curve;
    if (curve != NULL && strcmp(curve, "on") != 0 && strcmp(curve, "off") != 0)
        return sw_fail(error, SW_INVALID_ARGUMENT, "--curve is on or off, not `%s`", curve);
    sw_code code = sw_local_users_read(&auth->local_users, options->caller, options->local_users, error);
    if (code == SW_OK)
        code = sw_offers_read(&auth->offers, options->local_services, error);
    return code == SW_OK ? read_keys(auth, options, error) : code;
}

sw_code sw_auth_open(sw_auth *auth, const sw_auth_owner *owner, const sw_broker_options *options,
                     const sw_core *core, uint64_t secret, sw_error *error)
{
    *auth = (sw_auth){.owner = *owner, .core = core, .cache_us = options->auth_cache_ms * 1000};
    sw_identities_init(&auth->identities, secret);
    auth->query = (sw_user_query){.owner = {auth, call, decided},
                                  .core = core,
                                  .identities = &auth->identities,
                                  .cache_us = auth->cache_us};
    sw_code code = read_options(auth, options, error);
    auth->offers.keys = auth->services;
    return code;
}

void sw_auth_set_key(sw_auth *auth, const sw_key_file *key)
{
    auth->key = *key;
    sw_key_from_text(key->secret_key, auth->secret_key);
}

void sw_auth_close(sw_auth *auth)
{
    sw_offers_clear(&auth->offers);
    sw_cert_store_destroy(&auth->services);
    sw_identities_clear(&auth->identities);
    sw_key_file_wipe(&auth->key);
    explicit_bzero(auth->secret_key, sizeof(auth->secret_key));
}

/* Who a peer is, what it may call, and what services hear of it. A peer whose key or user is refused may stay for a
 * moment in which each of its calls is answered with the reason: libzmq's handshake has no words for that. */
#include "broker/io/broker.h"

#include "base/clock.h"
#include "base/error.h"
#include "base/log.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#define CHECK_US   1000000 /* a revocation is heard within this */
#define REFUSED_US 2000000 /* to hear the reason */

#define LINES_A_SECOND 20
#define BROKER_CALLER  "@broker" /* no user's name begins with @ */

/* --- peers --- */

static sw_view local_user(const sw_auth *auth, int64_t uid)
{
    const char *any = NULL;
    for (size_t i = 0; i < auth->local_user_count; i++) {
        if (auth->local_users[i].uid == uid && uid >= 0)
            return sw_view_of(auth->local_users[i].user);
        if (auth->local_users[i].uid < 0 && uid >= 0)
            any = auth->local_users[i].user;
    }
    return sw_view_of(any);
}

/* Whether who comes by this side has to be somebody. Without --local-users, plain peers are whom --caller names. */
static bool is_checked(const sw_broker *broker, const sw_side *side)
{
    if (side->is_curve)
        return true;
    return sw_view_of(broker->options->caller).size == 0 && broker->auth.local_user_count > 0;
}

sw_view sw_auth_plain_user(const sw_broker *broker, int64_t uid)
{
    sw_view caller = sw_view_of(broker->options->caller);
    return caller.size > 0 ? caller : local_user(&broker->auth, uid);
}

void sw_auth_meet(sw_broker *broker, sw_peer *peer)
{
    sw_auth *auth = &broker->auth;
    peer->met = true;
    peer->met_us = broker->now_us;
    if (!is_checked(broker, peer->side))
        return;
    bool is_user = !peer->side->is_curve;
    sw_view name = is_user ? local_user(auth, peer->uid) : sw_view_of(peer->key);
    sw_identity *identity =
        name.size == 0 ? NULL : sw_identities_need(&auth->identities, name, is_user, broker->now_us);
    if (identity == NULL)
        return;
    sw_peer_attach(peer, identity);
    if (broker->now_us - identity->told_us >= CHECK_US || identity->told_us == 0)
        sw_identity_ask(&auth->identities, identity);
}

/* --- calls --- */

typedef enum { PUBLIC, IDENTIFIED, PROFILED, ADMIN } door;

static bool begins(sw_view text, const char *with)
{
    size_t size = strlen(with);
    return text.size >= size && memcmp(text.data, with, size) == 0;
}

/* Services of others know nothing of profiles. Ours judge for themselves, and so do whom `@instance` names. */
static bool is_foreign(sw_view service)
{
    return !begins(service, "sitewire.") && !begins(service, "@") && !begins(service, "mmi.");
}

static door door_of(sw_view service)
{
    if (sw_view_equal(service, SW_VIEW("sitewire.rpc.v1.Health")) ||
        sw_view_equal(service, SW_VIEW("sitewire.rpc.v1.Reflection")))
        return PUBLIC;
    if (sw_view_equal(service, SW_VIEW("sitewire.rpc.v1.Stats")))
        return PROFILED;
    if (sw_view_equal(service, SW_VIEW("sitewire.rpc.v1.Drain")))
        return ADMIN;
    return is_foreign(service) ? PROFILED : IDENTIFIED;
}

static sw_answer judge(const sw_broker *broker, const sw_peer *peer, sw_view service, sw_view target)
{
    sw_identity *identity = peer->identity;
    door through = door_of(service);
    /* To a plain worker the method is a part of the body: it answers whatever is called. */
    if (through < PROFILED && is_foreign(target) && !sw_core_is_rpc(broker->core, target))
        through = PROFILED;
    if (!is_checked(broker, peer->side)) /* on ipc the file's mode says who may come; on tcp nothing does */
        return through == ADMIN && peer->side->is_network && sw_view_of(broker->options->caller).size == 0
                   ? SW_ANSWER_REFUSED
                   : SW_ANSWER_NONE;
    if (identity == NULL)
        return SW_ANSWER_REFUSED;
    switch (sw_identity_verdict(identity, broker->now_us)) {
    case SW_VERDICT_REFUSED:
        return SW_ANSWER_REFUSED;
    case SW_VERDICT_GOOD:
        if (through == PROFILED && !identity->has_profile)
            return SW_ANSWER_NO_PROFILE;
        return through == ADMIN && !identity->admin ? SW_ANSWER_NOT_ADMIN : SW_ANSWER_NONE;
    default:
        /* The file system vouches for a local user; services know what it may. */
        if (through == PUBLIC || (through != ADMIN && identity->is_user))
            return SW_ANSWER_NONE;
        return SW_ANSWER_UNCHECKED;
    }
}

bool sw_auth_is_pending(const sw_broker *broker, const sw_peer *peer)
{
    sw_identity *identity = peer->identity;
    return identity != NULL && !identity->is_user && (identity->due || identity->asked) &&
           sw_identity_verdict(identity, broker->now_us) == SW_VERDICT_NONE;
}

sw_answer sw_auth_judge(sw_broker *broker, const sw_peer *peer, sw_view service, sw_view target)
{
    sw_answer answer = judge(broker, peer, service, target);
    broker->auth.calls_refused += answer != SW_ANSWER_NONE;
    return answer;
}

sw_view sw_auth_reason(sw_broker *broker, const sw_peer *peer, sw_answer answer, sw_view otherwise)
{
    sw_auth *auth = &broker->auth;
    if (answer == SW_ANSWER_UNCHECKED)
        return sw_view_of(auth->trouble[0] != '\0' ? auth->trouble : "the user service has not answered yet");
    if (answer == SW_ANSWER_NOT_ADMIN || answer == SW_ANSWER_NO_PROFILE)
        return sw_view_of(peer->identity->user);
    if (answer != SW_ANSWER_REFUSED)
        return otherwise;
    if (peer->identity != NULL)
        return sw_view_of(peer->identity->reason);
    if (peer->side->is_curve)
        return SW_VIEW("the connection has no key");
    if (peer->side->is_network)
        return SW_VIEW("nobody is known on tcp: this broker runs with --curve off");
    snprintf(auth->said, sizeof(auth->said),
             "uid %lld is no user of this broker: see its option --local-users", (long long)peer->uid);
    return sw_view_of(auth->said);
}

void sw_auth_hand_over(sw_broker *broker, const void *token, sw_handover *handover)
{
    if (token == &broker->auth) {
        handover->caller = SW_VIEW(BROKER_CALLER);
        return;
    }
    const sw_peer *peer = token;
    sw_identity *identity = peer->identity;
    if (!is_checked(broker, peer->side)) {
        handover->caller = sw_view_of(broker->options->caller);
    } else if (identity != NULL && identity->is_user) {
        handover->caller = sw_view_of(identity->name);
    } else if (identity != NULL) {
        /* Of whom is refused since it was let in, the service finds the reason by the key. */
        handover->key = sw_view_of(identity->name);
        if (sw_identity_verdict(identity, broker->now_us) == SW_VERDICT_GOOD)
            handover->caller = sw_view_of(identity->user);
    }
}

/* --- verdicts --- */

/* A flood of strangers must not fill the disk; the counters of Stats know them all. */
static bool may_log(sw_auth *auth, int64_t now_us)
{
    if (now_us >= auth->log_us) {
        auth->log_us = now_us + 1000000;
        auth->logged = 0;
    }
    return auth->logged++ < LINES_A_SECOND;
}

void sw_auth_log_refusal(sw_broker *broker, const char *what, sw_view key, const char *address,
                         const char *reason)
{
    char text[SW_USER_MAX + 1];
    snprintf(text, sizeof(text), "%.*s", (int)key.size, key.size > 0 ? key.data : "");
    broker->auth.connections_refused++;
    if (may_log(&broker->auth, broker->now_us))
        sw_log(SW_LOG_WARNING, what, "key", text, "address", address, "reason", reason, NULL);
}

void sw_auth_log_subscription(sw_broker *broker, const sw_identity *identity, const char *topic)
{
    if (may_log(&broker->auth, broker->now_us))
        sw_log(SW_LOG_WARNING, "subscription refused", identity->is_user ? "local" : "key", identity->name,
               "user", identity->user, "topic", topic, "reason", "it names nothing that the user may read",
               NULL);
}

void sw_auth_told(sw_broker *broker, sw_identity *identity)
{
    sw_verdict verdict = identity->verdict;
    bool changed = identity->logged != verdict && verdict != SW_VERDICT_NONE;
    if (changed && verdict == SW_VERDICT_REFUSED)
        sw_auth_log_refusal(broker, "caller refused", sw_view_of(identity->name), "", identity->reason);
    else if (changed && may_log(&broker->auth, broker->now_us))
        sw_log(SW_LOG_INFO, "caller known", identity->is_user ? "local" : "key", identity->name, "user",
               identity->user, NULL);
    identity->logged = verdict;
    sw_zap_release(broker, identity);
    sw_events_check(&broker->events, identity);
}

static void cut_refused(sw_identity *identity, int64_t now_us)
{
    for (sw_peer *peer = identity->peers; peer != NULL; peer = peer->same_next) {
        int64_t since_us = peer->met_us > identity->refused_us ? peer->met_us : identity->refused_us;
        if (!peer->cut && !peer->lost && now_us - since_us >= REFUSED_US)
            sw_side_cut(peer->side, peer);
    }
}

/* Asks again about those who are connected, cuts the refused, and forgets who has been away. */
static void check(sw_broker *broker)
{
    sw_auth *auth = &broker->auth;
    int64_t now_us = broker->now_us;
    uint32_t at = 0;
    for (sw_identity *each; (each = sw_identities_next(&auth->identities, &at)) != NULL;) {
        if (each->peers != NULL || each->subscribers != NULL) {
            each->used_us = now_us;
            sw_identity_ask(&auth->identities, each);
            sw_events_check(&broker->events, each);
            if (each->verdict == SW_VERDICT_REFUSED)
                cut_refused(each, now_us);
        } else if (each->waiting == NULL && !each->due && !each->asked &&
                   now_us - each->used_us >= (each->verdict == SW_VERDICT_GOOD
                                                  ? broker->options->auth_cache_ms * 1000
                                                  : CHECK_US)) {
            sw_identities_forget(&auth->identities, each);
        }
    }
}

void sw_auth_idle(sw_broker *broker)
{
    sw_auth *auth = &broker->auth;
    bool changed = auth->epoch != sw_core_epoch(broker->core);
    auth->epoch = sw_core_epoch(broker->core);
    /* A service that has just come is asked at once. */
    if (broker->now_us >= auth->check_us || (changed && auth->trouble[0] != '\0')) {
        auth->check_us = broker->now_us + CHECK_US;
        check(broker);
    }
    sw_auth_ask(broker);
    sw_zap_idle(broker);
    auth->known = auth->identities.slab.used;
}

int64_t sw_auth_next_us(const sw_broker *broker)
{
    return broker->auth.identities.slab.used == 0 ? SW_NEVER : broker->auth.check_us;
}

/* --- life --- */

/* UID=USER,...; the uid * is any other. */
static sw_code take_local_users(sw_auth *auth, const char *text, sw_error *error)
{
    while (text != NULL && *text != '\0') {
        size_t size = strcspn(text, ","), name = strcspn(text, "=");
        sw_local_user *local = &auth->local_users[auth->local_user_count];
        char *end = NULL;
        bool any = name == 1 && text[0] == '*';
        local->uid = any ? -1 : strtoll(text, &end, 10);
        if (auth->local_user_count == SW_LOCAL_USERS_MAX)
            return sw_fail(error, SW_INVALID_ARGUMENT, "--local-users: more than %d", SW_LOCAL_USERS_MAX);
        if (name + 1 >= size || size - name - 1 > SW_USER_MAX || text[name + 1] == '@' ||
            (!any && (end != text + name || local->uid < 0 || local->uid > UINT32_MAX)))
            return sw_fail(error, SW_INVALID_ARGUMENT,
                           "--local-users: expected UID=E-MAIL or *=E-MAIL, comma-separated, not `%.*s`",
                           (int)(size < 100 ? size : 100), text);
        memcpy(local->user, text + name + 1, size - name - 1);
        auth->local_user_count++;
        text += size + (text[size] == ',');
    }
    return SW_OK;
}

static bool has_tcp(const char *endpoints)
{
    return endpoints != NULL && strstr(endpoints, "tcp://") != NULL;
}

static sw_code take_key(sw_broker *broker, sw_error *error)
{
    const sw_broker_options *options = broker->options;
    sw_auth *auth = &broker->auth;
    bool backend = has_tcp(options->backend) || has_tcp(options->publish);
    if (!backend && !has_tcp(options->frontend) && !has_tcp(options->events))
        return SW_OK;
    if (options->curve != NULL && strcmp(options->curve, "off") == 0) {
        sw_log(SW_LOG_WARNING, "tcp is not encrypted, and whoever reaches it may speak", "reason",
               "--curve off", NULL);
        return SW_OK;
    }
    if (sw_view_of(options->key).size == 0)
        return sw_fail(error, SW_FAILED_PRECONDITION,
                       "tcp needs this broker's key: give --key FILE (`sitewire key new FILE` makes one), or "
                       "--curve off");
    if (backend && sw_view_of(options->service_keys).size == 0)
        return sw_fail(
            error, SW_FAILED_PRECONDITION,
            "a backend on tcp needs --service-keys FILE, the public keys of those who may serve, one a line");
    auth->is_curve = true;
    return sw_key_file_read(options->key, &auth->key, error);
}

sw_code sw_auth_open(sw_broker *broker, sw_error *error)
{
    sw_auth *auth = &broker->auth;
    sw_identities_init(&auth->identities, broker->secret);
    const sw_broker_options *options = broker->options;
    const char *curve = options->curve;
    if (curve != NULL && strcmp(curve, "on") != 0 && strcmp(curve, "off") != 0)
        return sw_fail(error, SW_INVALID_ARGUMENT, "--curve is on or off, not `%s`", curve);
    if (options->caller != NULL && options->caller[0] == '@')
        return sw_fail(error, SW_INVALID_ARGUMENT, "--caller: a user's name does not begin with @");
    sw_code code = take_local_users(auth, options->local_users, error);
    if (code == SW_OK)
        code = take_key(broker, error);
    if (code == SW_OK && (auth->is_curve || sw_view_of(options->events).size > 0))
        code = sw_zap_open(broker, error);
    auth->client = sw_core_client_open(broker->core, auth);
    return code;
}

void sw_auth_close(sw_broker *broker)
{
    sw_auth *auth = &broker->auth;
    uint32_t at = 0;
    for (sw_identity *each; (each = sw_identities_next(&auth->identities, &at)) != NULL;) {
        each->due = false;
        sw_zap_release(broker, each);
    }
    sw_zap_close(broker);
    sw_identities_clear(&auth->identities);
    sw_key_file_wipe(&auth->key);
}

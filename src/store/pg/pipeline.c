/* The pipeline of a connection: statements go out, results come in, in the same order (lane.h).
 *
 * Everything between two syncs is one transaction. The result of a read is delivered at once. Any
 * other result waits for the sync, which commits. After a failure PostgreSQL skips everything up to
 * the next sync. Skipped work is sent again with a sync of its own. So are all mutations that
 * shared the transaction, because the failure rolled them back. A skipped prepare is noticed later:
 * until then its statement counts as prepared.
 *
 * The caller of a session (sitewire.enter) is part of the transaction, too: a failure undoes it. So
 * work skips sitewire.enter in two cases only: the same caller has entered earlier in the batch, or
 * the session has that caller and nothing in flight can change it.
 *
 * A mutation waits for a lock for a limited time (lane.c sets it) and then goes to the end of the
 * queue. So nothing else waits for long for a row that another session has locked. */
#include "base/clock.h"
#include "store/pg/lane_private.h"
#include "store/pg/sql.h"
#include <sodium.h>
#include <stdio.h>
#include <string.h>

/* How many messages share a sync: reads, or mutations with their calls of sitewire.enter. */
static const int batch_max[SW_LANE_KINDS] = {
    [SW_LANE_AUTHENTICATE] = 32, [SW_LANE_READ] = 32, [SW_LANE_WRITE] = 16};
static const int slots_per_work = 12; /* at most */
static const int64_t enter_ms = 1000; /* sitewire.enter runs again after this time */
static const int again_max = 8;
static const int blocked_load = 1000; /* more than the load of any lane */
/* The most in flight: work or, on write lanes, transactions. There one transaction runs while the
 * next one gathers work. */
static const int depth[SW_LANE_KINDS] = {
    [SW_LANE_AUTHENTICATE] = 64, [SW_LANE_READ] = 64, [SW_LANE_LIST] = 1,
    [SW_LANE_CANCEL] = 64,       [SW_LANE_WRITE] = 2, [SW_LANE_CONTROL] = 4,
};

static const char check_name[] = "check";
static const char check_text[] =
    "SELECT 1 / (current_setting('sitewire.lane', true) IS NOT DISTINCT FROM $1)::integer";
static const char settings_text[] =
    "SELECT pg_backend_pid(), (SELECT backend_start FROM pg_stat_get_activity(pg_backend_pid())), "
    "(SELECT system_identifier FROM pg_control_system()), CASE WHEN pg_is_in_recovery() "
    "THEN (SELECT greatest(c.timeline_id, r.min_recovery_end_timeline) FROM pg_control_checkpoint() c, "
    "pg_control_recovery() r) "
    "ELSE ('x' || left(pg_walfile_name(pg_current_wal_lsn()), 8))::bit(32)::integer END, "
    "pg_is_in_recovery(), "
    /* a session whose host is dead ends within half a minute */
    "set_config('tcp_keepalives_idle', '10', false), set_config('tcp_keepalives_interval', '5', false), "
    "set_config('tcp_keepalives_count', '4', false), set_config('tcp_user_timeout', '30s', false), "
    "set_config('sitewire.lane', $1, false), set_config('default_transaction_read_only', $2, false), "
    "set_config('TimeZone', 'UTC', false), set_config('DateStyle', 'ISO', false), "
    "set_config('jit', 'off', false), set_config('search_path', 'pg_catalog, pg_temp', false), "
    /* a statement ends when this program does */
    "CASE WHEN current_setting('server_version_num')::integer >= 140000 "
    "THEN set_config('client_connection_check_interval', '1s', false) END";

/* PostgreSQL warns if somebody ends the wait of a commit for a synchronous standby. The text
 * depends on the server's language, so the function in its source identifies the warning. */
void sw_lane_take_notice(void *context, const PGresult *notice)
{
    sw_lane *lane = context;
    const char *function = PQresultErrorField(notice, PG_DIAG_SOURCE_FUNCTION);
    lane->unconfirmed |= function && strcmp(function, "SyncRepWaitForLSN") == 0;
}

static void push(sw_lane *lane, sw_expected slot)
{
    if (slot.kind == SLOT_SYNC) {
        lane->batch = 0;
        lane->syncs++;
        slot.entered = lane->batch_entered.valid;
        if (slot.entered) {
            lane->session_entered = lane->batch_entered;
            lane->batch_entered.valid = false;
            lane->entering++;
        }
    } else if (slot.kind != SLOT_CHECK) {
        lane->batch++;
    }
    lane->slots[lane->tail++ % LANE_SLOTS] = slot;
}

static sw_expected *first(sw_lane *lane)
{
    return &lane->slots[lane->head % LANE_SLOTS];
}

int sw_lane_load(const sw_lane *lane)
{
    const sw_work *running = lane->load > 0 ? sw_lane_running(lane) : NULL;
    return lane->load + (running && running->blocked ? blocked_load : 0);
}

bool sw_lane_has_room(const sw_lane *lane)
{
    int under_way = lane->kind == SW_LANE_WRITE ? lane->syncs : lane->load;
    return sw_lane_is_up(lane) && !lane->waiting && under_way < depth[lane->kind] &&
           lane->tail - lane->head + (unsigned)slots_per_work <= LANE_SLOTS;
}

sw_work *sw_lane_running(const sw_lane *lane)
{
    for (unsigned i = lane->head + lane->answered; i != lane->tail; i++) {
        const sw_expected *slot = &lane->slots[i % LANE_SLOTS];
        if (slot->kind == SLOT_WORK)
            return slot->work;
        if (slot->kind == SLOT_SYNC && lane->held) /* it commits */
            return lane->held;
    }
    return lane->held;
}

int64_t sw_lane_busy_ms(const sw_lane *lane, int64_t now_ms)
{
    return sw_lane_running(lane) ? now_ms - lane->busy_since : 0;
}

bool sw_lane_has_dropped(const sw_lane *lane)
{
    for (unsigned i = lane->head + lane->answered; i != lane->tail; i++) {
        const sw_expected *slot = &lane->slots[i % LANE_SLOTS];
        if (slot->kind == SLOT_WORK && slot->work->dropped)
            return true;
    }
    for (const sw_work *work = lane->held; work; work = work->next)
        if (work->dropped)
            return true;
    return false;
}

bool sw_lane_changes(const sw_lane *lane, uint64_t row)
{
    for (unsigned i = lane->head + lane->answered; i != lane->tail; i++) {
        const sw_expected *slot = &lane->slots[i % LANE_SLOTS];
        if (slot->kind == SLOT_WORK && slot->work->row == row)
            return true;
    }
    for (const sw_work *work = lane->held; work; work = work->next)
        if (work->row == row)
            return true;
    return false;
}

/* --- Out --- */

bool sw_lane_plain(sw_lane *lane, const char *text, const char *value)
{
    if (!PQsendQueryParams(lane->connection, text, value ? 1 : 0, NULL, value ? &value : NULL, NULL, NULL, 1))
        return false;
    push(lane, (sw_expected){.kind = SLOT_PLAIN});
    return true;
}

bool sw_lane_begin(sw_lane *lane)
{
    unsigned char token[(SW_LANE_TOKEN - 1) / 2];
    randombytes_buf(token, sizeof(token));
    sodium_bin2hex(lane->token, sizeof(lane->token), token, sizeof(token));
    const char *values[] = {lane->token, sw_lane_reads(lane) ? "on" : "off"};
    if (!PQsendPrepare(lane->connection, check_name, check_text, 1, NULL))
        return false;
    push(lane, (sw_expected){.kind = SLOT_CHECK});
    if (!PQsendQueryParams(lane->connection, settings_text, 2, NULL, values, NULL, NULL, 1))
        return false;
    push(lane, (sw_expected){.kind = SLOT_SETTINGS});
    return true;
}

/* Each transaction begins with this: if the session is another one, or has a token of another lane,
 * it fails before it reads or changes anything. */
static bool check(sw_lane *lane)
{
    const char *token = lane->token;
    if (!PQsendQueryPrepared(lane->connection, check_name, 1, &token, NULL, NULL, 1))
        return false;
    push(lane, (sw_expected){.kind = SLOT_CHECK});
    return true;
}

bool sw_lane_sync(sw_lane *lane)
{
    if (!PQpipelineSync(lane->connection))
        return false;
    push(lane, (sw_expected){.kind = SLOT_SYNC});
    return true;
}

static bool prepare(sw_lane *lane, sw_work *work, const sw_statement *statement)
{
    sw_prepared *prepared = &lane->prepared[statement->slot];
    if (prepared->generation == statement->generation && !prepared->stale)
        return true;
    if (prepared->generation) {
        char text[64];
        /* First in its batch, so that no failure skips it: the server would keep the old
         * statement. */
        if (sw_lane_reads(lane) && lane->batch > 0 && !(sw_lane_sync(lane) && check(lane)))
            return false;
        snprintf(text, sizeof(text), "DEALLOCATE s%d_%u", statement->slot, prepared->generation);
        if (!sw_lane_plain(lane, text, NULL))
            return false;
        prepared->generation = 0;
    }
    if (!PQsendPrepare(lane->connection, statement->name, statement->text, statement->count,
                       statement->types))
        return false;
    push(lane, (sw_expected){.kind = SLOT_PREPARE,
                             .work = work,
                             .statement = statement->slot,
                             .generation = statement->generation});
    *prepared = (sw_prepared){.generation = statement->generation};
    return true;
}

static bool has_entered(const sw_entered *entered, const char *const *texts, int64_t now)
{
    if (!entered->valid || now - entered->at_ms >= enter_ms)
        return false;
    for (int i = 0; i < SW_ENTER_SESSION; i++)
        if (strcmp(entered->texts[i], texts[i]) != 0)
            return false;
    return true;
}

/* Sets the caller of the session, unless it is set already. A mutation sets call, request and
 * reason, too, so it always does this. */
static bool enter(sw_lane *lane, sw_work *work, int64_t now)
{
    const sw_entered *known = &lane->batch_entered;
    if (!known->valid && lane->entering == 0)
        known = &lane->session_entered;
    if (!work->enter || (sw_lane_reads(lane) && has_entered(known, work->enter, now)))
        return true;
    if (!prepare(lane, work, lane->enter) ||
        !PQsendQueryPrepared(lane->connection, lane->enter->name, SW_ENTER_COUNT, work->enter, NULL, NULL, 1))
        return false;
    push(lane, (sw_expected){.kind = SLOT_ENTER, .work = work});
    lane->batch_entered.valid = true;
    lane->batch_entered.at_ms = now;
    for (int i = 0; i < SW_ENTER_SESSION; i++)
        snprintf(lane->batch_entered.texts[i], SW_ENTER_TEXT, "%s", work->enter[i]);
    return true;
}

static bool send_statement(sw_lane *lane, sw_work *work)
{
    const sw_statement *statement = work->statement;
    int64_t now_us = sw_now_us();
    if (!enter(lane, work, now_us / 1000) || !prepare(lane, work, statement))
        return false;
    bool sent = work->describe ? PQsendDescribePrepared(lane->connection, statement->name)
                               : PQsendQueryPrepared(lane->connection, statement->name, statement->count,
                                                     work->values, work->sizes, work->formats, 1);
    if (!sent)
        return false;
    push(lane, (sw_expected){.kind = SLOT_WORK, .work = work});
    if (!work->sent)
        work->sent_us = now_us;
    if (lane->load == 0)
        lane->busy_since = now_us / 1000;
    work->sent = true;
    lane->load++;
    return true;
}

static bool send_work(sw_lane *lane, sw_work *work)
{
    bool alone = work->alone || work->rolls_back || !(sw_lane_reads(lane) || work->joins);
    if (alone && lane->batch > 0 && !sw_lane_sync(lane))
        return false;
    if (lane->batch == 0 && !check(lane))
        return false;
    if (work->rolls_back)
        return sw_lane_plain(lane, "BEGIN", NULL) && send_statement(lane, work) &&
               sw_lane_plain(lane, "SET CONSTRAINTS ALL IMMEDIATE", NULL) && sw_lane_sync(lane) &&
               sw_lane_plain(lane, "ROLLBACK", NULL) && sw_lane_sync(lane);
    return send_statement(lane, work) &&
           ((!alone && lane->batch < batch_max[lane->kind]) || sw_lane_sync(lane));
}

bool sw_lane_send(sw_lane *lane, sw_work *work)
{
    unsigned tail = lane->tail;
    if (send_work(lane, work))
        return true;
    lane->broken = true;
    /* Work that is not in the pipeline stays with the caller. */
    for (unsigned i = tail; i != lane->tail; i++)
        if (lane->slots[i % LANE_SLOTS].kind == SLOT_WORK)
            return true;
    return false;
}

/* --- In --- */

static void finish(sw_lane *lane, sw_work *work, const PGresult *result)
{
    lane->load--;
    work->done(work, result);
}

static void hold(sw_work *work, PGresult *result)
{
    PQclear(work->held);
    work->held = result;
}

static void deliver_held(sw_lane *lane, sw_work *work)
{
    PGresult *result = work->held;
    work->held = NULL;
    finish(lane, work, result);
    PQclear(result);
}

/* The statement no longer counts as prepared. */
static void forget(sw_lane *lane, int slot, uint32_t generation)
{
    if (lane->prepared[slot].generation == generation)
        lane->prepared[slot].generation = 0;
}

static bool is_state(const PGresult *result, const char *state)
{
    const char *is = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return is && strcmp(is, state) == 0;
}

/* Sends work whose result is held again if it was skipped, rolled back, hit by the cancellation of
 * other work, or did not get a lock. At most again_max times, except for a lock: the deadline of
 * the call ends that. */
static bool send_again(sw_lane *lane, sw_work *work, bool undone)
{
    bool skipped = PQresultStatus(work->held) == PGRES_PIPELINE_ABORTED;
    bool unprepared = is_state(work->held, "26000");
    bool replan = is_state(work->held, "0A000") && work->again == 0;
    bool cancelled = is_state(work->held, "57014") && !work->dropped;
    bool blocked = lane->kind == SW_LANE_WRITE && is_state(work->held, "55P03");
    if (unprepared)
        forget(lane, work->statement->slot, work->statement->generation);
    if (replan)
        lane->prepared[work->statement->slot].stale = true;
    if (work->dropped || (!blocked && work->again >= again_max) ||
        !(undone || skipped || unprepared || replan || cancelled || blocked))
        return false;
    work->again += !blocked;
    work->blocked = blocked;
    work->alone = true;
    lane->load--;
    hold(work, NULL);
    lane->events.on_again(lane->events.context, work);
    return true;
}

static void take_work(sw_lane *lane, sw_work *work, PGresult *result)
{
    if (work->held) /* the reason why its statement could not be prepared */
        PQclear(result);
    else
        work->held = result;
    if (!sw_lane_reads(lane)) {
        sw_work **end = &lane->held;
        while (*end)
            end = &(*end)->next;
        work->next = NULL;
        *end = work;
    } else if (!send_again(lane, work, false)) {
        deliver_held(lane, work);
    }
}

static void take_prepare(sw_lane *lane, const sw_expected *slot, PGresult *result)
{
    if (PQresultStatus(result) != PGRES_COMMAND_OK && !is_state(result, "42P05")) {
        forget(lane, slot->statement, slot->generation);
        if (PQresultStatus(result) == PGRES_FATAL_ERROR) {
            hold(slot->work, result);
            return;
        }
    }
    PQclear(result);
}

/* If sitewire.enter refuses a caller, its error becomes the result of the work. */
static void take_enter(sw_lane *lane, const sw_expected *slot, PGresult *result)
{
    if (is_state(result, "26000")) /* not prepared: it is sent again */
        forget(lane, lane->enter->slot, lane->enter->generation);
    else if (PQresultStatus(result) == PGRES_FATAL_ERROR && !is_state(result, "57014") && !slot->work->held) {
        hold(slot->work, result);
        return;
    }
    PQclear(result);
}

/* A failure outside of a statement: of a deferred constraint, or of the commit. It belongs to a
 * piece of work only if that was alone in its transaction. */
static void take_other(sw_lane *lane, PGresult *result)
{
    if (lane->held && !lane->held->next && PQresultStatus(result) == PGRES_FATAL_ERROR)
        hold(lane->held, result);
    else
        PQclear(result);
}

enum { OF_PROCESS, OF_START, OF_SYSTEM, OF_TIMELINE, OF_STANDBY, OF_COUNT };

/* The first columns of settings_text. */
static void take_settings(sw_lane *lane, PGresult *result)
{
    static const int sizes[OF_COUNT] = {4, 8, 8, 4, 1};
    sw_session *session = &lane->session;
    bool good = PQresultStatus(result) == PGRES_TUPLES_OK;
    for (int i = 0; i < OF_COUNT && good; i++)
        good = PQgetlength(result, 0, i) == sizes[i];
    lane->is_known = good;
    lane->broken |= !good;
    if (good) {
        memcpy(session->process_id, PQgetvalue(result, 0, OF_PROCESS), sizeof(session->process_id));
        memcpy(session->started_at, PQgetvalue(result, 0, OF_START), sizeof(session->started_at));
        lane->server =
            (sw_server_state){.system = sw_get_be(PQgetvalue(result, 0, OF_SYSTEM), 8),
                              .timeline = (uint32_t)sw_get_be(PQgetvalue(result, 0, OF_TIMELINE), 4),
                              .standby = *PQgetvalue(result, 0, OF_STANDBY) != 0};
    }
    PQclear(result);
}

/* Without the token, the division fails. In another session the statement is not prepared, or it is
 * prepared already by another lane. */
static void take_check(sw_lane *lane, PGresult *result)
{
    lane->shared |= is_state(result, "22012") || is_state(result, "26000") || is_state(result, "42P05");
    lane->broken |= lane->shared;
    PQclear(result);
}

static void take_sync(sw_lane *lane)
{
    sw_work *work = lane->held, *next;
    bool undone = lane->batch_failed && work && work->next;
    bool unconfirmed = lane->unconfirmed;
    lane->unconfirmed = lane->waiting = false;
    lane->session.transactions++;
    lane->busy_since = work ? sw_now_ms() : lane->busy_since;
    if (first(lane)->entered) {
        lane->entering--;
        lane->session_entered.valid &= !lane->batch_failed;
    }
    lane->batch_failed = false;
    lane->head++;
    lane->syncs--;
    lane->held = NULL;
    sw_lane_settle(lane);
    for (; work; work = next) {
        next = work->next;
        work->next = NULL;
        work->unconfirmed = unconfirmed && PQresultStatus(work->held) == PGRES_TUPLES_OK;
        if (send_again(lane, work, undone))
            continue;
        if (undone || work->unconfirmed)
            hold(work, NULL);
        deliver_held(lane, work);
    }
}

/* The server has closed the connection, or libpq has lost it. A server that refuses writes has
 * become a standby: connecting again finds the new primary. */
static bool is_loss(const sw_lane *lane, const PGresult *result)
{
    if (PQresultStatus(result) != PGRES_FATAL_ERROR)
        return false;
    const char *state = PQresultErrorField(result, PG_DIAG_SQLSTATE);
    return PQstatus(lane->connection) == CONNECTION_BAD || !state || strncmp(state, "57P0", 4) == 0 ||
           strncmp(state, "08", 2) == 0 || (lane->kind == SW_LANE_WRITE && strcmp(state, "25006") == 0);
}

void sw_lane_receive(sw_lane *lane)
{
    int nothing = 0;
    while (lane->head != lane->tail && nothing < 2 && !PQisBusy(lane->connection)) {
        PGresult *result = PQgetResult(lane->connection);
        if (!result) {
            nothing = lane->answered ? 0 : nothing + 1;
            lane->head += lane->answered;
            lane->answered = false;
            continue;
        }
        sw_expected slot = *first(lane);
        if (is_loss(lane, result)) {
            PQclear(result);
            lane->broken = true;
            return;
        }
        if (PQresultStatus(result) == PGRES_PIPELINE_SYNC) {
            PQclear(result);
            if (slot.kind !=
                SLOT_SYNC) { /* out of step: never seen, but then no other result can be trusted */
                lane->broken = true;
                return;
            }
            take_sync(lane);
            continue;
        }
        lane->answered = slot.kind != SLOT_SYNC;
        lane->batch_failed |=
            PQresultStatus(result) == PGRES_FATAL_ERROR || PQresultStatus(result) == PGRES_PIPELINE_ABORTED;
        if (slot.kind == SLOT_SETTINGS)
            take_settings(lane, result);
        else if (slot.kind == SLOT_CHECK)
            take_check(lane, result);
        else if (slot.kind == SLOT_ENTER)
            take_enter(lane, &slot, result);
        else if (slot.kind == SLOT_WORK)
            take_work(lane, slot.work, result);
        else if (slot.kind == SLOT_PREPARE)
            take_prepare(lane, &slot, result);
        else
            take_other(lane, result);
        if (lane->broken)
            return;
    }
}

void sw_lane_abandon(sw_lane *lane)
{
    unsigned head = lane->head + lane->answered, tail = lane->tail;
    sw_work *held = lane->held, *next;
    lane->held = NULL;
    lane->answered = false;
    lane->batch = lane->syncs = lane->entering = 0;
    lane->batch_failed = lane->batch_entered.valid = lane->session_entered.valid = false;
    lane->waiting = lane->unconfirmed = false;
    for (; held; held = next) {
        next = held->next;
        held->next = NULL;
        hold(held, NULL);
        finish(lane, held, NULL);
    }
    for (; head != tail; head++) {
        sw_work *work = lane->slots[head % LANE_SLOTS].work;
        if (lane->slots[head % LANE_SLOTS].kind != SLOT_WORK)
            continue;
        hold(work, NULL);
        finish(lane, work, NULL);
    }
    lane->head = lane->tail = 0;
}

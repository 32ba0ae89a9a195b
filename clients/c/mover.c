/* When the link leaves a broker, and when it returns to one, see mover.h. */
#include "c/mover.h"
#include "base/deadline.h"
#include "base/error.h"
#include "c/encode.h"

#include <stdlib.h>

#define LEAVE_US  1000000 /* the longest time that leaving waits for calls under way */
#define RETURN_US 250000  /* the same for returning, which is given up then */
#define LOOK_US   4000000 /* the longest pause between two looks for a preferred broker */
#define LONG_AGO  (INT64_MIN / 2)

sw_code sw_mover_init(sw_mover *mover, sw_link *link, const sw_pending_calls *calls, sw_random *random,
                      sw_error *error)
{
    size_t count = link->endpoints.count;
    *mover = (sw_mover){.link = link,
                        .calls = calls,
                        .random = random,
                        .tried_us = calloc(count, sizeof(int64_t)),
                        .until_us = SW_NEVER,
                        .look_us = SW_NEVER};
    sw_probe_init(&mover->probe);
    if (mover->tried_us == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    for (size_t i = 0; i < count; i++)
        mover->tried_us[i] = LONG_AGO;
    return SW_OK;
}

void sw_mover_clear(sw_mover *mover)
{
    if (mover->tried_us == NULL)
        return;
    sw_probe_end(&mover->probe);
    free(mover->tried_us);
    mover->tried_us = NULL;
}

static void set_move(sw_mover *mover, sw_move move, size_t target, int64_t until_us)
{
    mover->move = move;
    mover->target = target;
    mover->until_us = until_us;
    mover->link->held = move != SW_MOVE_NONE;
}

/* Clients that lost the same broker do not look for it at the same moment. */
static void look_later(sw_mover *mover, int64_t now_us)
{
    sw_probe_end(&mover->probe);
    mover->looked = 0;
    mover->look_us = SW_NEVER;
    if (mover->link->endpoints.current > 0)
        mover->look_us = now_us + LOOK_US / 2 + sw_random_upto(mover->random, LOOK_US / 2);
}

void sw_mover_up(sw_mover *mover, int64_t now_us)
{
    if (mover->link->endpoints.current == 0)
        sw_probe_forget_services(&mover->probe);
    look_later(mover, now_us);
}

void sw_mover_down(sw_mover *mover)
{
    set_move(mover, SW_MOVE_NONE, 0, SW_NEVER);
    sw_probe_end(&mover->probe);
    mover->look_us = SW_NEVER;
}

/* --- Leaving --- */

bool sw_mover_leave(sw_mover *mover, int64_t now_us)
{
    size_t count = mover->link->endpoints.count, current = mover->link->endpoints.current;
    if (mover->move != SW_MOVE_NONE)
        return true;
    int64_t tried_us = mover->tried_us[current];
    mover->tried_us[current] = now_us;
    for (size_t i = 1; i <= count; i++) {
        size_t next = (current + i) % count;
        int64_t at_us = next == current ? tried_us : mover->tried_us[next];
        if (now_us - at_us < SW_MOVER_PAUSE_US || (next == current && count > 1))
            continue;
        mover->tried_us[next] = now_us;
        set_move(mover, SW_MOVE_LEAVING, next, now_us + LEAVE_US);
        return true;
    }
    return false;
}

/* A list of one may be a balancer, which leads to another broker; but that is no reason to cut
 * off what is under way. */
static bool leave(sw_mover *mover, int64_t now_us)
{
    bool is_idle = mover->calls->sent.first == NULL;
    size_t target = mover->target;
    if (!is_idle && mover->link->endpoints.count > 1 && now_us < mover->until_us)
        return false;
    bool goes = is_idle || mover->link->endpoints.count > 1;
    set_move(mover, SW_MOVE_NONE, 0, SW_NEVER);
    if (goes)
        sw_link_go_to(mover->link, target, "it cannot serve a call", now_us);
    return true;
}

/* --- Returning --- */

void sw_mover_served(sw_mover *mover, const sw_pending_call *call)
{
    sw_compact compact;
    sw_call_header header;
    if (mover->link->endpoints.current == 0)
        return;
    sw_pending_decode(call, &compact, &header);
    sw_view service = header.destination.size > 0 ? header.destination : sw_method_service(header.method);
    if (service.size > 0 && service.data[0] != '@')
        sw_probe_note(&mover->probe, service);
}

/* Whether the calls under way may be over within RETURN_US. */
static bool may_end_soon(const sw_mover *mover, int64_t now_us)
{
    for (const sw_pending_call *call = mover->calls->sent.first; call != NULL; call = call->next)
        if (call->streams || now_us - call->sent_us > RETURN_US)
            return false;
    return true;
}

static void look(sw_mover *mover, int64_t now_us)
{
    sw_link *link = mover->link;
    mover->look_us = SW_NEVER;
    sw_probe_begin(&mover->probe, sw_link_open_dealer(link, mover->looked, &mover->server),
                   now_us + link->options.connect_ms * 1000);
}

/* The probe is over: the next endpoint before the current one, or a pause. */
static void look_on(sw_mover *mover, int64_t now_us)
{
    sw_probe_end(&mover->probe);
    if (++mover->looked < mover->link->endpoints.current)
        look(mover, now_us);
    else
        look_later(mover, now_us);
}

static bool work_probe(sw_mover *mover, int64_t now_us)
{
    bool worked = false;
    switch (sw_probe_work(&mover->probe, now_us, &worked)) {
    case SW_PROBE_FAILED:
        sw_server_choice_failed(&mover->server); /* the next look tries the broker's other key */
        look_on(mover, now_us);
        break;
    case SW_PROBE_SERVES:
        if (may_end_soon(mover, now_us))
            set_move(mover, SW_MOVE_RETURNING, mover->looked, now_us + RETURN_US);
        else
            look_later(mover, now_us);
        break;
    default:
        break;
    }
    return worked;
}

static bool go_back(sw_mover *mover, int64_t now_us)
{
    size_t target = mover->target;
    bool is_idle = mover->calls->sent.first == NULL;
    if (!is_idle && now_us < mover->until_us)
        return false;
    set_move(mover, SW_MOVE_NONE, 0, SW_NEVER);
    if (is_idle)
        sw_link_adopt(mover->link, target, sw_probe_take(&mover->probe), &mover->server, now_us);
    else
        look_later(mover, now_us);
    return true;
}

/* --- Work --- */

bool sw_mover_work(sw_mover *mover, int64_t now_us)
{
    if (mover->move == SW_MOVE_LEAVING)
        return leave(mover, now_us);
    if (mover->move == SW_MOVE_RETURNING)
        return go_back(mover, now_us);
    if (mover->link->state != SW_LINK_UP)
        return false;
    bool due = now_us >= mover->look_us;
    if (due)
        look(mover, now_us);
    return due || (mover->probe.due_us != SW_NEVER && work_probe(mover, now_us));
}

void sw_mover_watch(sw_mover *mover, int epoll)
{
    mover->probe.watched.epoll = epoll;
    sw_watched_update(&mover->probe.watched, mover->probe.dealer);
}

nfds_t sw_mover_poll(const sw_mover *mover, struct pollfd items[2])
{
    if (mover->probe.dealer == NULL)
        return 0;
    sw_dealer_poll(mover->probe.dealer, items);
    return 2;
}

int64_t sw_mover_due_us(const sw_mover *mover)
{
    int64_t due_us = mover->until_us < mover->look_us ? mover->until_us : mover->look_us;
    if (mover->move == SW_MOVE_RETURNING) /* the probe has its answer */
        return due_us;
    return mover->probe.due_us < due_us ? mover->probe.due_us : due_us;
}

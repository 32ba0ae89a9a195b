/* Lists of waiters by identity (waiter.h). */
#include "broker/auth/waiter.h"

#define FRESH_US 1000000 /* a younger good verdict is not asked for again */

static void wait_for(sw_waiter *waiter, sw_identity *identity)
{
    waiter->identity = identity;
    waiter->previous = NULL;
    waiter->next = identity->waiting;
    if (identity->waiting != NULL)
        identity->waiting->previous = waiter;
    identity->waiting = waiter;
}

void sw_waiter_leave(sw_waiter *waiter)
{
    sw_identity *identity = waiter->identity;
    if (identity == NULL)
        return;
    *(waiter->previous == NULL ? &identity->waiting : &waiter->previous->next) = waiter->next;
    if (waiter->next != NULL)
        waiter->next->previous = waiter->previous;
    waiter->identity = NULL;
}

sw_admission sw_waiter_ask(sw_waiter *waiter, sw_identities *all, sw_identity *identity, int64_t now_us)
{
    bool fresh = identity->verdict == SW_VERDICT_GOOD && now_us - identity->confirmed_us < FRESH_US;
    if (waiter->subscribes) {
        identity->subscribed_us = now_us;
        fresh = fresh && identity->knows_projects;
    }
    if (fresh && sw_identity_verdict(identity, now_us) == SW_VERDICT_GOOD)
        return SW_ADMISSION_GOOD;
    wait_for(waiter, identity);
    if (!identity->asked || (waiter->subscribes && !identity->asked_projects))
        sw_identity_ask(all, identity);
    return SW_ADMISSION_WAIT;
}

static sw_admission judge(const sw_waiter *waiter, sw_identity *identity, int64_t now_us)
{
    sw_verdict verdict = sw_identity_verdict(identity, now_us);
    if (verdict == SW_VERDICT_REFUSED)
        return SW_ADMISSION_REFUSED;
    bool good = waiter->subscribes ? sw_identity_may_subscribe(identity, now_us) : verdict == SW_VERDICT_GOOD;
    /* The answer may have come without projects, and the next one is on its way. */
    return good ? SW_ADMISSION_GOOD : identity->due ? SW_ADMISSION_WAIT : SW_ADMISSION_LATER;
}

unsigned sw_waiters_release(sw_identity *identity, int64_t now_us)
{
    unsigned refused = 0;
    for (sw_waiter *next, *waiter = identity->waiting; waiter != NULL; waiter = next) {
        sw_admission admission = judge(waiter, identity, now_us);
        next = waiter->next;
        if (admission == SW_ADMISSION_WAIT)
            continue;
        sw_waiter_leave(waiter);
        refused += admission == SW_ADMISSION_REFUSED;
        waiter->decide(waiter, admission);
    }
    return refused;
}

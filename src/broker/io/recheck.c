/* Certificates that changed (recheck.h). */
#include "broker/io/recheck.h"

#include "base/clock.h"
#include "base/error.h"

#define RECHECK_US 1000000 /* a certificate that was removed counts within this */

static bool has_certificate(sw_broker *broker, const sw_peer *peer)
{
    char address[SW_ADDRESS_TEXT_SIZE];
    return sw_auth_admit_service(&broker->auth, peer->caller.key,
                                 sw_inbound_address(peer->session, address)) == SW_ADMISSION_GOOD;
}

static bool may_offer_all(sw_broker *broker, const sw_peer *peer)
{
    sw_core_worker_view worker;
    sw_error error;
    if (!sw_core_find_worker(broker->core, peer->number, &worker))
        return true;
    for (size_t i = 0; i < worker.service_count; i++)
        if (!sw_auth_may_offer(&broker->auth, &peer->caller, sw_view_of(worker.services[i]), &error))
            return false;
    return true;
}

static void recheck_worker(void *context, sw_inbound *session)
{
    sw_peer *peer = sw_inbound_user(session);
    if (peer->caller.is_curve && !(has_certificate(context, peer) && may_offer_all(context, peer)))
        sw_peer_cut(peer);
}

void sw_recheck(sw_broker *broker)
{
    if (broker->now_us < sw_recheck_next_us(broker))
        return;
    broker->recheck_us = broker->now_us + RECHECK_US;
    if (!sw_cert_store_changed(broker->auth.services))
        return;
    for (int i = 0; i < SW_SIDES; i++)
        if (broker->sides[i].listener != NULL && !broker->sides[i].is_frontend)
            sw_listener_each(broker->sides[i].listener, recheck_worker, broker);
    sw_events_recheck(&broker->events);
}

int64_t sw_recheck_next_us(const sw_broker *broker)
{
    return broker->auth.services == NULL ? SW_NEVER : broker->recheck_us;
}

/* Connects to a broker and asks it for services, see probe.h. */
#include "c/probe/probe.h"
#include "wire/mdp.h"

#include <errno.h>
#include <string.h>

void sw_probe_init(sw_probe *probe)
{
    *probe = (sw_probe){.due_us = INT64_MAX};
    sw_watched_init(&probe->watched);
}

/* --- Services --- */

static bool is_noted(const sw_probe *probe, sw_view service)
{
    for (size_t i = 0; i < probe->service_count; i++)
        if (sw_view_equal(sw_view_of(probe->services[i]), service))
            return true;
    return false;
}

void sw_probe_note(sw_probe *probe, sw_view service)
{
    if (service.size == 0 || service.size >= SW_PROBE_NAME || is_noted(probe, service))
        return;
    char *name = probe->services[probe->next_service];
    memcpy(name, service.data, service.size);
    name[service.size] = '\0';
    probe->next_service = (probe->next_service + 1) % SW_PROBE_SERVICES;
    probe->service_count += probe->service_count < SW_PROBE_SERVICES;
}

void sw_probe_forget_services(sw_probe *probe)
{
    probe->service_count = probe->next_service = 0;
}

/* --- The connection --- */

void sw_probe_begin(sw_probe *probe, sw_dealer *dealer, int64_t due_us)
{
    probe->dealer = dealer;
    probe->asked = false;
    probe->answered = 0;
    probe->due_us = due_us;
    sw_watched_update(&probe->watched, dealer);
}

sw_dealer *sw_probe_take(sw_probe *probe)
{
    sw_dealer *dealer = probe->dealer;
    probe->dealer = NULL;
    probe->due_us = INT64_MAX;
    sw_watched_update(&probe->watched, NULL);
    return dealer;
}

void sw_probe_end(sw_probe *probe)
{
    sw_dealer *dealer = sw_probe_take(probe);
    sw_dealer_close(&dealer, 0);
}

static bool ask(sw_dealer *dealer, const char *service)
{
    sw_message message = {.count = 0};
    const uint8_t command = SW_MDP_CLIENT_REQUEST;
    bool sent = sw_message_add(&message, SW_MDP_CLIENT, strlen(SW_MDP_CLIENT)) &&
                sw_message_add(&message, &command, 1) &&
                sw_message_add(&message, SW_MMI_SERVICE, strlen(SW_MMI_SERVICE)) &&
                sw_message_add(&message, service, strlen(service)) && sw_dealer_send(dealer, &message) == 0;
    sw_message_close(&message);
    return sent;
}

static bool ask_all(sw_probe *probe)
{
    probe->asked = true;
    for (size_t i = 0; i < probe->service_count; i++)
        if (!ask(probe->dealer, probe->services[i]))
            return false;
    return true;
}

static bool is_good(const sw_message *message)
{
    return message->count == 4 && sw_view_equal(sw_message_view(message, 2), SW_VIEW(SW_MMI_SERVICE)) &&
           sw_view_equal(sw_message_view(message, 3), SW_VIEW("200"));
}

/* Reads the answers that have come; false if one is bad, or the connection has ended. */
static bool take_answers(sw_probe *probe, bool *worked)
{
    sw_message message;
    int error;
    bool good = true;
    while (good && (error = sw_dealer_recv(probe->dealer, &message)) == 0) {
        good = is_good(&message);
        probe->answered++;
        *worked = true;
        sw_message_close(&message);
    }
    return good && error != EPIPE;
}

static sw_probe_result work(sw_probe *probe, int64_t now_us, bool *worked)
{
    int error;
    if (probe->dealer == NULL || now_us >= probe->due_us)
        return SW_PROBE_FAILED;
    sw_dealer_work(probe->dealer);
    for (sw_zmtp_state event; (event = sw_dealer_event(probe->dealer, &error)) != SW_ZMTP_CONNECTING;) {
        *worked = true;
        if (event != SW_ZMTP_UP || !ask_all(probe))
            return SW_PROBE_FAILED;
    }
    if (!probe->asked)
        return SW_PROBE_GOES_ON;
    if (!take_answers(probe, worked))
        return SW_PROBE_FAILED;
    return probe->answered >= probe->service_count ? SW_PROBE_SERVES : SW_PROBE_GOES_ON;
}

sw_probe_result sw_probe_work(sw_probe *probe, int64_t now_us, bool *worked)
{
    sw_probe_result result = work(probe, now_us, worked);
    sw_watched_update(&probe->watched, probe->dealer);
    *worked |= result != SW_PROBE_GOES_ON;
    return result;
}

/* Log lines, limited to a rate (refusals.h). */
#include "broker/auth/refusals.h"

#include "base/log.h"
#include <stdio.h>

#define LINES_A_SECOND 20

static bool may_log(sw_refusals *refusals, int64_t now_us)
{
    if (now_us >= refusals->window_us) {
        refusals->window_us = now_us + 1000000;
        refusals->logged = 0;
    }
    return refusals->logged++ < LINES_A_SECOND;
}

static const char *kind_of(const sw_identity *identity)
{
    return identity->is_user ? "local" : "key";
}

void sw_refusals_connection(sw_refusals *refusals, const char *event, sw_view key, const char *address,
                            const char *reason, int64_t now_us)
{
    char text[SW_USER_MAX + 1];
    refusals->connections++;
    if (!may_log(refusals, now_us))
        return;
    snprintf(text, sizeof(text), "%.*s", (int)key.size, key.size > 0 ? key.data : "");
    sw_log(SW_LOG_WARNING, event, "key", text, "address", address, "reason", reason, NULL);
}

void sw_refusals_subscription(sw_refusals *refusals, const sw_identity *identity, const char *topic,
                              int64_t now_us)
{
    if (may_log(refusals, now_us))
        sw_log(SW_LOG_WARNING, "subscription refused", kind_of(identity), identity->name, "user",
               identity->user, "topic", topic, "reason", "it names nothing that the user may read", NULL);
}

void sw_refusals_accepted(sw_refusals *refusals, const sw_identity *identity, int64_t now_us)
{
    if (may_log(refusals, now_us))
        sw_log(SW_LOG_INFO, "caller known", kind_of(identity), identity->name, "user", identity->user, NULL);
}

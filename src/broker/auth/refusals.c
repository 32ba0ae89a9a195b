/* Log lines, limited to a rate (refusals.h). */
#include "broker/auth/refusals.h"

#include "base/log.h"
#include <stdio.h>

static const char *kind_of(const sw_identity *identity)
{
    return identity->is_user ? "local" : "key";
}

void sw_refusals_connection(sw_refusals *refusals, const char *event, sw_view key, const char *address,
                            const char *reason)
{
    char text[SW_USER_MAX + 1];
    refusals->connections++;
    snprintf(text, sizeof(text), "%.*s", (int)key.size, key.size > 0 ? key.data : "");
    sw_log_limited(SW_LOG_WARNING, event, "key", text, "address", address, "reason", reason, NULL);
}

void sw_refusals_subscription(const sw_identity *identity, sw_view topic)
{
    char text[256];
    snprintf(text, sizeof(text), "%.*s", (int)topic.size, topic.size > 0 ? topic.data : "");
    sw_log_limited(SW_LOG_WARNING, "subscription refused", kind_of(identity), identity->name, "user",
                   identity->user, "topic", text, "reason", "it names nothing that the user may read", NULL);
}

void sw_refusals_event(const char *who, const char *reason)
{
    sw_log_limited(SW_LOG_WARNING, "event refused", "publisher", who, "reason", reason, NULL);
}

void sw_refusals_accepted(const sw_identity *identity)
{
    sw_log_limited(SW_LOG_INFO, "caller known", kind_of(identity), identity->name, "user", identity->user,
                   NULL);
}

/* The topics of a user (rights.h). */
#include "broker/auth/rights.h"

#include <string.h>

static bool begins(sw_view text, sw_view with)
{
    return with.size == 0 || (text.size >= with.size && memcmp(text.data, with.data, with.size) == 0);
}

/* The size of PACKAGE/KIND/, the part before the project; 0 if the subscription is shorter. */
static size_t head_size(sw_view subscription)
{
    size_t slashes = 0;
    for (size_t i = 0; i < subscription.size; i++)
        if (subscription.data[i] == '/' && ++slashes == 2)
            return i + 1;
    return 0;
}

size_t sw_rights_grant(const sw_identity *identity, sw_view subscription, sw_grant_fn *grant, void *context)
{
    if (subscription.size > SW_TOPIC_MAX)
        return 0;
    if (identity->admin) {
        grant(context, subscription);
        return 1;
    }
    char topic[2 * SW_TOPIC_MAX + 2];
    size_t head = head_size(subscription), count = 0;
    if (head == 0)
        return 0;
    memcpy(topic, subscription.data, head);
    const sw_view rest = {subscription.data + head, subscription.size - head};
    const char *project = identity->projects;
    for (size_t i = 0; i < identity->project_count; i++) {
        size_t size = strlen(project);
        if (size <= SW_TOPIC_MAX) {
            memcpy(topic + head, project, size);
            topic[head + size] = '/';
            const sw_view whole = {topic, head + size + 1}, own = {topic + head, size + 1};
            bool narrower = begins(rest, own);
            if (narrower || begins(own, rest)) {
                grant(context, narrower ? subscription : whole);
                count++;
            }
        }
        project += size + 1;
    }
    return count;
}

/* The table of identities, and their verdicts over time (identity.h). */
#include "broker/auth/identity.h"

#include "base/utf8.h"
#include <stdlib.h>
#include <string.h>

#define SUBSCRIBING_US 10000000 /* longest time from the handshake to the first subscription */

void sw_identities_init(sw_identities *all, uint64_t secret)
{
    *all = (sw_identities){.secret = secret, .slab.size = sizeof(sw_identity)};
}

static void drop_projects(sw_identity *identity)
{
    free(identity->projects);
    free(identity->sorted);
    identity->projects = NULL;
    identity->sorted = NULL;
    identity->project_count = identity->projects_size = 0;
}

void sw_identities_clear(sw_identities *all)
{
    uint32_t at = 0;
    for (sw_identity *each; (each = sw_identities_next(all, &at)) != NULL;)
        drop_projects(each);
    sw_slab_clear(&all->slab);
    sw_hash_table_clear(&all->table);
    *all = (sw_identities){0};
}

static uint32_t hash_of(const sw_identities *all, sw_view name, bool is_user)
{
    return sw_hash_bytes(all->secret ^ is_user, name.data, name.size);
}

sw_identity *sw_identities_find(const sw_identities *all, sw_view name, bool is_user)
{
    uint32_t hash = hash_of(all, name, is_user), at = hash, number;
    while ((number = sw_hash_table_next(&all->table, hash, &at)) != SW_NONE) {
        sw_identity *found = sw_slab_at(&all->slab, number);
        if (found->is_user == is_user && sw_view_equal(sw_view_of(found->name), name))
            return found;
    }
    return NULL;
}

sw_identity *sw_identities_find_or_add(sw_identities *all, sw_view name, bool is_user, int64_t now_us)
{
    sw_identity *identity = sw_identities_find(all, name, is_user);
    if (identity == NULL) {
        bool room = all->slab.used < SW_IDENTITIES_MAX && name.size > 0 && name.size <= SW_USER_MAX;
        uint32_t hash = hash_of(all, name, is_user), number = room ? sw_slab_take(&all->slab) : SW_NONE;
        if (number == SW_NONE)
            return NULL;
        if (!sw_hash_table_insert(&all->table, hash, number)) {
            sw_slab_give(&all->slab, number);
            return NULL;
        }
        identity = sw_slab_at(&all->slab, number);
        identity->number = number;
        identity->hash = hash;
        identity->is_user = is_user;
        memcpy(identity->name, name.data, name.size);
    }
    identity->used_us = now_us;
    return identity;
}

sw_identity *sw_identities_next(const sw_identities *all, uint32_t *at)
{
    while (*at < all->slab.top) {
        sw_identity *identity = sw_slab_get(&all->slab, (*at)++);
        if (identity != NULL)
            return identity;
    }
    return NULL;
}

void sw_identities_forget(sw_identities *all, sw_identity *identity)
{
    drop_projects(identity);
    sw_hash_table_remove(&all->table, identity->hash, identity->number);
    sw_slab_give(&all->slab, identity->number);
}

void sw_identity_ask(sw_identities *all, sw_identity *identity)
{
    if (identity->due)
        return;
    identity->due = true;
    identity->next_due = NULL;
    *(all->last_due == NULL ? &all->first_due : &all->last_due->next_due) = identity;
    all->last_due = identity;
}

sw_identity *sw_identity_next_due(sw_identities *all)
{
    sw_identity *identity = all->first_due;
    if (identity == NULL)
        return NULL;
    identity->due = false;
    all->first_due = identity->next_due;
    if (all->first_due == NULL)
        all->last_due = NULL;
    return identity;
}

static void copy_text(char *to, size_t most, sw_view from)
{
    size_t size = sw_utf8_cut(from.data, from.size, most);
    if (size > 0)
        memcpy(to, from.data, size);
    to[size] = '\0';
}

bool sw_identity_is_subscribing(const sw_identity *identity, int64_t now_us)
{
    return identity->subscribers != NULL ||
           (identity->subscribed_us > 0 && now_us - identity->subscribed_us < SUBSCRIBING_US);
}

bool sw_identity_may_subscribe(sw_identity *identity, int64_t now_us)
{
    return identity->knows_projects && !identity->enrolls &&
           sw_identity_verdict(identity, now_us) == SW_VERDICT_GOOD;
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Keeps `count` texts of `size` bytes together. False when out of memory: none are kept. */
static bool keep_projects(sw_identity *identity, char *const *projects, size_t count, size_t size)
{
    drop_projects(identity);
    char *at = identity->projects = malloc(size + 1);
    identity->sorted = malloc((count + 1) * sizeof(char *));
    if (at == NULL || identity->sorted == NULL) {
        drop_projects(identity);
        return false;
    }
    for (size_t i = 0; i < count; i++) {
        identity->sorted[i] = at;
        at = stpcpy(at, projects[i]) + 1;
    }
    qsort(identity->sorted, count, sizeof(char *), compare_names);
    identity->project_count = count;
    identity->projects_size = size;
    return true;
}

static bool are_same(const sw_identity *identity, char *const *projects, size_t count)
{
    const char *at = identity->projects;
    bool same = count == identity->project_count && at != NULL;
    for (size_t i = 0; same && i < count; i++, at += strlen(at) + 1)
        same = strcmp(at, projects[i]) == 0;
    return same;
}

/* When out of memory its projects are unknown, so it may read nothing. */
static void take_projects(sw_identity *identity, const sw_identity_report *report)
{
    size_t size = 0;
    identity->knows_projects = true;
    if (are_same(identity, report->projects, report->project_count))
        return;
    for (size_t i = 0; i < report->project_count; i++)
        size += strlen(report->projects[i]) + 1;
    identity->rights += size != identity->projects_size || size > 0;
    identity->knows_projects = keep_projects(identity, report->projects, report->project_count, size);
}

bool sw_identity_may_read(const sw_identity *identity, sw_view project)
{
    size_t low = 0, high = identity->admin ? 0 : identity->project_count;
    while (low < high) {
        size_t middle = low + (high - low) / 2;
        const char *name = identity->sorted[middle];
        int order = strncmp(name, project.data, project.size);
        if (order == 0 && name[project.size] == '\0')
            return true;
        *(order < 0 ? &low : &high) = order < 0 ? middle + 1 : middle;
    }
    return identity->admin || identity->reads_everything;
}

void sw_identity_update(sw_identity *identity, const sw_identity_report *report, int64_t now_us)
{
    sw_view user = report->user, reason = report->reason;
    if (reason.size == 0 && (user.size == 0 || user.size > SW_USER_MAX || user.data[0] == '@'))
        reason = SW_VIEW("it belongs to no user");
    sw_verdict verdict = reason.size > 0 ? SW_VERDICT_REFUSED : SW_VERDICT_GOOD;
    if (verdict == SW_VERDICT_REFUSED && identity->verdict != SW_VERDICT_REFUSED)
        identity->refused_us = now_us;
    bool admin = report->admin && verdict == SW_VERDICT_GOOD;
    identity->rights += identity->admin != admin;
    bool everything = report->has_projects && report->reads_everything && verdict == SW_VERDICT_GOOD;
    identity->rights += report->has_projects && identity->reads_everything != everything;
    identity->reads_everything = everything;
    identity->knows_projects = false; /* an old list may no longer be true */
    if (report->has_projects)
        take_projects(identity, report);
    identity->verdict = (uint8_t)verdict;
    identity->admin = admin;
    identity->has_profile = admin || report->has_profile;
    identity->enrolls = report->enrolls;
    identity->confirmed_us = now_us;
    identity->until_us = report->until_us;
    identity->expires_us = report->expires_us;
    copy_text(identity->user, SW_USER_MAX, user);
    copy_text(identity->reason, SW_REASON_MAX, reason);
}

sw_verdict sw_identity_verdict(sw_identity *identity, int64_t now_us)
{
    if (identity->verdict == SW_VERDICT_GOOD && now_us >= identity->expires_us) {
        identity->verdict = SW_VERDICT_REFUSED;
        identity->refused_us = now_us;
        copy_text(identity->reason, SW_REASON_MAX, SW_VIEW("this key has expired"));
    }
    bool over = identity->verdict == SW_VERDICT_GOOD && now_us >= identity->until_us;
    return over ? SW_VERDICT_NONE : (sw_verdict)identity->verdict;
}

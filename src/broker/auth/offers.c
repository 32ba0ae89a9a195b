/* Names of services, and who may offer them (offers.h). */
#include "broker/auth/offers.h"

#include "base/error.h"
#include <stdlib.h>
#include <string.h>

#define OWN "sitewire."

static bool begins(sw_view text, sw_view with)
{
    return text.size >= with.size && memcmp(text.data, with.data, with.size) == 0;
}

/* Takes the next part of a list off *rest; empty parts are passed over. */
static bool next_part(sw_view *rest, const char *separators, sw_view *part)
{
    if (rest->size == 0)
        return false;
    size_t at = 0, size = 0;
    while (at < rest->size && strchr(separators, rest->data[at]) != NULL)
        at++;
    while (at + size < rest->size && strchr(separators, rest->data[at + size]) == NULL)
        size++;
    *part = (sw_view){rest->data + at, size};
    *rest = (sw_view){rest->data + at + size, rest->size - at - size};
    return size > 0;
}

static bool covers(sw_view name, sw_view service)
{
    if (sw_view_equal(name, SW_VIEW("*")))
        return !begins(service, SW_VIEW(OWN));
    if (name.size > 2 && memcmp(name.data + name.size - 2, ".*", 2) == 0)
        return begins(service, (sw_view){name.data, name.size - 1});
    return sw_view_equal(name, service);
}

bool sw_names_cover(sw_view names, sw_view service)
{
    for (sw_view name; next_part(&names, ", ", &name);)
        if (covers(name, service))
            return true;
    return false;
}

/* --- --local-services --- */

/* A part of the list: a name, which may have a uid before it. */
typedef struct {
    bool has_uid;
    int64_t uid; /* -1: any other */
    sw_view name;
} entry;

/* False if the part is malformed. */
static bool read_entry(sw_view part, entry *e)
{
    const char *equals = memchr(part.data, '=', part.size);
    *e = (entry){.has_uid = equals != NULL, .uid = -1, .name = part};
    if (equals != NULL) {
        size_t size = (size_t)(equals - part.data);
        char *end = NULL;
        bool any = size == 1 && *part.data == '*';
        if (!any)
            e->uid = strtoll(part.data, &end, 10);
        if (!any && (*part.data < '0' || *part.data > '9' || end != equals || e->uid > UINT32_MAX))
            return false;
        e->name = (sw_view){equals + 1, part.size - size - 1};
    }
    const char *star = memchr(e->name.data, '*', e->name.size);
    bool star_is_last = star == NULL || star == e->name.data + e->name.size - 1;
    bool star_is_whole = star == NULL || e->name.size == 1 || star[-1] == '.';
    return e->name.size > 0 && star_is_last && star_is_whole &&
           memchr(e->name.data, '=', e->name.size) == NULL;
}

sw_code sw_offers_check(const char *text, sw_error *error)
{
    sw_view rest = sw_view_of(text), part;
    bool has_uid = false;
    while (next_part(&rest, ",", &part)) {
        entry e;
        bool good = read_entry(part, &e);
        has_uid = has_uid || e.has_uid;
        if (!good || !has_uid)
            return sw_fail(error, SW_INVALID_ARGUMENT,
                           "--local-services: expected UID=NAME,NAME,...; a name is that of a service, "
                           "`prefix.*`, or `*` for all outside sitewire.*, not `%.*s`",
                           (int)(part.size < 100 ? part.size : 100), part.data);
    }
    return SW_OK;
}

/* An entry of the uid itself hides those of the uid *. */
static bool uid_may_offer(const char *list, int64_t uid, sw_view service)
{
    sw_view rest = sw_view_of(list), part;
    bool named = false, own = false, any = false;
    int64_t of = -1;
    while (next_part(&rest, ",", &part)) {
        entry e;
        if (!read_entry(part, &e))
            return false;
        of = e.has_uid ? e.uid : of;
        named = named || of == uid;
        own = own || (of == uid && covers(e.name, service));
        any = any || (of == -1 && covers(e.name, service));
    }
    return named ? own : any;
}

/* --- the judgement --- */

static int shown(sw_view text)
{
    return (int)(text.size < 100 ? text.size : 100);
}

static sw_code judge_key(const sw_offers *offers, const sw_caller *worker, sw_view service, sw_error *error)
{
    const char *names = "";
    if (offers->keys == NULL)
        return sw_fail(error, SW_PERMISSION_DENIED, "no --service-keys were given");
    sw_code code = sw_cert_store_find(offers->keys, worker->key, error);
    if (code == SW_OK)
        names = sw_cert_store_services(offers->keys, worker->key);
    if (code != SW_OK || sw_names_cover(sw_view_of(names), service))
        return code;
    return sw_fail(error, SW_PERMISSION_DENIED,
                   "the certificate of its key in --service-keys names %s%s, not %.*s: "
                   "`sitewire key public KEY FILE --services NAME,...` writes one that does",
                   *names == '\0' ? "no service" : "", names, shown(service), service.data);
}

sw_code sw_offers_judge(const sw_offers *offers, const sw_caller *worker, sw_view service, sw_error *error)
{
    if (worker->is_curve)
        return judge_key(offers, worker, service, error);
    if (worker->is_network) /* --curve off, for tests: nothing says who it is */
        return SW_OK;
    if (uid_may_offer(offers->local, worker->uid, service))
        return SW_OK;
    return sw_fail(error, SW_PERMISSION_DENIED,
                   "uid %lld may not offer %.*s on ipc: the broker's option --local-services says which "
                   "services a uid may offer",
                   (long long)worker->uid, shown(service), service.data);
}

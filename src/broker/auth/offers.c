/* Names of services, and who may offer them (offers.h). */
#include "broker/auth/offers.h"

#include "base/error.h"
#include "broker/auth/uid.h"
#include "broker/core/core.h"
#include <stdio.h>
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

/* Whether a name covers a service, or events of a package. */
typedef bool covers_fn(sw_view name, sw_view what);

static bool any_covers(sw_view names, sw_view what, covers_fn *fn)
{
    for (sw_view name; next_part(&names, ", ", &name);)
        if (fn(name, what))
            return true;
    return false;
}

bool sw_names_cover(sw_view names, sw_view service)
{
    return any_covers(names, service, covers);
}

/* --- packages of events --- */

/* What the names of the services in a package begin with; false if it is too long. */
static bool services_of(sw_view package, char prefix[SW_NAME_MAX + 1])
{
    bool is_own = memchr(package.data, '.', package.size) == NULL;
    int size = package.size == 0 || package.size > SW_NAME_MAX
                   ? 0
                   : snprintf(prefix, SW_NAME_MAX + 1, "%s%.*s.", is_own ? OWN : "", (int)package.size,
                              package.data);
    return size > 0 && size <= SW_NAME_MAX;
}

static bool covers_package(sw_view name, sw_view package)
{
    char text[SW_NAME_MAX + 1];
    if (!services_of(package, text))
        return false;
    sw_view prefix = sw_view_of(text);
    if (sw_view_equal(name, SW_VIEW("*")))
        return !begins(prefix, SW_VIEW(OWN));
    bool is_wild = name.size > 2 && memcmp(name.data + name.size - 2, ".*", 2) == 0;
    sw_view named = {name.data, is_wild ? name.size - 1 : name.size};
    return begins(named, prefix) || (is_wild && begins(prefix, named));
}

bool sw_names_cover_package(sw_view names, sw_view package)
{
    return any_covers(names, package, covers_package);
}

/* --- --local-services --- */

static bool is_name(sw_view name)
{
    const char *star = memchr(name.data, '*', name.size);
    bool star_is_last = star == NULL || star == name.data + name.size - 1;
    bool star_is_whole = star == NULL || name.size == 1 || star[-1] == '.';
    return name.size > 0 && star_is_last && star_is_whole && memchr(name.data, '=', name.size) == NULL;
}

/* Reads a part of the list: a name, which may have a uid before it. `uid`: of the part before;
 * changed if this part has one. False if the part is malformed. */
static bool read_offer(sw_view part, bool *has_uid, int64_t *uid, sw_view *name)
{
    const char *equals = memchr(part.data, '=', part.size);
    *name = part;
    if (equals != NULL) {
        size_t size = (size_t)(equals - part.data);
        if (!sw_uid_read((sw_view){part.data, size}, uid))
            return false;
        *has_uid = true;
        *name = (sw_view){equals + 1, part.size - size - 1};
    }
    return *has_uid && is_name(*name);
}

static bool add(sw_offers *offers, int64_t uid, sw_view name)
{
    sw_local_offer *local = realloc(offers->local, (offers->local_count + 1) * sizeof(*local));
    if (local == NULL)
        return false;
    local[offers->local_count++] = (sw_local_offer){uid, name};
    offers->local = local;
    return true;
}

sw_code sw_offers_read(sw_offers *offers, const char *text, sw_error *error)
{
    sw_view rest = sw_view_of(text), part, name;
    bool has_uid = false;
    int64_t uid = SW_UID_ANY;
    while (next_part(&rest, ",", &part)) {
        if (!read_offer(part, &has_uid, &uid, &name))
            return sw_fail(error, SW_INVALID_ARGUMENT,
                           "--local-services: expected UID=NAME,NAME,...; UID is a uid, a user of this "
                           "machine, or * for any other; a name is that of a service, `prefix.*`, or `*` for "
                           "all outside sitewire.*, not `%.*s`",
                           (int)(part.size < 100 ? part.size : 100), part.data);
        if (!add(offers, uid, name))
            return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for --local-services");
    }
    return SW_OK;
}

void sw_offers_clear(sw_offers *offers)
{
    free(offers->local);
    offers->local = NULL;
    offers->local_count = 0;
}

/* An entry of the uid itself hides those of the uid *. */
static bool uid_may(const sw_offers *offers, int64_t uid, sw_view what, covers_fn *fn)
{
    bool named = false, own = false, any = false;
    for (size_t i = 0; i < offers->local_count; i++) {
        const sw_local_offer *each = &offers->local[i];
        bool is_own = each->uid == uid, covered = fn(each->name, what);
        named = named || is_own;
        own = own || (is_own && covered);
        any = any || (each->uid == SW_UID_ANY && covered);
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
    if (uid_may(offers, worker->uid, service, covers))
        return SW_OK;
    return sw_fail(error, SW_PERMISSION_DENIED,
                   "uid %lld may not offer %.*s on ipc: the broker's option --local-services says which "
                   "services a uid may offer",
                   (long long)worker->uid, shown(service), service.data);
}

sw_code sw_offers_judge_package(const sw_offers *offers, const sw_caller *publisher, const char *names,
                                sw_view package, sw_error *error)
{
    if (publisher->is_network && !publisher->is_curve) /* --curve off, for tests */
        return SW_OK;
    if (publisher->is_curve && sw_names_cover_package(sw_view_of(names), package))
        return SW_OK;
    if (!publisher->is_curve && uid_may(offers, publisher->uid, package, covers_package))
        return SW_OK;
    return sw_fail(error, SW_PERMISSION_DENIED,
                   "it may offer no service of the package `%.*s`, so it may not publish its events: see %s",
                   shown(package), package.data,
                   publisher->is_curve ? "the certificate of its key in --service-keys"
                                       : "the broker's option --local-services");
}

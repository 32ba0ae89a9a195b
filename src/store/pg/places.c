/* A connection string, taken apart (places.h). */
#include "store/pg/places.h"
#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

#define OPTIONS_MAX 96 /* libpq 15 knows 46 */

/* A word without = and :// is the name of a database. */
static bool is_name(const char *conninfo)
{
    return !strchr(conninfo, '=') && !strstr(conninfo, "://");
}

static const char *value_of(const PQconninfoOption *options, const char *keyword)
{
    for (; options && options->keyword; options++)
        if (strcmp(options->keyword, keyword) == 0)
            return options->val && *options->val ? options->val : NULL;
    return NULL;
}

/* Item `i` of a list, NULL if it is empty or absent. False when out of memory. */
static bool take_item(const char *list, int i, char **item)
{
    *item = NULL;
    for (; list && i > 0; i--)
        list = strchr(list, ',') ? strchr(list, ',') + 1 : NULL;
    size_t size = list ? strcspn(list, ",") : 0;
    return size == 0 || (*item = strndup(list, size));
}

static int items_of(const char *list)
{
    int count = 1;
    for (; list && *list; list++)
        count += *list == ',';
    return count > SW_PLACES_MAX ? SW_PLACES_MAX : count;
}

static bool split(sw_places *places, const char *host, const char *hostaddr, const char *port)
{
    int hosts = items_of(host), addresses = items_of(hostaddr);
    bool one_port = !port || !strchr(port, ',');
    bool fine = true;
    places->count = addresses > hosts ? addresses : hosts;
    for (int i = 0; i < places->count && fine; i++) {
        sw_place *place = &places->items[i];
        fine = take_item(host, i, &place->host) && take_item(hostaddr, i, &place->hostaddr) &&
               take_item(port, one_port ? 0 : i, &place->port);
    }
    return fine;
}

static const char *either(const PQconninfoOption *options, const PQconninfoOption *defaults,
                          const char *keyword)
{
    const char *value = value_of(options, keyword);
    return value ? value : value_of(defaults, keyword);
}

static bool is_standby_wanted(const char *attributes)
{
    return attributes && strcmp(attributes, "read-write") != 0 && strcmp(attributes, "primary") != 0;
}

/* What a `service` of the conninfo says is known to libpq alone. */
bool sw_places_init(sw_places *places, const char *conninfo)
{
    *places = (sw_places){.conninfo = conninfo, .count = 1};
    PQconninfoOption *defaults = PQconndefaults();
    if (!defaults)
        return false;
    places->options = is_name(conninfo) ? NULL : PQconninfoParse(conninfo, NULL);
    bool readable = places->options || is_name(conninfo);
    const char *timeout = either(places->options, defaults, "connect_timeout");
    long seconds = timeout ? strtol(timeout, NULL, 10) : 0;
    places->connect_ms = seconds <= 0 ? 0 : seconds > 3600 ? 3600000 : seconds * 1000;
    places->wants_standby = is_standby_wanted(either(places->options, defaults, "target_session_attrs"));
    bool fine = true;
    if (readable && !value_of(places->options, "service"))
        fine =
            split(places, either(places->options, defaults, "host"),
                  either(places->options, defaults, "hostaddr"), either(places->options, defaults, "port"));
    PQconninfoFree(defaults);
    if (!fine)
        sw_places_clear(places);
    return fine;
}

void sw_places_clear(sw_places *places)
{
    PQconninfoFree(places->options);
    for (int i = 0; i < places->count; i++) {
        free(places->items[i].host);
        free(places->items[i].hostaddr);
        free(places->items[i].port);
    }
    *places = (sw_places){0};
}

const char *sw_place_name(const sw_place *place)
{
    struct in6_addr address;
    const char *host = place->host;
    bool numeric =
        host && (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1);
    return !host || place->hostaddr || *host == '/' || *host == '@' || numeric ? NULL : host;
}

typedef struct parameters {
    const char *names[OPTIONS_MAX], *values[OPTIONS_MAX];
    int count;
} parameters;

static void set(parameters *to, const char *name, const char *value)
{
    if (!value || to->count == OPTIONS_MAX - 1)
        return;
    to->names[to->count] = name;
    to->values[to->count++] = value;
}

/* A server that vanished from the network is noticed after five seconds. */
static void set_defaults(const sw_places *places, parameters *to)
{
    set(to, "keepalives_idle", "2");
    set(to, "keepalives_interval", "1");
    set(to, "keepalives_count", "5");
    set(to, "tcp_user_timeout", "5000");
    if (places->count > 1)
        set(to, "target_session_attrs", "read-write");
}

static bool is_where(const char *keyword)
{
    return strcmp(keyword, "host") == 0 || strcmp(keyword, "hostaddr") == 0 || strcmp(keyword, "port") == 0;
}

/* What comes later counts: the conninfo can override the defaults, but not what follows it. */
PGconn *sw_places_connect(const sw_places *places, const sw_place *place, const char *address)
{
    parameters to = {.count = 0};
    set_defaults(places, &to);
    if (!places->options)
        set(&to, "dbname", places->conninfo);
    for (const PQconninfoOption *each = places->options; each && each->keyword; each++)
        if (!is_where(each->keyword))
            set(&to, each->keyword, each->val);
    set(&to, "fallback_application_name", "sitewire");
    set(&to, "client_encoding", "UTF8");
    set(&to, "host", place->host);
    set(&to, "hostaddr", address ? address : place->hostaddr);
    set(&to, "port", place->port);
    return PQconnectStartParams(to.names, to.values, !places->options);
}

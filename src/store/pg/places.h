/* The servers that a connection string names. libpq would try them one after the other within one
 * attempt, wait for a silent one, and resolve names without a bound. So a lane gives libpq one
 * address at a time. Used by lane.c; pool.c owns them. */
#ifndef SW_STORE_PLACES_H
#define SW_STORE_PLACES_H

#include <libpq-fe.h>
#include <stdbool.h>
#include <stdint.h>

#define SW_PLACES_MAX 32 /* servers; further ones are not tried */

/* Texts may be NULL: what libpq takes then. */
typedef struct sw_place {
    char *host, *hostaddr, *port;
} sw_place;

typedef struct sw_places {
    const char *conninfo;
    PQconninfoOption *options; /* of the conninfo; NULL: libpq reads it, or says what is wrong */
    sw_place items[SW_PLACES_MAX];
    int count;          /* at least 1 */
    int first;          /* where to begin: the last one that was good */
    int64_t connect_ms; /* connect_timeout, or 0 */
    bool wants_standby; /* target_session_attrs asks for one, or for anything */
} sw_places;

/* The conninfo is lent. False when out of memory. */
bool sw_places_init(sw_places *places, const char *conninfo);
void sw_places_clear(sw_places *places);
/* The name to look up before connecting there, or NULL. */
const char *sw_place_name(const sw_place *place);
/* Begins to connect to an address of a place; NULL: as the place says. NULL when out of memory. */
PGconn *sw_places_connect(const sw_places *places, const sw_place *place, const char *address);

#endif

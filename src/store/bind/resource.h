/* How a service declares a resource: its messages, its table, its key. Used by the services' tables
 * of resources and by table.c. */
#ifndef SW_STORE_RESOURCE_H
#define SW_STORE_RESOURCE_H

#include "base/arena.h"
#include <protobuf-c/protobuf-c.h>
#include <sitewire/status.h>

typedef struct sw_resource sw_resource;

/* A hook does what SQL cannot do. It runs before Create and Update, on the request's resource,
 * in the call's arena. For an Update it sees only the fields that the mask names, with "" for a
 * string that is cleared; all other fields, and the computed ones, are unset. It may set fields.
 * If any computed field is set afterwards, even to "", all of them are written, and the unset
 * ones become NULL or empty. An error ends the call. */
typedef sw_code sw_resource_hook(ProtobufCMessage *resource, sw_arena *arena, sw_error *error);

/* One resource: everything else comes from the descriptor. The list method's name comes from
 * `plural`. */
struct sw_resource {
    const ProtobufCServiceDescriptor *service;
    const ProtobufCMessageDescriptor *message;
    const char *plural; /* `WebsitesDeployed` in ListWebsitesDeployed */
    const char *table;  /* `referential.website` */
    int key_count;      /* its first key_count fields are the key */
    const char
        *computed; /* space-separated fields that a caller may not set (besides created_at ...), or NULL */
    sw_resource_hook *hook; /* or NULL */
    /* The column with the time of a row, if rows are only added and never changed; NULL if the
     * table is under history (sitewire.keep_resource), which provides the rows as of a time. */
    const char *added_at;
};

#endif

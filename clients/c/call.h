/* Starting calls, below the public functions of <sitewire/client.h>. Used by call.c,
 * json_call.c, the watch and the runner. */
#ifndef SW_CLIENT_CALL_H
#define SW_CLIENT_CALL_H

#include "wire/frame.h"
#include <sitewire/client.h>

/* Everything that a call needs to be started. It has either a request or a payload. */
typedef struct sw_call_spec {
    const char *method;
    const ProtobufCMessage *request;
    sw_view payload;
    const sw_call_options *options; /* or NULL */
    sw_reply_fn *fn;
    void *context;
    const ProtobufCMessageDescriptor *json; /* turn replies of this type into JSON, or NULL */
    bool read_only;                         /* a schema says that the method is */
} sw_call_spec;

/* As sw_client_start. */
sw_code sw_client_launch(sw_client *client, const sw_call_spec *spec, uint64_t *call_id, sw_error *error);
/* Cancels a call without a callback. */
void sw_client_forget(sw_client *client, uint64_t call_id);

/* Sees a good reply while its payload is valid, and may fail. */
typedef sw_code sw_take_fn(const sw_reply *reply, void *context, sw_error *error);
/* Makes the call and processes the client until it is over; spec->fn is not used. `take` may be
 * NULL. */
sw_code sw_client_wait(sw_client *client, const sw_call_spec *spec, sw_take_fn *take, void *context,
                       sw_error *error);

#endif

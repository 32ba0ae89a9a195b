/* A broker for tests of clients: a ROUTER that the test drives by hand, so that it can answer
 * late, twice, wrong or not at all. Bound to ipc:// in a folder of its own. */
#ifndef SW_TEST_FAKE_BROKER_H
#define SW_TEST_FAKE_BROKER_H

#include "wire/batch.h"
#include <sitewire/client.h>

typedef enum { FAKE_COMPACT, FAKE_MDP, FAKE_SILENT } fake_framing; /* its answer to mmi.framing */

typedef struct fake_broker {
    void *context, *socket;
    char folder[64], endpoint[128];
    fake_framing framing;
    int asked;  /* how often the framing was asked for */
    bool lacks; /* its answer to mmi.service is 404 */
    int looks;  /* how often that was asked */
    char looked_for[256];
    sw_message held; /* the batch that is being read */
    sw_view rest;    /* what is left of it */
} fake_broker;

typedef struct fake_request {
    char identity[256];
    size_t identity_size;
    bool compact;
    uint8_t command; /* sw_mdp_client_command, in both framings */
    uint64_t tag;
    sw_call_header header; /* views into `bytes` */
    char service[256];
    uint8_t bytes[SW_HEADER_MAX];
    size_t payload_size;
    char payload[131072];
} fake_request;

void fake_open(fake_broker *fake, fake_framing framing);
void fake_close(fake_broker *fake);
void fake_stop(fake_broker *fake);  /* as if it was killed: its connections end */
void fake_start(fake_broker *fake); /* again, at the same endpoint */

/* The next message; the client (or NULL) works meanwhile. Answers the question for the framing
 * itself. False after timeout_ms. */
bool fake_next(fake_broker *fake, sw_client *client, fake_request *request, int timeout_ms);

void fake_send(fake_broker *fake, const fake_request *to, bool final, const sw_reply_header *header,
               const void *payload, size_t size);
void fake_reply(fake_broker *fake, const fake_request *to, const void *payload, size_t size);
/* Replies with a failure. may_have_run < 0, retry_ms < 0: without that detail. */
void fake_fail(fake_broker *fake, const fake_request *to, sw_code code, int may_have_run, int retry_ms);
/* Says that another broker may serve the call. */
void fake_elsewhere(fake_broker *fake, const fake_request *to, sw_code code);
/* Sends these frames after the identity. */
void fake_raw(fake_broker *fake, const fake_request *to, const sw_view *frames, int count);

#endif

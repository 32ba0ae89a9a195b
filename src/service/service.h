/* What defines a service program: one constant per service, beside its tables (such as
 * referential.c).
 * main.c lists them. */
#ifndef SW_SERVICE_SERVICE_H
#define SW_SERVICE_SERVICE_H

#include "store/store.h"

typedef struct sw_service {
    const char *program;          /* `sitewire-referential` */
    const char *process;          /* `referential`: names instances and Stats */
    const char *summary;          /* one line for --help */
    const sw_resource *resources; /* ended by a NULL service */
    const sw_query *queries;      /* ended by a NULL service */
    bool secrets;                 /* has --secret-key; the hooks of its queries get a sw_vault */
    const char *periodic;         /* a statement that it runs each second, or NULL */
    const char *periodic_name;    /* what that does, for people */
    bool seals;                   /* it seals history, and keeps the head of the chain (seal_head.h) */
    bool relays;                  /* it publishes the events in deployment.outbox (relay.h) */
    int schema_minimum;           /* oldest schema version it works with; the newest is this build's own */
} sw_service;

extern const sw_service sw_service_referential;
extern const sw_service sw_service_user;
extern const sw_service sw_service_deployment;

#endif

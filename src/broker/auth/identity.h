/* The identities that the broker knows: public keys and local users, what the user service last
 * said about each, and the connections that have it. Bounded: an identity without a connection
 * is forgotten after a while. Pure. Used by the files of this folder. */
#ifndef SW_BROKER_IDENTITY_H
#define SW_BROKER_IDENTITY_H

#include "base/slab.h"
#include "listen/network.h"
#include "wire/header.h"
#include <sitewire/status.h>

#define SW_USER_MAX       254   /* bytes of an e-mail address */
#define SW_REASON_MAX     200   /* bytes of the reason of a refusal */
#define SW_IDENTITIES_MAX 40000 /* about 35 MB: twice as many as a broker has connections, by default */

typedef enum {
    SW_VERDICT_NONE, /* unknown, or no longer confirmed */
    SW_VERDICT_GOOD,
    SW_VERDICT_REFUSED
} sw_verdict;

struct sw_caller;
struct sw_subscriber;
struct sw_waiter;

typedef struct sw_identity {
    sw_slot slot;
    uint32_t number, hash;
    bool is_user; /* `name` is a local user's e-mail address; otherwise a public key */
    bool due;     /* on the list of identities to ask about */
    bool asked;   /* part of the call that is running */
    bool admin;
    bool has_profile;        /* USER or ADMIN */
    bool enrolls;            /* a one-time code: it may call the user service, to enroll a key */
    uint8_t verdict, logged; /* sw_verdict; the last one that was logged */
    int64_t confirmed_us;    /* when the service last reported on it; 0: never */
    int64_t until_us;        /* a good verdict ends then unless it is confirmed */
    int64_t expires_us;      /* the key is refused from then on */
    int64_t refused_us;      /* since when it is refused */
    int64_t used_us;         /* when it last had a connection, or one that asked to come in */
    struct sw_identity *next_due;
    struct sw_caller *callers;
    struct sw_subscriber *subscribers;
    int64_t subscribed_us; /* when a subscriber last asked to come in with it; 0: never */
    bool asked_projects;   /* the running call asks for its projects */
    bool knows_projects;
    bool reads_everything; /* without a list of projects */
    uint32_t rights;       /* changes whenever it may read something else */
    char *projects;        /* that it may read, one after another, each with its NUL; none for an admin */
    const char **sorted;   /* the same projects, by name */
    size_t project_count, projects_size;
    uint64_t heard_event; /* the last event that subscribers.c judged for it, and the judgement: */
    bool may_hear;
    struct sw_waiter *waiting;          /* handshakes that wait for the verdict */
    char address[SW_ADDRESS_TEXT_SIZE]; /* from where it last asked to come in; "" on ipc */
    char name[SW_USER_MAX + 1];
    char user[SW_USER_MAX + 1];
    char reason[SW_REASON_MAX + 1];
} sw_identity;

typedef struct sw_identities {
    sw_slab slab;
    sw_hash_table table;
    uint64_t secret;
    sw_identity *first_due, *last_due;
} sw_identities;

/* `secret` seeds hashes. */
void sw_identities_init(sw_identities *all, uint64_t secret);
void sw_identities_clear(sw_identities *all);

/* NULL if there is none. */
sw_identity *sw_identities_find(const sw_identities *all, sw_view name, bool is_user);
/* Finds or adds. NULL when out of memory, at the bound, or if the name is empty or too long. */
sw_identity *sw_identities_find_or_add(sw_identities *all, sw_view name, bool is_user, int64_t now_us);
/* Walks through all with *at from 0; NULL at the end. The one just returned may be forgotten. */
sw_identity *sw_identities_next(const sw_identities *all, uint32_t *at);
/* Only for an identity without callers, subscribers and handshakes that is neither due nor
 * asked. */
void sw_identities_forget(sw_identities *all, sw_identity *identity);

/* Whether to ask for its projects: it has a subscriber, or expects one soon. */
bool sw_identity_is_subscribing(const sw_identity *identity, int64_t now_us);
/* Whether it is accepted as a subscriber: its verdict is good, and its projects are known. */
bool sw_identity_may_subscribe(sw_identity *identity, int64_t now_us);

/* Whether it may read a project, as far as is known. */
bool sw_identity_may_read(const sw_identity *identity, sw_view project);

/* Puts it on the list of identities to ask about, once. */
void sw_identity_ask(sw_identities *all, sw_identity *identity);
/* Takes the first one off that list; NULL if it is empty. */
sw_identity *sw_identity_next_due(sw_identities *all);

/* What the user service says about an identity. Everything is lent. */
typedef struct sw_identity_report {
    sw_view user;
    bool admin;
    bool has_profile;   /* ignored for an admin, who has one */
    bool enrolls;       /* it is a one-time code */
    sw_view reason;     /* why it is refused; empty: it is accepted */
    int64_t until_us;   /* until when this holds without confirmation */
    int64_t expires_us; /* when it becomes refused; SW_NEVER */
    bool has_projects;  /* its projects were asked for: */
    bool reads_everything;
    char *const *projects; /* empty if it reads everything */
    size_t project_count;
} sw_identity_report;

/* Takes over a report. Texts are cut at their bounds. A user name that is empty, too long or
 * begins with @ (reserved for the system) is refused. */
void sw_identity_update(sw_identity *identity, const sw_identity_report *report, int64_t now_us);
/* The verdict now: an expired key is refused, a verdict that nobody confirmed has become
 * SW_VERDICT_NONE. */
sw_verdict sw_identity_verdict(sw_identity *identity, int64_t now_us);

#endif

/* Who is known to the broker: public keys and local users, what the user service last said of each, and the peers that
 * are connected as such. Bounded: what has no peer is forgotten after a while. Used by auth.c, ask.c and zap.c. */
#ifndef SW_BROKER_IDENTITY_H
#define SW_BROKER_IDENTITY_H

#include "base/slab.h"
#include "wire/header.h"
#include <sitewire/status.h>

#define SW_USER_MAX       254     /* bytes of an e-mail address */
#define SW_REASON_MAX     200     /* bytes of the reason of a refusal */
#define SW_IDENTITIES_MAX 1000000 /* far above the clients that a broker takes */

typedef enum {
    SW_VERDICT_NONE, /* nobody has said anything yet */
    SW_VERDICT_GOOD,
    SW_VERDICT_REFUSED
} sw_verdict;

struct sw_peer;
struct sw_subscriber;
struct sw_zap_request;

typedef struct sw_identity {
    sw_slot slot;
    uint32_t number, hash;
    bool is_user; /* `name` is a local user's e-mail, and no public key */
    bool due;     /* on the list of those to be asked about */
    bool asked;   /* the answer is on its way */
    bool admin;
    bool has_profile;        /* USER or ADMIN */
    uint8_t verdict, logged; /* sw_verdict */
    int64_t told_us;         /* when the verdict was last confirmed; 0: never */
    int64_t until_us;        /* a good one lasts so long, if the service does not answer */
    int64_t expires_us;      /* it is refused from then on */
    int64_t refused_us;      /* since when it is refused */
    int64_t used_us;         /* when it last had a peer, or one that wanted in */
    struct sw_identity *next_due;
    struct sw_peer *peers;
    struct sw_subscriber *subscribers;
    int64_t subscribed_us; /* when somebody last wanted to subscribe as this one; 0: never */
    bool asked_projects;   /* the answer that is on its way tells them */
    bool knows_projects;
    uint32_t rights; /* changes with what it may read */
    char *projects;  /* that it may read, one after the other, each with its NUL; of an admin none */
    size_t project_count, projects_size;
    struct sw_zap_request *waiting; /* handshakes that wait for the verdict */
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

void sw_identities_init(sw_identities *all, uint64_t secret);
void sw_identities_clear(sw_identities *all);

sw_identity *sw_identities_find(const sw_identities *all, sw_view name, bool is_user);
/* Finds or adds. NULL when out of memory, at the bound, or if the name is too long. */
sw_identity *sw_identities_need(sw_identities *all, sw_view name, bool is_user, int64_t now_us);
/* Walk them with *at from 0; NULL at the end. Forgetting the one just given is fine. */
sw_identity *sw_identities_next(const sw_identities *all, uint32_t *at);
/* It has no peer, waits for nothing and is not due. */
void sw_identities_forget(sw_identities *all, sw_identity *identity);

/* Whether its projects shall be asked for: it has subscribed, or is about to. */
bool sw_identity_is_subscribing(const sw_identity *identity, int64_t now_us);
/* Whether it is let in as a subscriber: its verdict is good, and what it may read is known. */
bool sw_identity_may_subscribe(sw_identity *identity, int64_t now_us);

/* Puts it on the list of those to be asked about, once. */
void sw_identity_ask(sw_identities *all, sw_identity *identity);
/* Takes the first off the list; NULL if there is none. */
sw_identity *sw_identity_next_due(sw_identities *all);

/* What the service said. */
typedef struct sw_told {
    sw_view user;
    bool admin;
    bool has_profile;   /* of an admin it need not be said */
    sw_view reason;     /* why it is refused; empty: it is not */
    int64_t until_us;   /* this is good so long, */
    int64_t expires_us; /* and it is refused from then on */
    /* Of one whose projects were asked for: */
    bool tells_projects;
    char *const *projects;
    size_t project_count;
} sw_told;

/* Takes that over. Texts are cut to their bounds; a user's name that begins with @ is the system's own and refused. */
void sw_identity_tell(sw_identity *identity, const sw_told *told, int64_t now_us);
/* What it is now: a good verdict ends with its time, a key with its own. */
sw_verdict sw_identity_verdict(sw_identity *identity, int64_t now_us);

#endif

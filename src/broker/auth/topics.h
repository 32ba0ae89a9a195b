/* Which subscriptions match a topic: prefixes, by hash. A subscription costs a fixed time to add
 * and to remove, whatever others there are; those of an owner that has left are removed a few at a
 * time. Pure. Used by subscribers.c.
 *
 * An event looks up its own prefixes, one for each length that any subscription has. */
#ifndef SW_BROKER_TOPICS_H
#define SW_BROKER_TOPICS_H

#include "base/slab.h"
#include "base/view.h"

#define SW_TOPIC_MAX  512 /* bytes of a subscription */
#define SW_TOPIC_COST 160 /* bytes of memory that a subscription takes at most, besides its text */

/* Whose subscriptions they are; part of a subscriber. All zeros has none. */
typedef struct sw_topic_owner {
    uint32_t last;  /* its newest entry, plus 1; 0: none */
    uint32_t count; /* subscriptions */
    size_t bytes;   /* of memory that they take, at most */
    bool has_left;
    struct sw_topic_owner *next_left;
} sw_topic_owner;

typedef struct sw_topics {
    sw_slab texts, entries; /* each text that is subscribed to, and who did */
    sw_hash_table table;    /* of texts */
    sw_hash_table pairs;    /* of entries, by text and owner */
    uint64_t secret;
    uint64_t count;                     /* entries, including those of owners that have left */
    size_t bytes;                       /* of memory that they take, at most */
    uint32_t lengths[SW_TOPIC_MAX + 1]; /* texts of each length */
    sw_topic_owner *first_left, *last_left;
} sw_topics;

/* `size`: bytes of the subscription that matched. */
typedef void sw_topic_fn(void *context, sw_topic_owner *owner, size_t size);

/* `secret` seeds hashes. */
void sw_topics_init(sw_topics *topics, uint64_t secret);
/* Owners are not touched. */
void sw_topics_clear(sw_topics *topics);

/* Adds a subscription of at most SW_TOPIC_MAX bytes. The same one again is only counted. False when
 * out of memory. */
bool sw_topics_add(sw_topics *topics, sw_topic_owner *owner, sw_view topic);
/* Takes one of these back; false if there is none. */
bool sw_topics_remove(sw_topics *topics, sw_topic_owner *owner, sw_view topic);
/* The owner has left: it matches nothing any more. It must stay until sw_topics_sweep returns
 * it. */
void sw_topics_leave(sw_topics *topics, sw_topic_owner *owner);
/* Removes up to *steps subscriptions of owners that have left, and counts *steps down. Returns one
 * that has none left, which may be freed; NULL if there is no such one yet. */
sw_topic_owner *sw_topics_sweep(sw_topics *topics, unsigned *steps);
bool sw_topics_has_left(const sw_topics *topics);

/* Calls fn for each subscription that the topic begins with: for an owner with several different
 * ones, several times. */
void sw_topics_match(const sw_topics *topics, sw_view topic, sw_topic_fn *fn, void *context);

#endif

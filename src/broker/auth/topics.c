/* Two slabs of linked entries and a hash table (topics.h). */
#include "broker/auth/topics.h"

#include <stdlib.h>
#include <string.h>

typedef struct {
    sw_slot slot;
    uint32_t hash;
    uint32_t first; /* its entries, plus 1; 0: none */
    uint16_t size;
    char *bytes;
} text;

/* Linked twice: among those of a text, and of an owner. Links are numbers plus 1. */
typedef struct {
    sw_slot slot;
    uint32_t text, hash;
    uint32_t times;                      /* how often it was subscribed to */
    uint32_t next, previous;             /* of the same text */
    uint32_t owner_next, owner_previous; /* of the same owner */
    sw_topic_owner *owner;
} entry;

void sw_topics_init(sw_topics *topics, uint64_t secret)
{
    *topics = (sw_topics){.secret = secret, .texts.size = sizeof(text), .entries.size = sizeof(entry)};
}

void sw_topics_clear(sw_topics *topics)
{
    for (uint32_t i = 0; i < topics->texts.top; i++) {
        text *each = sw_slab_get(&topics->texts, i);
        if (each != NULL)
            free(each->bytes);
    }
    sw_slab_clear(&topics->texts);
    sw_slab_clear(&topics->entries);
    sw_hash_table_clear(&topics->table);
    sw_hash_table_clear(&topics->pairs);
}

static entry *entry_at(const sw_topics *topics, uint32_t link)
{
    return link == 0 ? NULL : sw_slab_at(&topics->entries, link - 1);
}

static uint32_t hash_of(const sw_topics *topics, sw_view topic)
{
    return sw_hash_bytes(topics->secret, topic.data, topic.size);
}

/* --- texts --- */

static uint32_t find_text(const sw_topics *topics, sw_view topic, uint32_t hash)
{
    uint32_t at = hash, number;
    while ((number = sw_hash_table_next(&topics->table, hash, &at)) != SW_NONE) {
        const text *found = sw_slab_at(&topics->texts, number);
        if (found->size == topic.size &&
            (topic.size == 0 || memcmp(found->bytes, topic.data, topic.size) == 0))
            break;
    }
    return number;
}

static uint32_t add_text(sw_topics *topics, sw_view topic, uint32_t hash)
{
    char *bytes = malloc(topic.size + 1);
    uint32_t number = bytes == NULL ? SW_NONE : sw_slab_take(&topics->texts);
    if (number != SW_NONE && !sw_hash_table_insert(&topics->table, hash, number)) {
        sw_slab_give(&topics->texts, number);
        number = SW_NONE;
    }
    if (number == SW_NONE) {
        free(bytes);
        return SW_NONE;
    }
    if (topic.size > 0)
        memcpy(bytes, topic.data, topic.size);
    text *added = sw_slab_at(&topics->texts, number);
    added->hash = hash;
    added->size = (uint16_t)topic.size;
    added->bytes = bytes;
    topics->lengths[topic.size]++;
    return number;
}

static void drop_text(sw_topics *topics, uint32_t number)
{
    text *gone = sw_slab_at(&topics->texts, number);
    topics->lengths[gone->size]--;
    sw_hash_table_remove(&topics->table, gone->hash, number);
    free(gone->bytes);
    gone->bytes = NULL;
    sw_slab_give(&topics->texts, number);
}

/* --- entries --- */

static uint32_t hash_of_pair(const sw_topics *topics, uint32_t place, const sw_topic_owner *owner)
{
    return sw_hash_numbers(topics->secret, place, (uintptr_t)owner);
}

/* The entry of an owner for a text, plus 1; 0: none. */
static uint32_t find_entry(const sw_topics *topics, uint32_t place, const sw_topic_owner *owner)
{
    uint32_t hash = hash_of_pair(topics, place, owner), at = hash, number;
    while ((number = sw_hash_table_next(&topics->pairs, hash, &at)) != SW_NONE) {
        const entry *found = entry_at(topics, number + 1);
        if (found->text == place && found->owner == owner)
            return number + 1;
    }
    return 0;
}

static void link_entry(sw_topics *topics, uint32_t link, sw_topic_owner *owner)
{
    entry *added = entry_at(topics, link);
    text *of = sw_slab_at(&topics->texts, added->text);
    added->next = of->first;
    if (of->first != 0)
        entry_at(topics, of->first)->previous = link;
    of->first = link;
    added->owner = owner;
    added->owner_next = owner->last;
    if (owner->last != 0)
        entry_at(topics, owner->last)->owner_previous = link;
    owner->last = link;
}

static void unlink_entry(sw_topics *topics, uint32_t link)
{
    entry *gone = entry_at(topics, link);
    text *of = sw_slab_at(&topics->texts, gone->text);
    *(gone->previous == 0 ? &of->first : &entry_at(topics, gone->previous)->next) = gone->next;
    if (gone->next != 0)
        entry_at(topics, gone->next)->previous = gone->previous;
    *(gone->owner_previous == 0 ? &gone->owner->last : &entry_at(topics, gone->owner_previous)->owner_next) =
        gone->owner_next;
    if (gone->owner_next != 0)
        entry_at(topics, gone->owner_next)->owner_previous = gone->owner_previous;
}

static void drop_entry(sw_topics *topics, uint32_t link)
{
    entry *gone = entry_at(topics, link);
    const text *of = sw_slab_at(&topics->texts, gone->text);
    unlink_entry(topics, link);
    gone->owner->count--;
    gone->owner->bytes -= of->size + SW_TOPIC_COST;
    topics->count--;
    topics->bytes -= of->size + SW_TOPIC_COST;
    sw_hash_table_remove(&topics->pairs, gone->hash, link - 1);
    if (of->first == 0)
        drop_text(topics, gone->text);
    sw_slab_give(&topics->entries, link - 1);
}

/* A text without an entry is dropped when out of memory. */
static bool add_entry(sw_topics *topics, sw_topic_owner *owner, uint32_t place)
{
    const text *of = sw_slab_at(&topics->texts, place);
    uint32_t hash = hash_of_pair(topics, place, owner), number = sw_slab_take(&topics->entries);
    if (number != SW_NONE && !sw_hash_table_insert(&topics->pairs, hash, number)) {
        sw_slab_give(&topics->entries, number);
        number = SW_NONE;
    }
    if (number == SW_NONE) {
        if (of->first == 0)
            drop_text(topics, place);
        return false;
    }
    entry *added = entry_at(topics, number + 1);
    added->text = place;
    added->hash = hash;
    added->times = 1;
    link_entry(topics, number + 1, owner);
    owner->count++;
    owner->bytes += of->size + SW_TOPIC_COST;
    topics->count++;
    topics->bytes += of->size + SW_TOPIC_COST;
    return true;
}

bool sw_topics_add(sw_topics *topics, sw_topic_owner *owner, sw_view topic)
{
    uint32_t hash = hash_of(topics, topic), place = find_text(topics, topic, hash);
    uint32_t known = place == SW_NONE ? 0 : find_entry(topics, place, owner);
    if (known != 0) {
        entry_at(topics, known)->times++;
        return true;
    }
    if (place == SW_NONE)
        place = add_text(topics, topic, hash);
    return place != SW_NONE && add_entry(topics, owner, place);
}

bool sw_topics_remove(sw_topics *topics, sw_topic_owner *owner, sw_view topic)
{
    uint32_t place = find_text(topics, topic, hash_of(topics, topic));
    uint32_t link = place == SW_NONE ? 0 : find_entry(topics, place, owner);
    if (link == 0)
        return false;
    if (--entry_at(topics, link)->times == 0)
        drop_entry(topics, link);
    return true;
}

/* --- owners that have left --- */

void sw_topics_leave(sw_topics *topics, sw_topic_owner *owner)
{
    owner->has_left = true;
    owner->next_left = NULL;
    *(topics->last_left == NULL ? &topics->first_left : &topics->last_left->next_left) = owner;
    topics->last_left = owner;
}

sw_topic_owner *sw_topics_sweep(sw_topics *topics, unsigned *steps)
{
    sw_topic_owner *owner = topics->first_left;
    for (; owner != NULL && owner->last != 0 && *steps > 0; --*steps)
        drop_entry(topics, owner->last);
    if (owner == NULL || owner->last != 0 || *steps == 0)
        return NULL;
    --*steps;
    topics->first_left = owner->next_left;
    if (topics->first_left == NULL)
        topics->last_left = NULL;
    return owner;
}

bool sw_topics_has_left(const sw_topics *topics)
{
    return topics->first_left != NULL;
}

/* --- events --- */

void sw_topics_match(const sw_topics *topics, sw_view topic, sw_topic_fn *fn, void *context)
{
    size_t most = topic.size < SW_TOPIC_MAX ? topic.size : SW_TOPIC_MAX;
    for (size_t size = 0; size <= most; size++) {
        const sw_view prefix = {topic.data, size};
        uint32_t number =
            topics->lengths[size] == 0 ? SW_NONE : find_text(topics, prefix, hash_of(topics, prefix));
        uint32_t link = number == SW_NONE ? 0 : ((text *)sw_slab_at(&topics->texts, number))->first;
        for (; link != 0; link = entry_at(topics, link)->next)
            if (!entry_at(topics, link)->owner->has_left)
                fn(context, entry_at(topics, link)->owner, size);
    }
}

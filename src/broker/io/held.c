/* A bounded list of messages (held.h). */
#include "broker/io/held.h"

#define HELD_MAX       1000
#define HELD_BYTES_MAX (16 << 20)

bool sw_held_add(sw_held *held, sw_received *received, struct sw_peer *from, int64_t now_us)
{
    if (held->count >= HELD_MAX || held->bytes + sw_received_size(received) > HELD_BYTES_MAX)
        return false;
    received->from = from;
    received->held_us = now_us;
    sw_held_keep(held, received);
    return true;
}

void sw_held_keep(sw_held *held, sw_received *received)
{
    received->next = NULL;
    *(held->last == NULL ? &held->first : &held->last->next) = received;
    held->last = received;
    held->count++;
    held->bytes += sw_received_size(received);
}

sw_received *sw_held_take(sw_held *held)
{
    sw_received *first = held->first;
    *held = (sw_held){0};
    return first;
}

void sw_held_drop(sw_held *held, sw_body_pool *pool, const struct sw_peer *from)
{
    sw_received *received = sw_held_take(held), *next;
    for (; received != NULL; received = next) {
        next = received->next;
        if (from == NULL || received->from == from)
            sw_body_free(pool, &received->body);
        else
            sw_held_keep(held, received);
    }
}

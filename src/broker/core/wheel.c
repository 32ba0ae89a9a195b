/* A hashed timer wheel: a timer's list is its time modulo one turn; timers of later turns are
 * skipped (wheel.h). */
#include "broker/core/wheel.h"

#include "base/deadline.h"

static sw_wheel_node *node_at(const sw_wheel *wheel, uint32_t index)
{
    return (sw_wheel_node *)(void *)((char *)sw_slab_at(wheel->slab, index) + wheel->offset);
}

/* Rounded up: a timer fires when its tick is over. */
static int64_t tick_of(int64_t at_us)
{
    return at_us / SW_WHEEL_TICK_US + 1;
}

static uint32_t *head_of(sw_wheel *wheel, int64_t at_us)
{
    /* An overdue timer goes where the wheel looks next. */
    int64_t tick = tick_of(at_us);
    return &wheel->heads[(uint64_t)(tick < wheel->tick ? wheel->tick : tick) % SW_WHEEL_SLOTS];
}

void sw_wheel_init(sw_wheel *wheel, const sw_slab *slab, size_t offset, int64_t now_us)
{
    wheel->slab = slab;
    wheel->offset = offset;
    wheel->tick = now_us / SW_WHEEL_TICK_US;
    wheel->earliest_us = SW_NEVER;
    wheel->running = 0;
    for (uint32_t i = 0; i < SW_WHEEL_SLOTS; i++)
        wheel->heads[i] = SW_NONE;
}

void sw_wheel_start(sw_wheel *wheel, uint32_t index, int64_t at_us)
{
    sw_wheel_stop(wheel, index);
    sw_wheel_node *node = node_at(wheel, index);
    if (tick_of(at_us) < wheel->tick)
        at_us = (wheel->tick - 1) * SW_WHEEL_TICK_US;
    uint32_t *head = head_of(wheel, at_us);
    *node = (sw_wheel_node){.at_us = at_us > 0 ? at_us : 1, .next = *head, .previous = SW_NONE};
    if (*head != SW_NONE)
        node_at(wheel, *head)->previous = index;
    *head = index;
    wheel->running++;
    int64_t fires_us = tick_of(at_us) * SW_WHEEL_TICK_US;
    if (fires_us < wheel->earliest_us)
        wheel->earliest_us = fires_us;
}

void sw_wheel_stop(sw_wheel *wheel, uint32_t index)
{
    sw_wheel_node *node = node_at(wheel, index);
    if (node->at_us == 0)
        return;
    if (node->previous == SW_NONE)
        wheel->heads[(uint64_t)tick_of(node->at_us) % SW_WHEEL_SLOTS] = node->next;
    else
        node_at(wheel, node->previous)->next = node->next;
    if (node->next != SW_NONE)
        node_at(wheel, node->next)->previous = node->previous;
    node->at_us = 0;
    wheel->running--;
}

/* The next tick with timers, which may belong to a later turn. */
static int64_t find_earliest(const sw_wheel *wheel)
{
    if (wheel->running == 0)
        return SW_NEVER;
    for (int64_t tick = wheel->tick; tick < wheel->tick + SW_WHEEL_SLOTS; tick++)
        if (wheel->heads[(uint64_t)tick % SW_WHEEL_SLOTS] != SW_NONE)
            return tick * SW_WHEEL_TICK_US;
    return SW_NEVER;
}

uint32_t sw_wheel_due(sw_wheel *wheel, int64_t now_us)
{
    if (now_us < wheel->earliest_us)
        return SW_NONE;
    int64_t last = now_us / SW_WHEEL_TICK_US;
    /* After a long pause, one turn visits every timer. */
    if (last - wheel->tick > (int64_t)SW_WHEEL_SLOTS)
        wheel->tick = last - (int64_t)SW_WHEEL_SLOTS;
    for (; wheel->tick <= last; wheel->tick++) {
        uint32_t index = wheel->heads[(uint64_t)wheel->tick % SW_WHEEL_SLOTS];
        while (index != SW_NONE) {
            sw_wheel_node *node = node_at(wheel, index);
            if (tick_of(node->at_us) <= last) {
                sw_wheel_stop(wheel, index);
                return index;
            }
            index = node->next;
        }
    }
    wheel->earliest_us = find_earliest(wheel);
    return SW_NONE;
}

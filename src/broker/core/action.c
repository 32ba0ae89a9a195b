/* The list of actions that the core asks its caller to carry out. */
#include "broker/core/state.h"

#include <stdlib.h>

sw_action *sw_core_action_add(sw_core *core, sw_action_kind kind)
{
    sw_actions *actions = kind <= SW_ACTION_ANSWER ? &core->to_clients : &core->to_workers;
    if (actions->count == actions->room) {
        size_t room = actions->room == 0 ? 64 : actions->room * 2;
        sw_action *items = realloc(actions->items, room * sizeof(*items));
        if (items == NULL)
            abort();
        actions->items = items;
        actions->room = room;
    }
    sw_action *action = &actions->items[actions->count++];
    *action = (sw_action){.kind = (uint8_t)kind};
    return action;
}

static bool take(sw_actions *actions, sw_action *action)
{
    if (actions->first == actions->count) {
        actions->first = actions->count = 0;
        return false;
    }
    *action = actions->items[actions->first++];
    return true;
}

bool sw_core_next_action(sw_core *core, sw_action *action)
{
    return take(&core->to_clients, action) || take(&core->to_workers, action);
}

bool sw_core_has_actions(const sw_core *core)
{
    return core->to_clients.first < core->to_clients.count || core->to_workers.first < core->to_workers.count;
}

sw_action *sw_core_action_add_for(sw_core *core, sw_action_kind kind, sw_core_worker *worker, int64_t now_us)
{
    sw_action *action = sw_core_action_add(core, kind);
    action->peer = worker->token;
    action->rpc = worker->rpc;
    action->framing = !worker->rpc ? SW_FRAMING_PLAIN : worker->compact ? SW_FRAMING_COMPACT : SW_FRAMING_MDP;
    worker->sent_us = now_us;
    return action;
}

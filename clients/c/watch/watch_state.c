/* The failure of a watch, and the kinds of events, see watch_state.h. */
#include "c/watch/watch_state.h"
#include "base/error.h"

const char *const sw_watch_kinds[SW_WATCH_KINDS] = {"state", "command", "log", "head"};

bool sw_watch_fail(sw_watch *watch, const sw_error *error)
{
    if (watch->error.code == SW_OK)
        watch->error = *error;
    return false;
}

bool sw_watch_fail_memory(sw_watch *watch)
{
    sw_error error;
    sw_fail(&error, SW_RESOURCE_EXHAUSTED, "out of memory");
    return sw_watch_fail(watch, &error);
}

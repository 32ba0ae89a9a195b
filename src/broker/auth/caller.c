/* The list of callers of an identity (caller.h). */
#include "broker/auth/caller.h"

void sw_caller_attach(sw_caller *caller, sw_identity *identity)
{
    caller->identity = identity;
    caller->same_previous = NULL;
    caller->same_next = identity->callers;
    if (identity->callers != NULL)
        identity->callers->same_previous = caller;
    identity->callers = caller;
}

void sw_caller_detach(sw_caller *caller)
{
    if (caller->identity == NULL)
        return;
    if (caller->same_next != NULL)
        caller->same_next->same_previous = caller->same_previous;
    *(caller->same_previous != NULL ? &caller->same_previous->same_next : &caller->identity->callers) =
        caller->same_next;
    caller->identity = NULL;
}

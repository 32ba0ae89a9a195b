/* Commands by name: see command.h. */
#include "cli/run/command.h"
#include <string.h>

const sw_command *sw_command_find(const sw_command_set *set, const char *name)
{
    for (const sw_command_group *g = set->groups; g->title != NULL; g++)
        for (const sw_command *c = g->commands; c->name != NULL; c++)
            if (strcmp(c->name, name) == 0)
                return c;
    return NULL;
}

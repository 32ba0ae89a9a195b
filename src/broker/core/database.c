/* Which timeline of their database the workers use. After a failover, a worker may still be
 * connected to the server that was replaced: it gets calls only if nobody else can serve them, and
 * learns with each that it must not write. */
#include "broker/core/state.h"

static sw_core_database *find(sw_core *core, uint64_t database)
{
    for (uint32_t i = 0; i < SW_CORE_DATABASES; i++)
        if (core->databases[i].database == database)
            return &core->databases[i];
    return NULL;
}

static sw_core_database *find_or_add(sw_core *core, uint64_t database)
{
    sw_core_database *known = find(core, database);
    if (known == NULL) {
        known = &core->databases[core->database_next++ % SW_CORE_DATABASES];
        *known = (sw_core_database){.database = database};
    }
    return known;
}

static void compare_all(sw_core *core, const sw_core_database *with)
{
    for (uint32_t i = 0; i < core->workers.top; i++) {
        sw_core_worker *worker = sw_slab_get(&core->workers, i);
        if (worker != NULL && worker->database == with->database)
            worker->behind = worker->timeline < with->timeline;
    }
}

void sw_core_database_note(sw_core *core, sw_core_worker *worker, uint64_t database, uint32_t timeline)
{
    worker->database = database;
    worker->timeline = timeline;
    worker->behind = false;
    if (database == 0)
        return;
    sw_core_database *known = find_or_add(core, database);
    worker->behind = timeline < known->timeline;
    if (timeline <= known->timeline)
        return;
    known->timeline = timeline;
    compare_all(core, known);
}

uint32_t sw_core_database_newest(const sw_core *core, const sw_core_worker *worker)
{
    const sw_core_database *known = find((sw_core *)core, worker->database);
    return known == NULL ? worker->timeline : known->timeline;
}

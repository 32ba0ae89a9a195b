/* Periodic statements of the store as messages of Stats (background.h). */
#include "service/background.h"

static Google__Protobuf__Timestamp *new_time(sw_arena *arena, int64_t us)
{
    Google__Protobuf__Timestamp *time = us == 0 ? NULL : sw_arena_alloc(arena, sizeof(*time));
    if (time != NULL) {
        google__protobuf__timestamp__init(time);
        time->seconds = us / 1000000;
        time->nanos = (int32_t)(us % 1000000 * 1000);
    }
    return time;
}

static Sw__BackgroundWork *new_work(sw_arena *arena, const sw_work_view *view)
{
    Sw__BackgroundWork *work = sw_arena_alloc(arena, sizeof(*work));
    if (work == NULL)
        return NULL;
    sw__background_work__init(work);
    work->has_runs = work->has_failures = work->has_failing = true;
    work->name = (char *)view->name;
    work->runs = view->runs;
    work->failures = view->failures;
    work->failing = view->failing;
    work->error = (char *)view->error;
    work->succeeded_at = new_time(arena, view->succeeded_us);
    return work;
}

void sw_background_add_stats(const sw_store *store, sw_arena *arena, Sw__GetStatsResponse *reply)
{
    const void *at = NULL;
    sw_work_view view;
    size_t count = 0;
    while (sw_store_each_work(store, &at, &view))
        count++;
    reply->background = sw_arena_alloc(arena, (count + 1) * sizeof(*reply->background));
    for (at = NULL; reply->background != NULL && sw_store_each_work(store, &at, &view);) {
        Sw__BackgroundWork *work = new_work(arena, &view);
        if (work == NULL)
            return;
        reply->background[reply->n_background++] = work;
    }
}

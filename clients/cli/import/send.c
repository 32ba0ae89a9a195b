/* Sends the rows of a plan: many calls at a time, each row after those that it refers to. */
#include "cli/import/import.h"

#include "base/clock.h"
#include "base/error.h"
#include "cli/run/interrupt.h"
#include <stdlib.h>
#include <string.h>

#define SLICE_MS 100 /* a signal is noticed this late; progress is drawn this often */

typedef struct sender sender;
typedef struct slot {
    sender *sender;
    uint32_t row;
    struct slot *next_free;
} slot;

struct sender {
    sw_import *import;
    slot *slots, *free;
    uint32_t in_flight, successes;
    /* Rows refused because they need something that a later row may create. They are sent again
     * at the end. */
    uint32_t *later, later_count;
};

static bool stopping(const sw_import *import)
{
    return import->interrupted || import->unreachable;
}

static void count_outcome(sw_import *import, const sw_row *row, const sw_reply *reply)
{
    sw_tally *tally = sw_import_plan_tally(import->plan, row->type);
    const char *outcome = "";
    for (size_t i = 0; reply != NULL && i < reply->trailer_count; i++)
        if (strcmp(reply->trailers[i].key, "sitewire-outcome") == 0)
            outcome = reply->trailers[i].value;
    if (strcmp(outcome, "unchanged") == 0)
        tally->unchanged++;
    else if (strcmp(outcome, "updated") == 0 || (import->dry_run && row->same_key != SW_NO_ROW))
        tally->updated++; /* in a dry run the earlier row was not stored */
    else
        tally->created++;
}

/* The request's `website.name` is the row's `name`. */
static void fail_row(sw_import *import, uint32_t at, const sw_error *error)
{
    sw_row *row = sw_import_plan_row(import->plan, at);
    sw_error shown = *error;
    size_t size = strlen(row->type->body->name);
    if (strncmp(shown.field, row->type->body->name, size) == 0 && shown.field[size] == '.')
        memmove(shown.field, shown.field + size + 1, strlen(shown.field + size + 1) + 1);
    sw_import_plan_tally(import->plan, row->type)->failed++;
    sw_import_fail(import, row->origin, row->type, row->key, &shown);
    import->finished++;
    sw_import_plan_finish(import->plan, at, false);
}

static void on_reply(const sw_reply *reply, void *context)
{
    slot *done = context;
    sender *s = done->sender;
    sw_import *import = s->import;
    uint32_t at = done->row;
    sw_row *row = sw_import_plan_row(import->plan, at);
    done->next_free = s->free;
    s->free = done;
    s->in_flight--;
    bool missing = reply->code == SW_FAILED_PRECONDITION;
    if (reply->code == SW_OK || (missing && import->dry_run && row->refers && !row->broken)) {
        /* In a dry run, a row that refers to another row of this import cannot find it; that is
         * not an error. */
        count_outcome(import, row, reply->code == SW_OK ? reply : NULL);
        s->successes++;
        import->finished++;
        sw_import_plan_finish(import->plan, at, true);
    } else if (missing && !import->dry_run && !row->last_try && !stopping(import)) {
        s->later[s->later_count++] = at;
    } else if (reply->code == SW_CANCELLED && stopping(import)) {
        row->state = SW_ROW_READY; /* neither done nor failed: counts as not sent */
    } else {
        fail_row(import, at, reply->error);
        import->unreachable = import->unreachable || reply->code == SW_UNAVAILABLE;
    }
}

static void start_row(sender *s, uint32_t at)
{
    sw_import *import = s->import;
    sw_row *row = sw_import_plan_row(import->plan, at);
    slot *use = s->free;
    use->row = at;
    row->retry_at = s->successes;
    sw_error error = {0};
    const char *given = sw_args_value(&import->cli->args, "reason");
    sw_metadata reason = {"reason", given != NULL ? given : "import"};
    sw_call_options options = {.size = sizeof options,
                               .timeout_ms = import->cli->timeout_ms,
                               .metadata = &reason,
                               .metadata_count = 1};
    sw_code code = sw_client_start_bytes(import->client, row->type->resource.update->path, row->request,
                                         row->size, &options, on_reply, use, NULL, &error);
    if (code != SW_OK) {
        fail_row(import, at, &error);
        return;
    }
    s->free = use->next_free;
    s->in_flight++;
    import->sent++;
}

/* Sends the refused rows again if anything was created since they were sent. If that holds for
 * none, sends each a last time, to report its error: errors of waiting rows are not kept. */
static void try_again(sender *s)
{
    uint32_t count = s->later_count, kept = 0;
    for (uint32_t i = 0; i < count; i++) {
        uint32_t at = s->later[i];
        if (sw_import_plan_row(s->import->plan, at)->retry_at < s->successes)
            sw_import_plan_again(s->import->plan, at);
        else
            s->later[kept++] = at;
    }
    s->later_count = kept;
    if (kept < count)
        return;
    for (uint32_t i = 0; i < count; i++) {
        sw_import_plan_row(s->import->plan, s->later[i])->last_try = true;
        sw_import_plan_again(s->import->plan, s->later[i]);
    }
    s->later_count = 0;
}

static void run(sender *s)
{
    sw_import *import = s->import;
    for (;;) {
        uint32_t row;
        while (!stopping(import) && s->free != NULL && (row = sw_import_plan_take(import->plan)) != SW_NO_ROW)
            start_row(s, row);
        if (s->in_flight == 0) {
            if (stopping(import))
                break;
            if (s->later_count > 0)
                try_again(s);
            else if (!sw_import_plan_break_circle(import->plan))
                break;
            continue;
        }
        sw_client_process(import->client, SLICE_MS);
        import->interrupted = import->interrupted || sw_cli_stopped();
        sw_import_progress(import, false);
    }
}

sw_code sw_import_send(sw_import *import, sw_error *error)
{
    sender s = {.import = import};
    s.slots = calloc(import->jobs, sizeof *s.slots);
    s.later = calloc(sw_import_plan_rows(import->plan) + 1, sizeof *s.later);
    if (s.slots == NULL || s.later == NULL) {
        free(s.slots);
        free(s.later);
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
    }
    for (uint32_t i = 0; i < import->jobs; i++) {
        s.slots[i] = (slot){.sender = &s, .next_free = s.free};
        s.free = &s.slots[i];
    }
    import->sending_us = sw_now_us();
    run(&s);
    free(s.slots);
    free(s.later);
    return SW_OK;
}

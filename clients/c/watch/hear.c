/* Judges and delivers what was heard, see hear.h. */
#include "c/watch/hear.h"
#include "base/clock.h"

#include <stdlib.h>
#include <string.h>

/* --- Delivery --- */

static char *put_text(char **at, sw_view text)
{
    char *begin = *at;
    if (text.size > 0)
        memcpy(begin, text.data, text.size);
    begin[text.size] = '\0';
    *at += text.size + 1;
    return begin;
}

static bool is_wanted(const sw_watch *watch, const sw_event_view *event)
{
    if (watch->deployment != 0 && event->deployment != watch->deployment)
        return false;
    for (size_t i = 0; i < SW_WATCH_KINDS; i++)
        if (sw_view_equal(event->kind, sw_view_of(sw_watch_kinds[i])))
            return watch->wanted[i];
    return false; /* a kind that only a newer service knows */
}

bool sw_watch_deliver(sw_watch *watch, const sw_event_view *view)
{
    if (!sw_sequence_take(&watch->sequence, view->project, view->position))
        return sw_watch_fail_memory(watch);
    if (!watch->dirty) {
        watch->dirty = true;
        int64_t due_us = sw_now_us() + SW_WATCH_CHECK_US;
        watch->check_us = due_us < watch->check_us ? due_us : watch->check_us;
    }
    if (!is_wanted(watch, view))
        return true;
    size_t size = view->project.size + view->kind.size + view->payload.size + 3;
    if (size > watch->text_size) {
        free(watch->text);
        watch->text_size = size * 2;
        if ((watch->text = malloc(watch->text_size)) == NULL) {
            watch->text_size = 0;
            return sw_watch_fail_memory(watch);
        }
    }
    char *at = watch->text;
    sw_event event = {.position = view->position,
                      .project = put_text(&at, view->project),
                      .project_sequence = view->project_sequence,
                      .deployment = view->deployment,
                      .kind = put_text(&at, view->kind),
                      .at_us = view->at_us,
                      .payload = put_text(&at, view->payload)};
    watch->delivered++;
    watch->fn(&event, watch->context);
    return true;
}

/* --- Judgement --- */

void sw_watch_miss(sw_watch *watch, int64_t from)
{
    if (watch->missing == SW_WATCH_NONE)
        watch->gaps++;
    if (from < watch->missing)
        watch->missing = from;
}

static bool is_head(const sw_event_view *event)
{
    return sw_view_equal(event->kind, SW_VIEW("head"));
}

/* Keeps a message until the fill is over. False if there is no room: a fill reads the event
 * later. */
static bool keep(sw_watch *watch, zmq_msg_t *body)
{
    if (watch->count == SW_WATCH_HEARD_MAX)
        return false;
    watch->waiting[(watch->first + watch->count++) % SW_WATCH_HEARD_MAX] = (sw_heard){*body, watch->fills};
    return true;
}

/* True if the event is dealt with. `covered`: a fill has read everything before it, and perhaps
 * the event itself. */
static bool judge(sw_watch *watch, const sw_event_view *event, bool covered)
{
    int64_t mark = sw_sequence_mark(&watch->sequence, event->project);
    if (is_head(event)) {
        if (event->position > mark && !covered)
            sw_watch_miss(watch, mark);
        return true;
    }
    sw_sequence_verdict verdict =
        sw_sequence_judge(&watch->sequence, event->project, event->position, event->previous_position);
    if (verdict == SW_SEQUENCE_GAP && !covered) {
        sw_watch_miss(watch, mark);
        return false;
    }
    if (verdict != SW_SEQUENCE_OLD) /* what a fill did not find exists no more */
        sw_watch_deliver(watch, event);
    return true;
}

void sw_watch_hear(sw_watch *watch, zmq_msg_t *body)
{
    sw_event_view event;
    bool waits = !watch->ready || watch->call == SW_WATCH_FILLING || watch->missing != SW_WATCH_NONE ||
                 watch->count > 0;
    bool known = sw_event_decode((sw_view){zmq_msg_data(body), zmq_msg_size(body)}, &event);
    if (known && (waits || !judge(watch, &event, false)) && keep(watch, body))
        return;
    zmq_msg_close(body);
}

void sw_watch_hear_waiting(sw_watch *watch)
{
    while (watch->count > 0 && watch->missing == SW_WATCH_NONE && watch->error.code == SW_OK) {
        sw_heard *next = &watch->waiting[watch->first];
        sw_event_view event;
        sw_event_decode((sw_view){zmq_msg_data(&next->body), zmq_msg_size(&next->body)}, &event);
        if (!judge(watch, &event, next->fill < watch->fills))
            return;
        zmq_msg_close(&next->body);
        watch->first = (watch->first + 1) % SW_WATCH_HEARD_MAX;
        watch->count--;
    }
}

/* Events as text: see event_text.h. */
#include "cli/deploy/event_text.h"
#include "cli/schema/output.h"
#include "cli/schema/value.h"
#include "cli/term/grid.h"
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void sw_event_time(char text[SW_TIME_TEXT_SIZE], int64_t at_us)
{
    if (!sw_timestamp_print(at_us / 1000000, (int32_t)(at_us / 1000 % 1000 * 1000000), text))
        *text = '\0';
}

void sw_span_text(char text[SW_SPAN_TEXT_SIZE], int64_t us)
{
    long long seconds = us > 0 ? us / 1000000 : 0;
    if (seconds < 60)
        snprintf(text, SW_SPAN_TEXT_SIZE, "%lld.%lld s", seconds, us > 0 ? (long long)us / 100000 % 10 : 0);
    else if (seconds < 3600)
        snprintf(text, SW_SPAN_TEXT_SIZE, "%lld:%02lld", seconds / 60, seconds % 60);
    else
        snprintf(text, SW_SPAN_TEXT_SIZE, "%lld:%02lld:%02lld", seconds / 3600, seconds / 60 % 60,
                 seconds % 60);
}

/* Text that people wrote must not control the terminal. */
static void print_with(const char *before, const char *text)
{
    if (*text == '\0')
        return;
    fputs(before, stdout);
    sw_print_safe(text);
}

static void print_state(const json_t *payload)
{
    const char *from = sw_json_text(payload, "from");
    if (json_is_true(json_object_get(payload, "abort")))
        fputs("an abort was requested", stdout);
    else if (strcmp(from, sw_json_text(payload, "status")) == 0)
        fputs("an approval was given", stdout);
    else
        printf("%s%s%s", from, *from != '\0' ? " -> " : "", sw_json_text(payload, "status"));
    print_with(" by ", sw_json_text(payload, "by"));
    print_with(" on ", sw_json_text(payload, "runner"));
    print_with(": ", sw_json_text(payload, "failure"));
}

char *sw_attempt_text(const json_t *attempt)
{
    const json_t *exit_code = json_object_get(attempt, "exit_code"),
                 *signal = json_object_get(attempt, "signal");
    const char *failure = sw_json_text(attempt, "failure"), *how = "failed";
    char number[40] = "", *text = NULL;
    if (*sw_json_text(attempt, "finished_at") == '\0')
        how = "begun";
    else if (json_is_true(json_object_get(attempt, "timed_out")))
        how = "timed out";
    else if (exit_code != NULL && !json_is_null(exit_code))
        snprintf(number, sizeof(number), "exit status %" PRIu64, sw_json_number(attempt, "exit_code"));
    else if (signal != NULL && !json_is_null(signal))
        snprintf(number, sizeof(number), "ended by signal %" PRIu64, sw_json_number(attempt, "signal"));
    char *safe = sw_text_safe(failure, false);
    if (safe == NULL ||
        asprintf(&text, "%s%s%s", *number != '\0' ? number : how, *failure != '\0' ? ": " : "", safe) < 0)
        text = NULL;
    free(safe);
    return text;
}

static void print_command(const json_t *payload)
{
    char *text = sw_attempt_text(payload);
    printf("command %" PRIu64 " (%s), attempt %" PRIu64 ": %s", sw_json_number(payload, "command"),
           sw_json_text(payload, "step"), sw_json_number(payload, "attempt"), text != NULL ? text : "");
    free(text);
}

/* Output of several commands or streams can be announced together: then it names none. */
static void print_log(const json_t *payload)
{
    const char *stream = sw_json_text(payload, "stream");
    if (sw_json_number(payload, "command") > 0)
        printf("command %" PRIu64 ", attempt %" PRIu64 ": ", sw_json_number(payload, "command"),
               sw_json_number(payload, "attempt"));
    printf("%" PRIu64 " bytes of %s at %" PRIu64, sw_json_number(payload, "size"),
           *stream != '\0' ? stream : "output", sw_json_number(payload, "offset"));
}

void sw_event_print(const char *kind, const json_t *payload)
{
    static const struct {
        const char *kind;
        void (*print)(const json_t *payload);
    } kinds[] = {{"state", print_state}, {"command", print_command}, {"log", print_log}};
    for (size_t i = 0; i < sizeof(kinds) / sizeof(*kinds); i++)
        if (strcmp(kind, kinds[i].kind) == 0)
            kinds[i].print(payload);
    putchar('\n');
}

void sw_event_print_json(const sw_event *event, json_t *payload, const char *cursor)
{
    char at[SW_TIME_TEXT_SIZE];
    sw_event_time(at, event->at_us);
    json_t *line =
        json_pack("{s:I,s:s,s:I,s:I,s:s,s:s,s:O?}", "position", (json_int_t)event->position, "project",
                  event->project, "project_sequence", (json_int_t)event->project_sequence, "deployment",
                  (json_int_t)event->deployment, "kind", event->kind, "at", at, "payload", payload);
    if (cursor != NULL)
        json_object_set_new(line, "cursor", json_string(cursor));
    sw_print_json_line(line);
    json_decref(line);
}

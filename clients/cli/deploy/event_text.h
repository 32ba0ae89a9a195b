/* Events of deployments as text and as JSON. Used by watch, and by the commands that follow a
 * deployment. */
#ifndef SW_CLI_DEPLOY_EVENT_TEXT_H
#define SW_CLI_DEPLOY_EVENT_TEXT_H

#include "c/json/json_value.h"
#include <jansson.h>
#include <sitewire/watch.h>

/* `2026-11-24T10:00:00.123Z` */
void sw_event_time(char text[SW_TIME_TEXT_SIZE], int64_t at_us);
/* Prints what the event says: `ACCEPTED -> IN_PROGRESS by r@example.org on r1`. */
void sw_event_print(const char *kind, const json_t *payload);
/* How an attempt ended, from its event or its result: `exit status 1`, `begun`. malloc'ed. */
char *sw_attempt_text(const json_t *attempt);
/* `0.4 s`, `1:05`, `2:00:09` */
#define SW_SPAN_TEXT_SIZE 32
void sw_span_text(char text[SW_SPAN_TEXT_SIZE], int64_t us);
/* Prints the event as one line of JSON, with the cursor unless it is NULL. */
void sw_event_print_json(const sw_event *event, json_t *payload, const char *cursor);

#endif

/* Log lines of programs, on stderr: one line per thing that happened, key=value or JSON. Libraries
 * never log.
 */
#ifndef SW_BASE_LOG_H
#define SW_BASE_LOG_H

#include <stdbool.h>

typedef enum { SW_LOG_ERROR, SW_LOG_WARNING, SW_LOG_INFO, SW_LOG_DEBUG } sw_log_level;

/* Once, at start: `program` names the lines. */
void sw_log_open(const char *program, sw_log_level level, bool json);

/* sw_log(SW_LOG_INFO, "worker lost", "instance", name, "in_flight", "12", NULL): an event and then
 * pairs of key and value, both strings (a NULL value ends nothing: it prints as empty; a NULL key
 * ends the list). */
void sw_log(sw_log_level level, const char *event, ...) __attribute__((sentinel));

/* The same for events that a peer can provoke: of each event, ten lines a second are written, and
 * the next line says how many were left out (suppressed=N). `event` has static storage. One
 * thread. */
void sw_log_limited(sw_log_level level, const char *event, ...) __attribute__((sentinel));
/* Gives it a timerfd, which is lent; -1: none. It runs out when lines were left out and should be
 * counted: then call the function below. */
void sw_log_limited_open(int timer);
/* Writes a line with the count for each event whose last lines were left out. */
void sw_log_limited_idle(void);

/* "error" "warning" "info" "debug"; false if it is none of them. */
bool sw_log_level_parse(const char *text, sw_log_level *level);

#endif

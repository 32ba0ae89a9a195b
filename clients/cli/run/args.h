/* Words and flags of a command line, by a const table of flags. Used by cli.c for every command, by help and
 * by completion. */
#ifndef SW_CLI_ARGS_H
#define SW_CLI_ARGS_H

#include <sitewire/status.h>
#include <stddef.h>
#include <stdint.h>

/* One flag: `--name`, or with an argument `--name VALUE`, `--name=VALUE`, `-l VALUE`. A table ends with a
 * NULL name. A flag may be given several times; the last one counts where one is expected. */
typedef struct sw_flag {
    const char *name;
    char letter;          /* short form, or 0 */
    const char *argument; /* its name in --help, such as "N"; NULL: a switch */
    const char *help;     /* one line */
} sw_flag;

typedef struct sw_given {
    const sw_flag *flag;
    const char *value; /* NULL for a switch */
} sw_given;

/* A parsed command line. The texts are those of argv. */
typedef struct sw_args {
    size_t word_count, given_count;
    const char **words;
    sw_given *given;
} sw_args;

/* Flags may stand anywhere; `--` makes words of all that follows, `-` is a word. Two tables: the command's
 * own (or NULL) and the global one. INVALID_ARGUMENT names the flag. Free with sw_args_free. */
sw_code sw_args_parse(int argc, char *const *argv, const sw_flag *own, const sw_flag *global, sw_args *args,
                      sw_error *error);
void sw_args_free(sw_args *args);

bool sw_args_has(const sw_args *args, const char *flag);
/* The last value of a flag, or NULL. */
const char *sw_args_value(const sw_args *args, const char *flag);
/* The i-th value of a flag that may be given several times; NULL past the end. */
const char *sw_args_value_at(const sw_args *args, const char *flag, size_t i);

/* A flag's number, or `fallback` if it was not given. INVALID_ARGUMENT names flag and range. */
sw_code sw_args_number(const sw_args *args, const char *flag, int64_t minimum, int64_t maximum,
                       int64_t fallback, int64_t *value, sw_error *error);
/* A flag's duration (`250ms`, `5s`, `2m`, `1h`, `30d`; a bare number is seconds) in milliseconds, `minimum` at least; or
 * `fallback` if it was not given. */
sw_code sw_args_duration_ms(const sw_args *args, const char *flag, int64_t minimum, int64_t fallback,
                            int64_t *value, sw_error *error);
bool sw_duration_parse_ms(const char *text, int64_t *value);

#define SW_TIME_TEXT 64
/* A flag's time as RFC 3339, or "" if it was not given: such a time itself, a date (its beginning, UTC), or a duration: so long
 * ago. INVALID_ARGUMENT says what can be given; whether a time is one is left to who reads it. */
sw_code sw_args_time(const sw_args *args, const char *flag, char text[SW_TIME_TEXT], sw_error *error);

#endif

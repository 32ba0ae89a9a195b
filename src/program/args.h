/* Words and flags of a command line, by const tables of flags. The one parser of command lines:
 * used by the command line (cli/run) for every command and by configuration.c for every server
 * program. */
#ifndef SW_BASE_ARGS_H
#define SW_BASE_ARGS_H

#include <sitewire/status.h>
#include <stdbool.h>
#include <stddef.h>

/* One flag: `--name`, or with an argument `--name VALUE`, `--name=VALUE`, `-l VALUE`. A table ends
 * with a NULL name. A flag may be given several times; the last one counts where one is
 * expected. */
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

/* Parses `argc` arguments, without the program's name. Flags may stand anywhere; after `--`
 * everything is a word, and `-` is a word. Two tables: the command's own (or NULL) and the global
 * one (or NULL). INVALID_ARGUMENT names the flag and similar ones. Free with sw_args_free, also
 * after a failure. */
sw_code sw_args_parse(int argc, char *const *argv, const sw_flag *own, const sw_flag *global, sw_args *args,
                      sw_error *error);
void sw_args_free(sw_args *args);

bool sw_args_has(const sw_args *args, const char *flag);
/* The last value of a flag, or NULL. */
const char *sw_args_value(const sw_args *args, const char *flag);
/* The i-th value of a flag that may be given several times; NULL past the end. */
const char *sw_args_value_at(const sw_args *args, const char *flag, size_t i);

#endif

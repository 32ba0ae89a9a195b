/* One option of a program: a row of a const table with its name, type, default and help. A flag
 * `--queue-bytes`, a variable SITEWIRE_QUEUE_BYTES and a line of a --config file are the same
 * option. Used by configuration.c, which reads them, and by the programs, which declare them. */
#ifndef SW_BASE_OPTION_H
#define SW_BASE_OPTION_H

#include <sitewire/status.h>
#include <stdbool.h>
#include <stdint.h>

typedef enum {
    SW_OPTION_STRING, /* const char * */
    SW_OPTION_NUMBER, /* int64_t */
    SW_OPTION_CHOICE, /* const char *: one of the words in `unit`, such as "on|off" */
    SW_OPTION_SWITCH  /* bool; a flag without a value, and no variable */
} sw_option_type;

/* What SIGHUP does about a changed value. */
typedef enum {
    SW_RESTART, /* reports that it needs a restart */
    SW_LIVE     /* uses it in the running program */
} sw_option_change;

/* The flag is `--name value`, `--name=value` or `-l value`. Numbers take a suffix of their unit:
 * `64K`, `1M`, `2G` for "bytes"; `5s`, `2min`, `1h`, `1d` for "ms". A table ends with a NULL
 * name. */
typedef struct sw_option {
    const char *name; /* kebab-case */
    char letter;      /* short flag, or 0 */
    sw_option_type type;
    void *value;              /* a variable of the type above; a text lives as long as the configuration */
    const char *fallback;     /* default in text form; NULL: the variable is left as it is */
    int64_t minimum, maximum; /* for numbers */
    const char *unit;         /* shown in --help: "ms", "bytes", "FILE"; the words of a choice; or NULL */
    const char *help;         /* one line */
    sw_option_change change;  /* SW_LIVE needs a fallback */
} sw_option;

#define SW_OPTION_VARIABLE_SIZE 64

/* The name of its variable: SITEWIRE_ and its name in capitals, with _ for -. */
void sw_option_variable(const sw_option *option, char text[SW_OPTION_VARIABLE_SIZE]);
/* The index of the option of that name, or -1. */
int sw_option_find(const sw_option *options, const char *name);
/* The index of the option whose variable has that name, or -1. */
int sw_option_find_variable(const sw_option *options, const char *variable);

/* Whether `text` can be the option's value. INVALID_ARGUMENT begins with `from` (where the text
 * stands) and says what can be given instead. */
sw_code sw_option_check(const sw_option *option, const char *text, const char *from, sw_error *error);
/* Puts a text that was checked into the option's variable. */
void sw_option_store(const sw_option *option, const char *text);

/* The options part of --help, aligned, with defaults and variables, on stdout. */
void sw_options_print(const sw_option *options);

#endif

/* Options of a program: one const table; flags over environment over file. Used by every program's main. */
#ifndef SW_BASE_OPTION_H
#define SW_BASE_OPTION_H

#include <sitewire/status.h>
#include <stdint.h>

typedef enum { SW_OPTION_STRING, SW_OPTION_NUMBER, SW_OPTION_BOOL } sw_option_type;

/* One option. The flag is `--name`, `--name=value` or `--name value` (a bool takes `--name` or
 * `--name=false`); in a file it is a line `name = value`, # at its start a comment. Numbers take a suffix
 * after the unit: `64K`, `1M`, `2G` for "bytes", `5s`, `1min`, `2h` for "ms". */
typedef struct sw_option {
    const char *name; /* kebab-case */
    char letter;      /* short flag, or 0 */
    sw_option_type type;
    void *value;              /* const char ** (lives as long as the process), int64_t * or bool * */
    const char *environment;  /* name of the environment variable, or NULL */
    const char *fallback;     /* default in text form, or NULL */
    int64_t minimum, maximum; /* for numbers */
    const char *unit;         /* shown in --help: "ms", "bytes", "NAME", or NULL */
    const char *help;         /* one line */
} sw_option;

/* Fills the values of `options` (ended by a NULL name) from defaults, the file named by a `--config FILE`
 * flag, environment and flags. On return *arguments is the index in argv of the first word that is no option
 * (argv is permuted so that all such words come last; `--` ends the options). An empty environment variable
 * counts as unset.
 * `--config` need not be in the table. INVALID_ARGUMENT names the option and the remedy. */
sw_code sw_options_parse(const sw_option *options, int argc, char **argv, int *arguments, sw_error *error);

/* The options part of --help, aligned, with defaults and environment variables, on stdout. */
void sw_options_print(const sw_option *options);

/* One line `name = value` for each, for --check-config: a file that --config reads. What only makes sense as
 * a flag (help, version, check-config, config) is left out, and so are strings that are not set. */
void sw_options_dump(const sw_option *options);

#endif

/* What a program's options are set to, and by what: flags win over variables, those over the
 * --config file, that over defaults. Used by program.c. docs/configuration.md tells users. */
#ifndef SW_BASE_CONFIGURATION_H
#define SW_BASE_CONFIGURATION_H

#include "program/option.h"
#include <stddef.h>

typedef struct sw_configuration sw_configuration;

/* Reads flags, variables and the file that a flag --config names. Stores nothing yet. `table` and
 * argv live as long as the result. A variable or line with an empty value counts as not set. Words
 * that are no flags are refused. With a flag --help or --version neither variables nor the file are
 * read.
 *
 * The file has the grammar of env_file.h. Its SITEWIRE_ names must be options of the table;
 * INVALID_ARGUMENT names one that is not. All other variables are the libraries' (PGPASSWORD ...):
 * see sw_configuration_export. FAILED_PRECONDITION if the file cannot be read, or if it holds a
 * password and others can read it; RESOURCE_EXHAUSTED without memory. *result is then NULL.
 * Messages never contain a password. */
sw_code sw_configuration_read(const sw_option *table, int argc, char **argv, sw_configuration **result,
                              sw_error *error);
/* Wipes the file's text. Texts stored into variables are gone with it. */
void sw_configuration_destroy(sw_configuration **configuration);
/* Reads the same flags, variables and file again. The result has texts of its own for live
 * options, so that sw_configuration_adopt cannot fail. */
sw_code sw_configuration_reread(const sw_configuration *configuration, sw_configuration **result,
                                sw_error *error);

/* Stores the values into the variables of the table. */
void sw_configuration_store(const sw_configuration *configuration);
/* Puts the file's variables that are not ours into the environment, but not over those that are
 * there. */
sw_code sw_configuration_export(const sw_configuration *configuration, sw_error *error);

/* The winning text of the option with index i, or NULL if nobody set it. */
const char *sw_configuration_text(const sw_configuration *configuration, int i);
/* Where it comes from: "the command line", the variable's name, "FILE:LINE" or "the default". */
void sw_configuration_source(const sw_configuration *configuration, int i, char *text, size_t size);

/* Calls fn for each line of the file that a variable overrides with another value. */
typedef void sw_overridden_fn(void *context, const char *variable, const char *line);
void sw_configuration_overridden(const sw_configuration *configuration, sw_overridden_fn *fn, void *context);

/* Whether the file's variables that are not ours differ. */
bool sw_configuration_exports_differ(const sw_configuration *a, const sw_configuration *b);
/* Takes over from `from`, a result of sw_configuration_reread, what the live option with index i is
 * set to, and stores it. */
void sw_configuration_adopt(sw_configuration *configuration, sw_configuration *from, int i);

/* All settings on stdout, as a --config file could have them, each with its source; passwords are
 * hidden. */
void sw_configuration_print(const sw_configuration *configuration);

#endif

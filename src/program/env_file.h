/* Files of variables in the grammar of systemd's EnvironmentFile= (systemd.exec(5)). Used for
 * `--config FILE` of every program and `--secrets FILE` of the runner. docs/configuration.md
 * describes the grammar to users.
 *
 * Where systemd would drop something without a word (a line without `=`, a name that is not one, a
 * quote that nobody closes), this reader fails and names the line. What it accepts means the same
 * to systemd. */
#ifndef SW_BASE_ENV_FILE_H
#define SW_BASE_ENV_FILE_H

#include <sitewire/status.h>
#include <stdbool.h>
#include <stddef.h>

/* A reader over a text. Plain data. */
typedef struct sw_env_file {
    const char *path; /* for messages */
    char *at;         /* the next byte */
    int line;         /* that it stands in, from 1 */
} sw_env_file;

/* Reads a NUL-terminated text, which is decoded where it stands: it must live as long as the names
 * and values, and whoever owns it wipes it if it holds secrets. */
void sw_env_file_open(sw_env_file *file, const char *path, char *text);

/* The next variable. *name is NULL at the end. *line is the line of its name. FAILED_PRECONDITION
 * names path, line and what to write instead; a message never contains a value. */
sw_code sw_env_file_next(sw_env_file *file, const char **name, const char **value, int *line,
                         sw_error *error);

/* Whether a text is a name of a variable: letters, digits and _, no digit first. */
bool sw_env_name_is_valid(const char *name);

#endif

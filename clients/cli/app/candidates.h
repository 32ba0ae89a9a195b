/* What completion offers for the last word of a line: each function prints the candidates of one
 * kind that begin like that word. They come from Reflection and from the registry, within
 * SW_COMPLETION_MS; without services there are none. Used by completion.c. */
#ifndef SW_CLI_APP_CANDIDATES_H
#define SW_CLI_APP_CANDIDATES_H

#include "cli/run/cli.h"
#include "cli/schema/resource.h"

#define SW_COMPLETION_WORDS 128
#define SW_COMPLETION_MS    400 /* a shell must not hang; fewer candidates are better */

/* The line to complete. Its last word may be empty. */
typedef struct sw_completion_line {
    sw_cli *cli;
    char *text;
    char *words[SW_COMPLETION_WORDS];
    size_t count;
    const char *last;
    const sw_schema *schema; /* NULL until sw_candidates_schema */
} sw_completion_line;

/* Reads the schema at first use; false if there is none. */
bool sw_candidates_schema(sw_completion_line *l);
/* Prints `before`, `text` and `after` as one candidate, if the last word is how it begins. */
void sw_candidate(const sw_completion_line *l, const char *before, const char *text, const char *after);

void sw_candidates_resources(sw_completion_line *l);
/* The codes of a resource that begin with `prefix`, each after `before`. A key of several parts is
 * completed as a whole. */
void sw_candidates_codes(sw_completion_line *l, const sw_schema_resource *resource, const char *before,
                         const char *prefix);
/* `field=`, and after it values: true and false, the names of an enum, the codes of the resource
 * referred to. `sets`: only fields that create and update can set. */
void sw_candidates_assignment(sw_completion_line *l, const sw_schema_resource *resource, bool sets);
/* The fields of a list a,b,-c. */
void sw_candidates_fields(sw_completion_line *l, const sw_schema_resource *resource);
void sw_candidates_methods(sw_completion_line *l);
/* The running processes, each with an @. */
void sw_candidates_instances(sw_completion_line *l);
/* IDs of deployments, newest first. */
void sw_candidates_deployments(const sw_completion_line *l);
/* The value of a flag that takes the code of a resource. */
void sw_candidates_flag_codes(sw_completion_line *l, const char *flag);

#endif

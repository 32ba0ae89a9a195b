/* The configuration of a runner. Filled in by main.c, read by everything else. */
#ifndef SW_RUNNER_SETTINGS_H
#define SW_RUNNER_SETTINGS_H

#include "runner/attempt.h" /* sw_attempt_limits */

#define SW_RUNNER_FILTER_MAX 256 /* codes of one kind */

/* A comma-separated list. */
typedef struct sw_codes {
    char *text; /* what the codes point into */
    char *codes[SW_RUNNER_FILTER_MAX];
    size_t count;
} sw_codes;

typedef struct sw_settings {
    const char *name;      /* of the runner; a code */
    const char *directory; /* where commands run: a path with {docroot} and {environment} */
    const char *user;      /* the user that commands run as; "": the runner's own */
    const char *path;      /* PATH of commands */
    const char *secrets;   /* the file of secrets, or "" */
    sw_codes environments, docroots, projects;
    int64_t jobs;     /* deployments at once */
    int64_t lease_ms; /* of each deployment */
    int64_t poll_ms;  /* between two claims when no event comes */
    sw_attempt_limits limits;
} sw_settings;

#endif

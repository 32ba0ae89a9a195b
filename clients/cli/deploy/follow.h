/* A deployment as it happens: its events, and its output in step with them, until it is over. Used by deploy --wait, rollback
 * --wait and logs; what lies behind is a watch of libsitewire and Deployments/ReadLog. */
#ifndef SW_CLI_DEPLOY_FOLLOW_H
#define SW_CLI_DEPLOY_FOLLOW_H

#include "cli/run/cli.h"
#include "sitewire/deployment/v1/deployment.pb-c.h"
#include <sitewire/watch.h>

/* What is followed, and who is told. What callbacks get is lent for the call. */
typedef struct sw_follow {
    int64_t deployment;
    const char *project; /* its project */
    int64_t offset;      /* of the output: from this byte on */
    int32_t command;     /* output of this command only; 0: of all */
    int64_t latest; /* > 0: output may be left out, except for about so many of the last bytes there are */
    void (*on_event)(const sw_event *event, const json_t *payload,
                     void *context); /* of a state or a command, or NULL */
    void (*on_output)(const Sw__DeploymentLog *chunk, void *context);
    void (*on_look)(const char *trouble,
                    void *context); /* a few times a second, or NULL; trouble: NULL, or what is wrong */
    void *context;
} sw_follow;

/* How it ended. */
typedef struct sw_outcome {
    char status[32]; /* DONE, FAILED, ABORTED; "" if it is not over */
    char failure[SW_ERROR_MESSAGE_SIZE / 2];
} sw_outcome;

/* From its first event on, until it is over and all of its output was given; earlier, with an empty outcome, if a signal came or
 * stdout is gone. What was written before an event is given before that event. Goes on over restarts of everything; fails if the
 * caller may not read it any more, say. */
sw_code sw_follow_run(sw_cli *cli, const sw_follow *follow, sw_outcome *outcome, sw_error *error);

/* The output that is there already, and no more. Only on_output is called. */
sw_code sw_follow_read(sw_cli *cli, const sw_follow *follow, sw_error *error);

/* For on_look: tells of trouble on stderr, once; *told is whether it was. The flow goes on by itself. */
void sw_follow_complain(const char *trouble, bool *told);

/* DONE, FAILED or ABORTED. */
bool sw_status_is_final(const char *status);

#endif

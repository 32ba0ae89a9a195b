/* A snapshot of all processes: what Stats and Health of every broker and instance report. Used
 * by status. */
#ifndef SW_CLI_SYSTEM_SNAPSHOT_H
#define SW_CLI_SYSTEM_SNAPSHOT_H

#include "cli/run/cli.h"

#define SW_SNAPSHOT_PROCESSES 256

typedef struct sw_snapshot_process {
    char *name; /* instance; or endpoint, for a broker that does not answer */
    bool is_broker;
    json_t *stats;   /* GetStatsResponse, or NULL */
    char health[96]; /* SERVING, or the reason why not */
} sw_snapshot_process;

typedef struct sw_snapshot {
    int64_t at_us; /* monotonic */
    size_t count;
    sw_snapshot_process processes[SW_SNAPSHOT_PROCESSES];
} sw_snapshot;

/* Asks all processes. One that does not answer is in the snapshot, with the reason. If no broker
 * answers, returns the code of the first. Free with sw_snapshot_free in any case. */
sw_code sw_snapshot_take(sw_cli *cli, sw_snapshot *snapshot, sw_error *error);
void sw_snapshot_free(sw_snapshot *snapshot);
const sw_snapshot_process *sw_snapshot_find(const sw_snapshot *snapshot, const char *name);

#endif

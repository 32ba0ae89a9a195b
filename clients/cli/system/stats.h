/* One look at all processes: what Stats and Health of every broker and of every instance say. Used by status.
 */
#ifndef SW_CLI_SAMPLE_H
#define SW_CLI_SAMPLE_H

#include "cli/run/cli.h"

#define SW_SAMPLE_PROCESSES 256

typedef struct sw_process {
    char *name; /* instance, or the endpoint of a broker that does not answer */
    bool is_broker;
    json_t *stats;   /* GetStatsResponse, or NULL */
    char health[96]; /* SERVING, or why not */
} sw_process;

typedef struct sw_sample {
    int64_t at_us; /* monotonic */
    size_t count;
    sw_process processes[SW_SAMPLE_PROCESSES];
} sw_sample;

/* Asks all. A process that does not answer is in the sample, with the reason. The outcome is that of the
 * first broker that failed, if none answered. `sample` is freed with sw_sample_free in any case. */
sw_code sw_sample_take(sw_cli *cli, sw_sample *sample, sw_error *error);
void sw_sample_free(sw_sample *sample);
const sw_process *sw_sample_find(const sw_sample *sample, const char *name);

#endif

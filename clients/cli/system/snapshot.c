/* The state of all processes: see snapshot.h. Each broker is asked by a client of its own, each
 * instance through the first broker that knows it. */
#include "cli/system/snapshot.h"
#include "base/clock.h"
#include "base/error.h"
#include "cli/run/interrupt.h"
#include <stdlib.h>
#include <string.h>

#define ASK_MS 1500

const sw_snapshot_process *sw_snapshot_find(const sw_snapshot *snapshot, const char *name)
{
    for (size_t i = 0; i < snapshot->count; i++)
        if (snapshot->processes[i].name != NULL && strcmp(snapshot->processes[i].name, name) == 0)
            return &snapshot->processes[i];
    return NULL;
}

void sw_snapshot_free(sw_snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        free(snapshot->processes[i].name);
        json_decref(snapshot->processes[i].stats);
    }
    snapshot->count = 0;
}

static sw_code ask(sw_cli *cli, const char *method, const char *destination, json_t **reply, sw_error *error)
{
    sw_call_options options = {.size = sizeof(options),
                               .destination = destination,
                               .no_retry = true,
                               .timeout_ms = cli->timeout_ms > 0 ? cli->timeout_ms : ASK_MS};
    return sw_cli_call(cli, method, NULL, &options, reply, error);
}

/* Adds the stats and health of one process, under the name that it reports, else `name`. */
static sw_code look(sw_cli *cli, const char *name, const char *destination, sw_snapshot *snapshot,
                    sw_error *error)
{
    if (snapshot->count == SW_SNAPSHOT_PROCESSES)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "more than %d processes", SW_SNAPSHOT_PROCESSES);
    sw_snapshot_process *process = &snapshot->processes[snapshot->count++];
    json_t *health = NULL;
    sw_error why = {0};
    *process = (sw_snapshot_process){.is_broker = destination == NULL};
    sw_code code = ask(cli, "/sitewire.rpc.v1.Stats/GetStats", destination, &process->stats, &why);
    const char *instance = json_string_value(json_object_get(process->stats, "instance"));
    process->name = strdup(instance != NULL && *instance != '\0' ? instance : name);
    if (code == SW_OK)
        code = ask(cli, "/sitewire.rpc.v1.Health/Check", destination, &health, &why);
    const char *status = json_string_value(json_object_get(health, "status"));
    const char *reason = json_string_value(json_object_get(health, "reason"));
    if (code != SW_OK)
        snprintf(process->health, sizeof(process->health), "%s: %.70s", sw_code_name(code), why.message);
    else
        snprintf(process->health, sizeof(process->health), "%.20s%s%.70s",
                 status != NULL ? status : "UNKNOWN", reason != NULL && *reason != '\0' ? ": " : "",
                 reason != NULL ? reason : "");
    json_decref(health);
    if (code != SW_OK && error != NULL)
        *error = why;
    return code;
}

static void look_at_instances(sw_cli *cli, const json_t *broker, sw_snapshot *snapshot)
{
    size_t index;
    json_t *item;
    json_array_foreach(json_object_get(broker, "instances"), index, item)
    {
        const char *name = json_string_value(json_object_get(item, "instance"));
        char destination[160];
        if (name == NULL || sw_snapshot_find(snapshot, name) != NULL ||
            snprintf(destination, sizeof(destination), "@%s", name) >= (int)sizeof(destination))
            continue;
        look(cli, name, destination, snapshot, NULL);
    }
}

sw_code sw_snapshot_take(sw_cli *cli, sw_snapshot *snapshot, sw_error *error)
{
    sw_client *client;
    sw_code code = sw_cli_client(cli, &client, error), first = SW_OK;
    const char *all = cli->endpoints;
    bool answered = false;
    *snapshot = (sw_snapshot){.at_us = sw_now_us()};
    if (code != SW_OK)
        return code;
    sw_cli_renew_deadline(cli); /* with --watch there are several */
    bool several = strchr(all, ',') != NULL;
    for (const char *p = all; *p != '\0' && !sw_cli_stopped();) {
        size_t length = strcspn(p, ",");
        char *endpoint = strndup(p, length);
        sw_cli one = *cli;
        sw_error why = {0};
        if (endpoint == NULL)
            return sw_fail(error, SW_RESOURCE_EXHAUSTED, "out of memory");
        if (several) {
            one.endpoints = endpoint;
            one.client = NULL;
        }
        code = look(&one, endpoint, NULL, snapshot, &why);
        if (code == SW_OK) {
            answered = true;
            look_at_instances(&one, snapshot->processes[snapshot->count - 1].stats, snapshot);
        } else if (first == SW_OK) {
            first = code;
            *error = why;
        }
        if (several)
            sw_client_close(&one.client);
        free(endpoint);
        p += length + (p[length] == ',');
    }
    if (sw_cli_stopped())
        return sw_fail(error, SW_CANCELLED, "interrupted");
    return answered ? SW_OK : first;
}

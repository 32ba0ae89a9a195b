/* Assembles the built-in services; Reflection and Drain, which are small, are here. */
#include "rpc/builtin.h"

#include "base/error.h"
#include "rpc/health.h"
#include "rpc/stats.h"
#include <stdlib.h>
#include <string.h>

struct sw_builtin {
    sw_dispatch *dispatch;
    sw_builtin_options options;
    sw_health *health;
    sw_stats *stats;
};

static void get_schema(sw_call *call, const ProtobufCMessage *request, void *context)
{
    (void)request;
    const sw_builtin *builtin = context;
    const sw_builtin_options *options = &builtin->options;
    Sw__GetSchemaResponse reply = SW__GET_SCHEMA_RESPONSE__INIT;
    const char *const *names;
    reply.n_services = options->services != NULL ? options->services(options->context, &names)
                                                 : sw_dispatch_services(builtin->dispatch, &names);
    reply.services = (char **)names;
    reply.has_file_descriptor_set = true;
    reply.file_descriptor_set =
        (ProtobufCBinaryData){.len = options->schema_size, .data = (uint8_t *)options->schema};
    sw_call_reply(call, &reply.base);
}

static void drain(sw_call *call, const ProtobufCMessage *request, void *context)
{
    const sw_builtin_options *options = &((const sw_builtin *)context)->options;
    const Sw__DrainRequest *asked = (const Sw__DrainRequest *)request;
    if (options->drain == NULL) {
        sw_error error;
        sw_fail(&error, SW_UNIMPLEMENTED, "this process cannot drain; stop it with SIGTERM");
        sw_call_fail(call, &error);
        return;
    }
    Sw__DrainResponse reply = SW__DRAIN_RESPONSE__INIT;
    reply.has_in_flight = true;
    reply.in_flight = options->drain(options->context, asked->timeout_ms);
    sw_call_reply(call, &reply.base);
}

static sw_code copy_options(sw_builtin *builtin, const sw_builtin_options *options)
{
    builtin->options = *options;
    const char **texts[] = {&builtin->options.process, &builtin->options.instance, &builtin->options.version};
    bool good = true;
    for (size_t i = 0; i < sizeof(texts) / sizeof(*texts); i++) {
        *texts[i] = strdup(*texts[i] == NULL ? "" : *texts[i]);
        good = good && *texts[i] != NULL;
    }
    return good ? SW_OK : SW_RESOURCE_EXHAUSTED;
}

sw_code sw_builtin_new(sw_dispatch *dispatch, const sw_builtin_options *options, sw_builtin **builtin,
                       sw_error *error)
{
    sw_builtin *b = *builtin = calloc(1, sizeof(*b));
    if (b == NULL)
        return sw_fail(error, SW_RESOURCE_EXHAUSTED, "no memory for the built-in services");
    b->dispatch = dispatch;
    const sw_method methods[] = {{&sw__reflection__descriptor, "GetSchema", get_schema, b},
                                 {&sw__drain__descriptor, "Drain", drain, b}};
    sw_code code = copy_options(b, options);
    if (code != SW_OK)
        sw_fail(error, code, "no memory for the built-in services");
    if (code == SW_OK)
        code = sw_health_new(dispatch, &b->options, &b->health, error);
    if (code == SW_OK)
        code = sw_stats_new(dispatch, &b->options, &b->stats, error);
    for (size_t i = 0; code == SW_OK && i < sizeof(methods) / sizeof(*methods); i++)
        code = sw_dispatch_add(dispatch, &methods[i], error);
    if (code != SW_OK)
        sw_builtin_destroy(builtin);
    return code;
}

void sw_builtin_destroy(sw_builtin **builtin)
{
    if (*builtin == NULL)
        return;
    sw_health_destroy(&(*builtin)->health);
    sw_stats_destroy(&(*builtin)->stats);
    free((char *)(*builtin)->options.process);
    free((char *)(*builtin)->options.instance);
    free((char *)(*builtin)->options.version);
    free(*builtin);
    *builtin = NULL;
}

void sw_builtin_changed(sw_builtin *builtin)
{
    sw_health_changed(builtin->health);
}

void sw_builtin_end_watches(sw_builtin *builtin)
{
    sw_health_end_watches(builtin->health);
}

bool sw_builtin_add_counter(sw_builtin *builtin, const char *name, const uint64_t *value)
{
    return sw_stats_add_counter(builtin->stats, name, value);
}

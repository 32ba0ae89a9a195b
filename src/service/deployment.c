/* The deployment package's service: its resources and its methods, one row each (see referential.c). States, rights and
 * what a method does are in the schema. */
#include "service/service.h"
#include "sitewire/deployment/v1/deployment.pb-c.h"

#define RESOURCE(message_, plural_, keys)                                                                    \
    {                                                                                                        \
        .service = &sw__deployments__descriptor, .message = &sw__##message_##__descriptor,                   \
        .plural = plural_, .table = "deployment." #message_, .key_count = keys                               \
    }

static const sw_resource resources[] = {RESOURCE(deployment_status, "DeploymentStatuses", 1),
                                        RESOURCE(deployment_type, "DeploymentTypes", 1),
                                        RESOURCE(deployment_step, "DeploymentSteps", 1),
                                        RESOURCE(deployment, "Deployments", 1),
                                        RESOURCE(deployment_command, "DeploymentCommands", 2),
                                        RESOURCE(deployment_command_result, "DeploymentCommandResults", 3),
                                        RESOURCE(deployment_log, "DeploymentLogs", 2),
                                        RESOURCE(event, "Events", 1),
                                        {0}};

const sw_service sw_service_deployment = {
    .program = "sitewire-deployment",
    .process = "deployment",
    .summary = "Deployments: asked for, approved, run by runners, true in the registry.",
    .resources = resources,
    .schema_minimum = 7,
};

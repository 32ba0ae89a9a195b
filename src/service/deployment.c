/* The service of the deployment package: its resources and its methods, one row each (see
 * referential.c). The schema holds states, rights and what a method does (sql/schema/07 to 11). */
#include "service/service.h"
#include "sitewire/deployment/v1/deployment.pb-c.h"

/* The text of sql/queries/<name>.sql, as the build embeds it. */
extern const unsigned char sw_sql_request_deployment[];
extern const unsigned char sw_sql_get_deployment_plan[];
extern const unsigned char sw_sql_approve_deployment[];
extern const unsigned char sw_sql_abort_deployment[];
extern const unsigned char sw_sql_rollback_deployment[];
extern const unsigned char sw_sql_claim_deployment[];
extern const unsigned char sw_sql_renew_lease[];
extern const unsigned char sw_sql_start_command[];
extern const unsigned char sw_sql_finish_command[];
extern const unsigned char sw_sql_append_log[];
extern const unsigned char sw_sql_finish_deployment[];
extern const unsigned char sw_sql_read_log[];
extern const unsigned char sw_sql_remove_output[];
extern const unsigned char sw_sql_read_event_position[];

#define RESOURCE(message_, plural_, keys, ...)                                                               \
    {                                                                                                        \
        .service = &sw__deployments__descriptor, .message = &sw__##message_##__descriptor,                   \
        .plural = plural_, .table = "deployment." #message_, .key_count = keys, __VA_ARGS__                  \
    }

#define METHOD(method_, sql_, writes_, ...)                                                                  \
    {                                                                                                        \
        .service = &sw__deployments__descriptor, .method = method_, .sql = (const char *)sw_sql_##sql_,      \
        .writes = writes_, .requires = SW_REQUIRES_PROFILE, __VA_ARGS__                                      \
    }

static const sw_resource resources[] = {RESOURCE(deployment_status, "DeploymentStatuses", 1),
                                        RESOURCE(deployment_type, "DeploymentTypes", 1),
                                        RESOURCE(deployment_step, "DeploymentSteps", 1),
                                        RESOURCE(deployment, "Deployments", 1),
                                        RESOURCE(deployment_command, "DeploymentCommands", 2),
                                        RESOURCE(deployment_command_result, "DeploymentCommandResults", 3),
                                        RESOURCE(deployment_approval, "DeploymentApprovals", 2),
                                        RESOURCE(deployment_log, "DeploymentLogs", 2, .added_at = "at"),
                                        RESOURCE(output_limit, "OutputLimits", 1),
                                        RESOURCE(event, "Events", 1, .added_at = "at"),
                                        RESOURCE(event_head, "EventHeads", 1),
                                        {0}};

static const sw_query queries[] = {METHOD("RequestDeployment", request_deployment, true),
                                   METHOD("GetDeploymentPlan", get_deployment_plan, false, .point = true),
                                   METHOD("ApproveDeployment", approve_deployment, true),
                                   METHOD("AbortDeployment", abort_deployment, true),
                                   METHOD("RollbackDeployment", rollback_deployment, true),
                                   METHOD("ClaimDeployment", claim_deployment, true),
                                   METHOD("RenewLease", renew_lease, true),
                                   METHOD("StartCommand", start_command, true),
                                   METHOD("FinishCommand", finish_command, true),
                                   METHOD("AppendLog", append_log, true),
                                   METHOD("FinishDeployment", finish_deployment, true),
                                   METHOD("ReadLog", read_log, false),
                                   METHOD("RemoveOutput", remove_output, true),
                                   METHOD("ReadEventPosition", read_event_position, false, .point = true),
                                   {0}};

const sw_service sw_service_deployment = {
    .program = "sitewire-deployment",
    .process = "deployment",
    .summary = "Requests, approves and tracks deployments, which runners carry out.",
    .resources = resources,
    .queries = queries,
    .periodic = "SELECT deployment.sweep()",
    .periodic_name = "ending lost deployments",
    .relays = true,
    .schema_minimum = 31,
};

-- compatible
-- Each service reads the tables of its own methods only. What a call needs of others it gets from functions of the owner, which tell no
-- more than that: whoever takes over one service learns nothing of what the others keep.

REVOKE SELECT ON ALL TABLES IN SCHEMA referential FROM sitewire_user, sitewire_deployment;
REVOKE USAGE ON SCHEMA referential, deployment FROM sitewire_service;
GRANT USAGE ON SCHEMA referential TO sitewire_referential;
REVOKE SELECT ON ALL TABLES IN SCHEMA deployment FROM sitewire_service;
GRANT SELECT ON deployment.deployment_status, deployment.deployment_type, deployment.deployment_step, deployment.deployment,
    deployment.deployment_command, deployment.deployment_command_result, deployment.deployment_log, deployment.event,
    deployment.event_head TO sitewire_deployment;
REVOKE SELECT ON users.role, users."user", users.access_right, users.project, users.key, users.change, users.permission
    FROM sitewire_service;
GRANT SELECT ON users.role, users."user", users.access_right, users.project, users.key, users.change TO sitewire_user;

-- Who may read and change what. Every table that a service offers is registered here, with one call
-- of sitewire.keep_resource (02_resources.sql explains the arguments). What the call does not open
-- stays closed: an action that it does not name is for admins only. At the end stand the functions
-- that the services may call.

-- --- Everything is closed first ---

-- Functions that run as their owner find types and relations by the caller's search_path, in which
-- temporary objects come first (they set no search_path of their own: 05_users.sql). So a role of a
-- service must not be able to create anything: a domain pg_temp.text would run its CHECK as the
-- owner. PostgreSQL 13 and 14 let everybody create in `public`, too. A dump does not keep what was
-- revoked from a database, so a service checks, and refuses to serve as a role that can create
-- something (src/store/schema_check.c).
DO $$
DECLARE
    schema text;
    roles text := 'PUBLIC, sitewire_service, sitewire_referential, sitewire_user, sitewire_deployment';
BEGIN
    EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC', current_database());
    IF to_regnamespace('public') IS NOT NULL THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;
    FOREACH schema IN ARRAY '{sitewire,users,referential,deployment}'::text[] LOOP
        EXECUTE format('REVOKE ALL ON SCHEMA %I FROM %s', schema, roles);
        EXECUTE format('REVOKE ALL ON ALL TABLES IN SCHEMA %I FROM %s', schema, roles);
        EXECUTE format('REVOKE ALL ON ALL SEQUENCES IN SCHEMA %I FROM %s', schema, roles);
    END LOOP;
END $$;

-- After all calls, sitewire.sweep generates the functions that depend on all of them
-- (sitewire.derive). Policies name these functions, so they are generated once before, from what is
-- registered until now.
SELECT set_config('sitewire.derives_later', 'on', true);
SELECT sitewire.derive();

-- The rules say who may do what, so history records their changes, as `Rule`. Admins can read
-- these.
SELECT set_config('sitewire.reason', 'sql/schema/12_access.sql', true);
SELECT sitewire.keep_history('users.rule');

-- Each service sees the records of its own requests.
SELECT sitewire.keep_policy('own', 'sitewire.request', 'ALL', 'service = sitewire.service_of_login()');

-- --- The registry ---

-- Rows that belong to no project: everybody reads them, admins change them.
SELECT sitewire.keep_resource('referential.cms', 'sitewire_referential', read => 'profile');
SELECT sitewire.keep_resource('referential.hosting_provider', 'sitewire_referential', read => 'profile');
SELECT sitewire.keep_resource('referential.docroot', 'sitewire_referential', read => 'profile');
SELECT sitewire.keep_resource('referential.environment', 'sitewire_referential', read => 'profile');
SELECT sitewire.keep_resource('referential.server', 'sitewire_referential', read => 'profile');
SELECT sitewire.keep_resource('referential.registrar', 'sitewire_referential', read => 'profile');
SELECT sitewire.keep_resource('referential.load_balancer', 'sitewire_referential', read => 'profile');
SELECT sitewire.keep_resource('referential.docroot_environment', 'sitewire_referential', read => 'profile',
                              secret => 'basic_auth_password');
SELECT sitewire.keep_resource('referential.certificate', 'sitewire_referential', read => 'profile',
                              secret => 'private_key');
SELECT sitewire.keep_resource('referential.docroot_environment_server', 'sitewire_referential', read => 'profile',
                              serves => '{DocrootEnvironment,docroot,environment}');
SELECT sitewire.keep_resource('referential.docroot_environment_certificate', 'sitewire_referential', read => 'profile',
                              serves => '{DocrootEnvironment,docroot,environment}');
SELECT sitewire.keep_resource('referential.docroot_environment_load_balancer', 'sitewire_referential', read => 'profile',
                              serves => '{DocrootEnvironment,docroot,environment}');

-- Rows of projects: whoever may read the project reads them, its managers update them.
SELECT sitewire.keep_resource('referential.website', 'sitewire_referential', read => 'read', "update" => 'manage',
                              project => '''website:'' || {code}');
SELECT sitewire.keep_resource('referential.drupal_docroot_core', 'sitewire_referential', read => 'read', "update" => 'manage',
                              project => '''drupaldocrootcore:'' || {code}');
SELECT sitewire.keep_resource('referential.website_deployed', 'sitewire_referential', read => 'read', "update" => 'manage',
                              project => '''website:'' || {website}', serves => '{Website,website}');
-- A domain that serves no website belongs to no project: everybody reads it, and admins change it.
SELECT sitewire.keep_resource('referential.domain', 'sitewire_referential', read => 'read', "update" => 'manage',
                              project => '''website:'' || {website}', serves => '{Website,website}',
                              past => '(project IS NULL OR users.may_read_row(project_row))');
-- Whoever may read a domain may see which load balancers it is on.
SELECT sitewire.keep_resource('referential.domain_load_balancer', 'sitewire_referential', read => 'read',
                              project => 'users.project_of_domain({domain})', serves => '{Domain,domain}',
                              past => 'users.may_read_domain({domain}, id)');
-- The table itself is for its owner only; the service sees the view, and functions
-- (06_secrets.sql).
SELECT sitewire.keep_resource('referential.secret', 'sitewire_referential', '{SELECT,DELETE}',
                              listing => 'referential.secret_listing', read => 'manage', "create" => 'manage',
                              "update" => 'manage', "delete" => 'manage', projects => 'users.projects_of_secret',
                              past => 'users.may_read_secret_row(row_id)', hidden => '{ciphertext}');

-- --- Users and rights ---

SELECT sitewire.keep_resource('users.role', 'sitewire_user', read => 'profile');
-- Triggers make projects (05_users.sql).
SELECT sitewire.keep_resource('users.project', 'sitewire_user', '{SELECT}', read => 'read', project => '{code}');
SELECT sitewire.keep_resource('users.user', 'sitewire_user', read => 'own|manager', owner => '{email}');
SELECT sitewire.keep_resource('users.access_right', 'sitewire_user', read => 'own|manage', "create" => 'grant',
                              "update" => 'grant', "delete" => 'manage', project => '{project}', owner => '{user}');
-- Groups and grants are shown to members and holders, and to those who manage the whole scope.
SELECT sitewire.keep_resource('users.group', 'sitewire_user', read => 'member|scope');
SELECT sitewire.keep_resource('users.group_member', 'sitewire_user', read => 'own|member|scope', "create" => 'grant',
                              "update" => 'grant', "delete" => 'scope', owner => '{user}');
SELECT sitewire.keep_resource('users.grant', 'sitewire_user', read => 'own|member|scope', "create" => 'grant',
                              "update" => 'grant', "delete" => 'scope', owner => '{user}');
-- Whoever enrolls a key proves to have it (05_keys.sql); only admins create rows without that.
SELECT sitewire.keep_resource('users.key', 'sitewire_user', read => 'own', "update" => 'own', owner => '{user}');
-- Whoever may read a row may read its history, by the project or user that the row belonged to,
-- whatever the name of that project or user is today.
SELECT sitewire.keep_resource('users.change', 'sitewire_user', '{SELECT}', read => 'read', "create" => NULL, "update" => NULL,
                              "delete" => NULL,
                              visible => 'users.may_read_version(resource, coalesce(after, before), project, row_id, project_row, id)
                                          AND (before IS NULL OR after IS NULL
                                               OR users.may_read_origin(resource, before, after, row_id, id))',
                              exempt => '{timestamps,guard,history,as-of}');

-- Functions write refusals (04_refusals.sql).
SELECT sitewire.keep_resource('users.refusal', 'sitewire_user', '{SELECT}', "create" => NULL, "update" => NULL, "delete" => NULL,
                              exempt => '{timestamps,guard,history,as-of}');

-- --- Deployments ---

-- Fixed rows: admins change the texts (08_deployment_states.sql).
SELECT sitewire.keep_resource('deployment.deployment_status', 'sitewire_deployment', '{SELECT,INSERT,UPDATE}',
                              read => 'profile');
SELECT sitewire.keep_resource('deployment.deployment_type', 'sitewire_deployment', '{SELECT,INSERT,UPDATE}', read => 'profile');
SELECT sitewire.keep_resource('deployment.deployment_step', 'sitewire_deployment', '{SELECT,INSERT,UPDATE}', read => 'profile');
-- Functions write deployments (09_deployment_requests.sql, 10_deployment_runners.sql). Lease
-- renewals are not recorded in history.
SELECT sitewire.keep_resource('deployment.deployment', 'sitewire_deployment', '{SELECT,DELETE}', read => 'read',
                              "create" => 'deploy', "update" => NULL, project => '{project}', quiet => '{lease_until}',
                              visible => '(SELECT users.may_read_everything())
                                          OR EXISTS (SELECT FROM deployment.readable r WHERE r.project = deployment.project)');
-- deployment.approve writes approvals.
SELECT sitewire.keep_resource('deployment.deployment_approval', 'sitewire_deployment', '{SELECT}', read => 'read', "create" => NULL,
                              "update" => NULL, "delete" => NULL, project => 'deployment.project_of({deployment}::bigint)',
                              visible => 'EXISTS (SELECT FROM deployment.deployment d WHERE d.id = deployment_approval.deployment)',
                              exempt => '{guard}');
-- Of deployments, the subquery sees those that the policy above shows.
SELECT sitewire.keep_resource('deployment.deployment_command', 'sitewire_deployment', '{SELECT}', read => 'read', "create" => NULL,
                              "update" => NULL, "delete" => NULL, project => 'deployment.project_of({deployment}::bigint)',
                              visible => 'EXISTS (SELECT FROM deployment.deployment d WHERE d.id = deployment_command.deployment)',
                              exempt => '{guard}');
SELECT sitewire.keep_resource('deployment.deployment_command_result', 'sitewire_deployment', '{SELECT}', read => 'read',
                              "create" => NULL, "update" => NULL, "delete" => NULL,
                              project => 'deployment.project_of({deployment}::bigint)',
                              visible => 'EXISTS (SELECT FROM deployment.deployment d
                                                  WHERE d.id = deployment_command_result.deployment)',
                              exempt => '{guard}');
-- Rows that are only added have no history, and need none.
SELECT sitewire.keep_resource('deployment.deployment_log', 'sitewire_deployment', '{SELECT}', read => 'read', "create" => NULL,
                              "update" => NULL, "delete" => NULL, project => 'deployment.project_of({deployment}::bigint)',
                              visible => 'EXISTS (SELECT FROM deployment.deployment d WHERE d.id = deployment_log.deployment)',
                              exempt => '{guard,history,as-of}');
-- One row: what a deployment and a project may store (10_deployment_output.sql). INSERT is for
-- updates that allow a missing row, as imports do.
SELECT sitewire.keep_resource('deployment.output_limit', 'sitewire_deployment', '{SELECT,INSERT,UPDATE}', read => 'profile');
SELECT sitewire.keep_resource('deployment.event', 'sitewire_deployment', '{SELECT}', read => 'read', "create" => NULL,
                              "update" => NULL, "delete" => NULL, project => '{project}',
                              visible => '(SELECT users.may_read_everything())
                                          OR EXISTS (SELECT FROM deployment.readable r WHERE r.project = event.project)',
                              exempt => '{timestamps,guard,history,as-of}');
SELECT sitewire.keep_resource('deployment.event_head', 'sitewire_deployment', '{SELECT}', read => 'read', "create" => NULL,
                              "update" => NULL, "delete" => NULL, project => '{project}',
                              visible => '(SELECT users.may_read_everything())
                                          OR EXISTS (SELECT FROM deployment.readable r WHERE r.project = event_head.project)',
                              exempt => '{timestamps,guard,history,as-of}');

SELECT set_config('sitewire.derives_later', '', true);
SELECT sitewire.sweep();

-- --- What the services share ---

DO $$
DECLARE
    schema text;
BEGIN
    FOREACH schema IN ARRAY '{sitewire,users,referential,deployment}'::text[] LOOP
        EXECUTE format('REVOKE ALL ON ALL FUNCTIONS IN SCHEMA %I FROM PUBLIC, sitewire_service, sitewire_referential, '
                       'sitewire_user, sitewire_deployment', schema);
    END LOOP;
END $$;

-- The version of the schema, records of requests, the key of page tokens, and who calls.
GRANT USAGE ON SCHEMA sitewire, users TO sitewire_service;
GRANT SELECT ON sitewire.schema, sitewire.setting TO sitewire_service;
GRANT SELECT, INSERT, UPDATE, DELETE ON sitewire.request TO sitewire_service; -- UPDATE: to lock old ones before deleting them
GRANT SELECT ON SEQUENCE users.rights_version TO sitewire_service;

-- Functions are closed, too, unless a line below grants them. Grant each one only to the services
-- whose methods, policies or triggers call it: tests/store/test_schema_reach.c compares.
GRANT EXECUTE ON FUNCTION sitewire.enter(text, text, text, text, text, text),
    sitewire.enter(text, text, boolean, boolean, text, text, text), sitewire.missing_duties(regclass),
    sitewire.unregistered(), sitewire.altered(), sitewire.resource_at(regclass),
    sitewire.as_of(text, timestamptz, text, text), sitewire.fail(text, text, text),
    sitewire.next_revision(bigint, bigint), sitewire.service_of_login(), users.is_admin(),
    users.require(text, text, jsonb, jsonb), sitewire.may_replay(text, jsonb), users.record_refusals(jsonb)
    TO sitewire_service;
DO $$ -- what CHECK constraints call
DECLARE
    one regprocedure;
BEGIN
    FOR one IN SELECT DISTINCT d.refobjid FROM pg_depend d
               WHERE d.refclassid = 'pg_proc'::regclass AND d.classid = 'pg_constraint'::regclass
                 AND d.refobjid::regprocedure::text LIKE 'sitewire.%' LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO sitewire_service', one);
    END LOOP;
END $$;

GRANT EXECUTE ON FUNCTION referential.find(text, text, text), sitewire.registry_table(text), sitewire.keys_of(regclass),
    sitewire.key_condition(regclass, text[]), referential.next_hits(text, text, text, text, boolean),
    users.project_of_domain(text), users.manages_zone(text), users.manages_domain(text), users.may_read_secret(text),
    users.me(), users.may_read(text), users.has_read(text), users.count_lookup(),
    referential.look_at_owner(text, text, text),
    referential.set_secret(text, text, text, bigint, bigint, bytea, text, bigint),
    referential.read_secret(text, text, text), referential.secrets_to_reseal(text, bigint, integer),
    referential.reseal_secrets(text, referential.sealed_secret[]) TO sitewire_referential;

GRANT EXECUTE ON FUNCTION users.identify(text, text), users.explain(text, text, text, text), users.readable(text),
    users.who_can(text, text, text), users.reaches_everything(text, text), users.count_projects(text),
    users.count_lookup(), users.is_member(text), users.may_manage_scope(text, jsonb),
    users.seal_changes(), users.seal_head(), users.offboard_as_planned(text, text, text), users.record_reports(users.refusal_report[]), users.enrolment(), users.invited(text),
    users.check_within_parent(text, timestamptz, timestamptz), users.enroll(text, text, text, timestamptz, text, bigint),
    users.invite(text, text, text, bigint), users.me(), users.has_read(text), users.may_read(text), users.may_manage(text),
    users.may_read_version(text, jsonb, text, bigint, bigint, bigint),
    users.may_read_origin(text, jsonb, jsonb, bigint, bigint), users.name_of_row(bigint), users.row_at(text, text, bigint),
    users.may_read_row(bigint), users.may_manage_row(bigint), users.may_read_domain(text, bigint),
    users.may_read_secret_row(bigint) TO sitewire_user;

-- Needed to notice a cursor that is newer than the database, by the position of the relay.
GRANT SELECT (position) ON deployment.relay TO sitewire_deployment;
GRANT SELECT ON deployment.readable TO sitewire_deployment;
GRANT EXECUTE ON FUNCTION users.granted(), users.may_read_everything(), deployment.plan_of(deployment.deployment),
    deployment.request(text, text, text, text, text, deployment.command[], text, text, boolean, bigint),
    deployment.approve(bigint, text), deployment.abort(bigint, text),
    deployment.rollback(bigint, deployment.command[], text, text, boolean),
    deployment.claim_next(text, text[], text[], text[], integer), deployment.renew(bigint, bigint, integer),
    deployment.start_command(bigint, bigint, integer, integer),
    deployment.finish_command(bigint, bigint, integer, integer, integer, integer, boolean, bigint, bigint, boolean, text),
    deployment.append_log(bigint, bigint, deployment.log_chunk[]), deployment.conclude(bigint, bigint, text, text),
    deployment.remove_output(bigint),
    deployment.sweep(), deployment.relay(boolean, integer) TO sitewire_deployment;

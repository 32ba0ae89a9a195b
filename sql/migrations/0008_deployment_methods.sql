-- What the methods of sitewire.deployment.v1 do. The service has no other way to write: these functions run as their owner, find
-- out for themselves what the caller may do, and the states that 0007_deployment.sql keeps bind them like everybody.
--
-- They raise one state more:
--
--   SW007  it is another one by now (ABORTED): the plan, the fence; HINT is the field at fault
--
-- Each of them locks the deployment's row before it writes anything, so that transactions are numbered in the order in which they
-- change a deployment, as the relay of events relies on.

CREATE TYPE deployment.command AS (
    step text, argv text[], shell text, timeout_s integer, retries integer, continue_on_failure boolean);
CREATE TYPE deployment.log_chunk AS (command integer, attempt integer, stream text, "offset" bigint, bytes bytea);
CREATE TYPE deployment.plan AS (
    deployment deployment.deployment, plan_hash text, commands deployment.deployment_command[], needs_approval boolean,
    behind bigint[], rights_used text[], facts deployment.fact[], target text);
CREATE TYPE deployment.claim AS (
    deployment deployment.deployment, fence bigint, lease_until timestamptz, commands deployment.deployment_command[],
    facts deployment.fact[], results deployment.deployment_command_result[], log_offset bigint, lease_ms integer);
CREATE TYPE deployment.lease AS (lease_until timestamptz, abort boolean, abort_reason text);

-- --- Who may ---

-- By which rights somebody may do what takes all of `needed` on all of `projects`; `a|b` is either. `lacks` says what is missing.
CREATE FUNCTION deployment.rights_of(email text, projects text[], needed text[], OUT rights text[], OUT lacks text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    one text;
    need text;
    granted text;
BEGIN
    IF EXISTS (SELECT FROM users."user" u WHERE u.email = rights_of.email AND u.is_admin AND u.active) THEN
        rights := '{admin}';
        RETURN;
    END IF;
    rights := '{}';
    FOREACH one IN ARRAY projects LOOP
        FOREACH need IN ARRAY needed LOOP
            SELECT format('%s on %s as %s', permission, one, a.role) INTO granted
            FROM users.access_right a JOIN users.role r ON r.code = a.role, unnest(r.permissions) permission
            WHERE a."user" = rights_of.email AND a.project = one AND permission = ANY (string_to_array(need, '|'))
            ORDER BY permission, a.role LIMIT 1;
            IF FOUND THEN
                rights := rights || granted;
            ELSE
                lacks := concat_ws(', ', lacks, format('%s on %s', replace(need, '|', ' or '), one));
            END IF;
        END LOOP;
    END LOOP;
END $$;

CREATE FUNCTION deployment.is_protected(d deployment.deployment) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT e.protected FROM referential.environment e WHERE e.code = d.environment);
END $$;

-- Whose rights count: another CMS concerns all websites there.
CREATE FUNCTION deployment.projects_of(d deployment.deployment) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF d.type <> 'CORE' THEN
        RETURN ARRAY[d.project];
    END IF;
    RETURN (SELECT array_agg(DISTINCT code ORDER BY code) FROM (
        SELECT d.project AS code UNION ALL
        SELECT 'website:' || w.website FROM referential.website_deployed w
        WHERE w.docroot = d.docroot AND w.environment = d.environment) all_of_them);
END $$;

-- To ask for it. On protected environments `deploy` alone is not enough.
CREATE FUNCTION deployment.needs_of(d deployment.deployment) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN deployment.is_protected(d) THEN '{deploy,approve|manage}'::text[] ELSE '{deploy}' END;
END $$;

-- Who calls. A method that nobody vouches for is refused before anything is compared with NULL.
CREATE FUNCTION deployment.caller() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF coalesce(users.me(), '') = '' THEN
        PERFORM sitewire.fail('SW004', '', 'nobody vouches for the caller');
    END IF;
    RETURN users.me();
END $$;

-- A deployment for a method to change, locked. It is not there for who may not know of it.
CREATE FUNCTION deployment.find(id bigint) RETURNS deployment.deployment LANGUAGE plpgsql AS $$
DECLARE
    me text := deployment.caller();
    d deployment.deployment;
BEGIN
    SELECT * INTO d FROM deployment.deployment x WHERE x.id = find.id FOR NO KEY UPDATE;
    IF NOT FOUND OR NOT (coalesce(users.is_admin(), false) OR users.may_read(d.project) OR me = d.requester
                         OR me IS NOT DISTINCT FROM d.runner_user) THEN
        PERFORM sitewire.fail('SW003', 'id', format('there is no deployment %s', coalesce(find.id, 0)));
    END IF;
    RETURN d;
END $$;

-- --- Plans ---

-- What the commands find in their environment.
CREATE FUNCTION deployment.facts_of(d deployment.deployment) RETURNS deployment.fact[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    t jsonb := deployment.target_of(d);
BEGIN
    RETURN (SELECT array_agg(ROW('SITEWIRE_' || name, coalesce(value, ''))::deployment.fact ORDER BY n) FROM (VALUES
        (1, 'DEPLOYMENT', d.id::text),
        (2, 'PROJECT', d.project),
        (3, 'TYPE', d.type),
        (4, 'DOCROOT', d.docroot),
        (5, 'ENVIRONMENT', d.environment),
        (6, 'VERSION', d.version),
        (7, 'PREVIOUS_VERSION', t->>'version'),
        (8, 'ROLLBACK_OF', d.rollback_of::text),
        (9, 'REQUESTER', d.requester),
        (10, 'APPROVER', d.approver),
        (11, 'WEBSITE', t->'website'->>'code'),
        (12, 'HOME_DIRECTORY', t->'website'->>'home_directory'),
        (13, 'CODE_REPOSITORY_URL', coalesce(t->'website', t->'drupal_docroot_core')->>'code_repository_url'),
        (14, 'BINARY_REPOSITORY_URL', coalesce(t->'website', t->'drupal_docroot_core')->>'binary_repository_url'),
        (15, 'CMS', t->'docroot_environment'->>'cms'),
        (16, 'CMS_VERSION', t->'docroot_environment'->>'cms_version'),
        (17, 'DRUPAL_DOCROOT_CORE', t->'docroot'->>'drupal_docroot_core'),
        (18, 'DRUPAL_DOCROOT_CORE_VERSION', t->'docroot_environment'->>'drupal_docroot_core_version'),
        (19, 'HOSTING_PROVIDER', t->'docroot'->>'hosting_provider'),
        (20, 'SERVERS', (SELECT string_agg(s, ' ') FROM jsonb_array_elements_text(t->'servers') s))) facts (n, name, value));
END $$;

CREATE FUNCTION deployment.plan_of(d deployment.deployment) RETURNS deployment.plan
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    p deployment.plan;
    waits boolean := d.status IN ('REQUESTED', 'ACCEPTED');
BEGIN
    p.deployment := d;
    p.plan_hash := CASE WHEN waits THEN deployment.hash_of(d) ELSE d.plan_hash END;
    p.commands := (SELECT array_agg(c ORDER BY c.number) FROM deployment.deployment_command c WHERE c.deployment = d.id);
    p.needs_approval := d.status = 'REQUESTED' AND deployment.is_protected(d);
    p.behind := (SELECT array_agg(o.id ORDER BY o.queue) FROM deployment.deployment o
                 WHERE waits AND o.docroot = d.docroot AND o.environment = d.environment
                   AND o.status IN ('ACCEPTED', 'IN_PROGRESS') AND (d.queue IS NULL OR o.queue < d.queue));
    p.rights_used := (deployment.rights_of(d.requester, deployment.projects_of(d), deployment.needs_of(d))).rights;
    p.facts := deployment.facts_of(d);
    p.target := deployment.target_of(d)::text;
    RETURN p;
END $$;

-- --- Tries ---

-- What an earlier try with this request_id made, if there was one: {"id", "fence"} of a deployment. `asked` is all that
-- makes two requests the same. A simultaneous try waits for the end of this one.
CREATE FUNCTION deployment.earlier(method text, asked text) RETURNS jsonb LANGUAGE plpgsql AS $$
DECLARE
    given text := coalesce(current_setting('sitewire.request_id', true), '');
    r sitewire.request;
BEGIN
    IF given = '' THEN
        RETURN NULL;
    ELSIF octet_length(given) > 128 THEN
        PERFORM sitewire.fail('SW002', 'request_id', format('it has %s bytes; at most 128', octet_length(given)));
    END IF;
    PERFORM pg_advisory_xact_lock(hashtextextended('request ' || given, 0));
    SELECT * INTO r FROM sitewire.request x WHERE x.request_id = given;
    IF FOUND AND (r.method, r.caller, r.request_hash) IS DISTINCT FROM
                 (earlier.method, users.me(), sha256(convert_to(asked, 'UTF8'))) THEN
        PERFORM sitewire.fail('SW002', 'request_id', 'this request_id was used for a different request: use a new one for each '
                                                     'change');
    END IF;
    RETURN r.reply;
END $$;

CREATE FUNCTION deployment.remember(method text, asked text, d deployment.deployment) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('sitewire.request_id', true), '') <> '' THEN
        INSERT INTO sitewire.request (request_id, method, request_hash, caller, reply)
        VALUES (current_setting('sitewire.request_id'), method, sha256(convert_to(asked, 'UTF8')), users.me(),
                jsonb_build_object('id', d.id, 'fence', d.fence));
    END IF;
END $$;

-- --- Requests ---

-- The docroot that is meant where none is named: the one that the project runs on.
CREATE FUNCTION deployment.choose_docroot(p users.project, on_environment text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    hosts text[];
BEGIN
    hosts := (SELECT array_agg(w.docroot ORDER BY w.docroot) FROM referential.website_deployed w
              WHERE w.website = p.website AND w.environment = on_environment);
    IF hosts IS NULL THEN
        hosts := (SELECT array_agg(DISTINCT e.docroot ORDER BY e.docroot) FROM referential.docroot_environment e
                  WHERE e.environment = on_environment AND (
                      EXISTS (SELECT FROM referential.website_deployed w WHERE w.website = p.website AND w.docroot = e.docroot)
                      OR EXISTS (SELECT FROM referential.docroot r
                                 WHERE r.code = e.docroot AND r.drupal_docroot_core = p.drupal_docroot_core)));
    END IF;
    IF hosts IS NULL THEN
        PERFORM sitewire.fail('SW006', 'docroot', format('no docroot with the environment %s hosts %s: name the docroot',
                                                         on_environment, p.code));
    ELSIF cardinality(hosts) > 1 THEN
        PERFORM sitewire.fail('SW002', 'docroot', format('%s runs on several docroots: name one of %s', p.code,
                                                         array_to_string(hosts[:8], ', ')));
    END IF;
    RETURN hosts[1];
END $$;

-- That the target exists and hosts the project.
CREATE FUNCTION deployment.check_target(d deployment.deployment, p users.project) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
    r referential.docroot;
    t referential.docroot_environment;
    other text;
BEGIN
    SELECT * INTO r FROM referential.docroot x WHERE x.code = d.docroot;
    IF NOT FOUND THEN
        PERFORM sitewire.fail('SW003', 'docroot', format('there is no docroot "%s"', d.docroot));
    END IF;
    SELECT * INTO t FROM referential.docroot_environment x WHERE x.docroot = d.docroot AND x.environment = d.environment;
    IF NOT FOUND THEN
        PERFORM sitewire.fail('SW006', 'environment', format('the docroot %s has no environment %s', d.docroot, d.environment));
    END IF;
    IF (d.type = 'WEBSITE') <> (p.kind = 'website') AND d.type <> 'CORE' THEN
        PERFORM sitewire.fail('SW002', 'type', format('a %s is no deployment of %s', d.type, p.code));
    END IF;
    IF p.kind = 'drupaldocrootcore' AND r.drupal_docroot_core IS DISTINCT FROM p.drupal_docroot_core THEN
        PERFORM sitewire.fail('SW006', 'docroot', format('the docroot %s has %s', d.docroot,
            coalesce('the core ' || r.drupal_docroot_core, 'no Drupal core')));
    END IF;
    IF d.type = 'CORE' AND t.cms IS NULL THEN
        PERFORM sitewire.fail('SW006', 'environment', format('%s/%s has no CMS: set DocrootEnvironment.cms', d.docroot,
                                                             d.environment));
    END IF;
    IF p.kind = 'website' AND NOT EXISTS (SELECT FROM referential.website_deployed w
                                          WHERE w.website = p.website AND w.docroot = d.docroot) THEN
        SELECT w.website INTO other FROM referential.website_deployed w WHERE w.docroot = d.docroot ORDER BY 1 LIMIT 1;
        IF d.type = 'CORE' OR NOT users.is_admin() OR other IS NOT NULL AND NOT r.shared THEN
            PERFORM sitewire.fail('SW006', 'docroot', format('the docroot %s does not host %s%s: an admin has to add '
                'WebsiteDeployed %s/%s/%s first', d.docroot, p.code,
                CASE WHEN other IS NOT NULL AND NOT r.shared THEN format(', and is not shared by others than %s', other)
                     ELSE '' END, p.website, d.docroot, d.environment));
        END IF;
    END IF;
END $$;

-- The commands, in the order in which they run, each checked.
CREATE FUNCTION deployment.add_commands(id bigint, run deployment.command[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    c deployment.command;
    field text;
BEGIN
    IF cardinality(run) > 200 THEN
        PERFORM sitewire.fail('SW002', 'commands', format('a deployment has at most 200 commands, not %s', cardinality(run)));
    END IF;
    FOR i IN 1 .. coalesce(cardinality(run), 0) LOOP
        c := run[i];
        field := format('commands[%s]', i - 1);
        IF NOT EXISTS (SELECT FROM deployment.deployment_step s
                       WHERE s.code = coalesce(nullif(c.step, ''), 'DEPLOYMENT') AND s.enabled) THEN
            PERFORM sitewire.fail('SW002', field || '.step', format('there is no step "%s" in use: one of %s', c.step,
                (SELECT string_agg(s.code, ', ' ORDER BY s.rank) FROM deployment.deployment_step s WHERE s.enabled)));
        ELSIF (coalesce(cardinality(c.argv), 0) > 0) = (coalesce(c.shell, '') <> '') THEN
            PERFORM sitewire.fail('SW002', field || '.argv', 'a command has either argv or shell');
        ELSIF c.argv[1] = '' THEN
            PERFORM sitewire.fail('SW002', field || '.argv', 'the first of argv is the program: it is empty');
        ELSIF cardinality(c.argv) > 256 OR octet_length(c.argv::text) > 131072 OR octet_length(c.shell) > 65536 THEN
            PERFORM sitewire.fail('SW002', field, 'at most 256 arguments of 128 KiB, or a line of 64 KiB');
        ELSIF coalesce(c.timeout_s, 0) NOT BETWEEN 0 AND 86400 THEN
            PERFORM sitewire.fail('SW002', field || '.timeout_s', 'timeout_s is 1 to 86400, 0 for 3600');
        ELSIF coalesce(c.retries, 0) NOT BETWEEN 0 AND 10 THEN
            PERFORM sitewire.fail('SW002', field || '.retries', 'retries is 0 to 10');
        END IF;
    END LOOP;
    INSERT INTO deployment.deployment_command (deployment, number, step, argv, shell, timeout_s, retries, continue_on_failure)
    SELECT add_commands.id, row_number() OVER (ORDER BY s.rank, s.code, x.n), s.code, coalesce(x.argv, '{}'),
           coalesce(x.shell, ''), coalesce(nullif(x.timeout_s, 0), 3600), coalesce(x.retries, 0),
           coalesce(x.continue_on_failure, false)
    FROM unnest(run) WITH ORDINALITY x (step, argv, shell, timeout_s, retries, continue_on_failure, n)
    JOIN deployment.deployment_step s ON s.code = coalesce(nullif(x.step, ''), 'DEPLOYMENT');
END $$;

CREATE FUNCTION deployment.request(of_project text, of_type text, on_docroot text, on_environment text, to_version text,
                                   run deployment.command[], why text, when_lost text, check_only boolean, undoes bigint)
RETURNS deployment.plan LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment;
    p users.project;
    plan deployment.plan;
    lacks text;
    asked text := ROW(of_project, of_type, on_docroot, on_environment, to_version, run, why, when_lost)::text;
    me text := deployment.caller();
    known jsonb := CASE WHEN undoes IS NULL AND NOT check_only THEN deployment.earlier('RequestDeployment', asked) END;
BEGIN
    IF known IS NOT NULL THEN
        RETURN deployment.plan_of(deployment.find((known->>'id')::bigint));
    END IF;
    d.requester := me;
    -- The project, as far as the caller may know of it.
    SELECT * INTO p FROM users.project x WHERE x.code = of_project;
    IF NOT FOUND OR NOT (users.is_admin() OR users.permissions_of(d.requester, of_project) <> '{}') THEN
        PERFORM sitewire.fail('SW003', 'project', format('there is no project "%s"', coalesce(of_project, '')));
    END IF;
    d.project := p.code;
    d.type := coalesce(nullif(of_type, ''), CASE p.kind WHEN 'website' THEN 'WEBSITE' ELSE 'DRUPALDOCROOTCORE' END);
    IF NOT EXISTS (SELECT FROM deployment.deployment_type t WHERE t.code = d.type AND t.enabled) THEN
        PERFORM sitewire.fail('SW002', 'type', format('there is no deployment type "%s" in use', d.type));
    END IF;
    IF coalesce(on_environment, '') = '' THEN
        PERFORM sitewire.fail('SW002', 'environment', 'required: where it shall run');
    ELSIF NOT EXISTS (SELECT FROM referential.environment e WHERE e.code = on_environment) THEN
        PERFORM sitewire.fail('SW003', 'environment', format('there is no environment "%s"', on_environment));
    END IF;
    d.environment := on_environment;
    d.docroot := coalesce(nullif(on_docroot, ''), deployment.choose_docroot(p, on_environment));
    PERFORM deployment.check_target(d, p);
    IF coalesce(to_version, '') = '' OR NOT sitewire.is_text(to_version, 128) THEN
        PERFORM sitewire.fail('SW002', 'version', 'a version is 1 to 128 characters, none of them a control character');
    ELSIF NOT sitewire.is_text(coalesce(why, ''), 1000) THEN
        PERFORM sitewire.fail('SW002', 'reason', 'a reason has at most 1000 characters, none of them a control character');
    ELSIF coalesce(when_lost, '') NOT IN ('', 'FAIL', 'RETRY') THEN
        PERFORM sitewire.fail('SW002', 'on_lost_lease', 'on_lost_lease is FAIL or RETRY');
    END IF;
    lacks := (deployment.rights_of(d.requester, deployment.projects_of(d), deployment.needs_of(d))).lacks;
    IF lacks IS NOT NULL THEN
        PERFORM sitewire.fail('SW005', '', format('to deploy to %s%s takes %s, which %s has not', d.environment,
            CASE WHEN deployment.is_protected(d) THEN ', which is protected,' ELSE '' END, lacks, d.requester));
    END IF;
    INSERT INTO deployment.deployment (project, type, docroot, environment, version, requester, reason, on_lost_lease, rollback_of)
    VALUES (d.project, d.type, d.docroot, d.environment, to_version, d.requester, coalesce(why, ''),
            coalesce(nullif(when_lost, ''), 'FAIL'), undoes)
    RETURNING * INTO d;
    PERFORM deployment.add_commands(d.id, run);
    IF deployment.is_protected(d) THEN
        UPDATE deployment.deployment x SET plan_hash = deployment.hash_of(d) WHERE x.id = d.id RETURNING * INTO d;
    ELSE
        UPDATE deployment.deployment x SET status = 'ACCEPTED', plan_hash = deployment.hash_of(d) WHERE x.id = d.id
        RETURNING * INTO d;
    END IF;
    plan := deployment.plan_of(d);
    IF NOT check_only AND undoes IS NULL THEN
        PERFORM deployment.remember('RequestDeployment', asked, d);
    ELSIF check_only THEN
        d.id := NULL;
        plan.deployment := d;
        plan.commands := (SELECT array_agg(jsonb_populate_record(c, '{"deployment": null}') ORDER BY c.number)
                          FROM unnest(plan.commands) c);
        plan.facts := deployment.facts_of(d);
    END IF;
    RETURN plan;
END $$;

CREATE FUNCTION deployment.approve(id bigint, hash text) RETURNS deployment.deployment
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.find(id);
    lacks text := (deployment.rights_of(users.me(), deployment.projects_of(d), '{approve}')).lacks;
BEGIN
    IF lacks IS NOT NULL THEN
        PERFORM sitewire.fail('SW005', '', format('to approve this takes %s, which %s has not', lacks, users.me()));
    ELSIF d.requester = users.me() THEN
        PERFORM sitewire.fail('SW005', '', format('%s has requested it: somebody else must approve it', users.me()));
    ELSIF d.approver = users.me() AND d.plan_hash = hash THEN
        RETURN d; -- by an earlier try
    ELSIF d.status <> 'REQUESTED' THEN
        PERFORM sitewire.fail('SW006', 'id', format('deployment %s is %s: there is nothing to approve', d.id, d.status));
    ELSIF coalesce(hash, '') = '' THEN
        PERFORM sitewire.fail('SW002', 'plan_hash', 'required: it names the plan that you have read');
    ELSIF deployment.hash_of(d) <> hash THEN
        PERFORM sitewire.fail('SW007', 'plan_hash', 'the plan is another one now: read it again, and decide again');
    END IF;
    UPDATE deployment.deployment x SET status = 'ACCEPTED', approver = users.me(), plan_hash = hash WHERE x.id = d.id
    RETURNING * INTO d;
    RETURN d;
END $$;

CREATE FUNCTION deployment.abort(id bigint, why text) RETURNS deployment.deployment
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.find(id);
    lacks text := (deployment.rights_of(users.me(), ARRAY[d.project], '{deploy|approve|manage}')).lacks;
BEGIN
    IF lacks IS NOT NULL AND d.requester <> users.me() THEN
        PERFORM sitewire.fail('SW005', '', format('to abort this takes %s, which %s has not', lacks, users.me()));
    ELSIF NOT sitewire.is_text(coalesce(why, ''), 1000) THEN
        PERFORM sitewire.fail('SW002', 'reason', 'a reason has at most 1000 characters, none of them a control character');
    ELSIF d.status IN ('DONE', 'FAILED') THEN
        PERFORM sitewire.fail('SW006', 'id', format('deployment %s is %s: there is nothing to abort', d.id, d.status));
    ELSIF d.status = 'ABORTED' OR d.abort_requested_at IS NOT NULL THEN
        RETURN d;
    END IF;
    UPDATE deployment.deployment x
    SET status = CASE x.status WHEN 'IN_PROGRESS' THEN x.status ELSE 'ABORTED' END,
        abort_requested_at = clock_timestamp(), aborter = users.me(), abort_reason = coalesce(why, ''),
        failure = CASE x.status WHEN 'IN_PROGRESS' THEN '' ELSE deployment.abort_text(users.me(), why) END
    WHERE x.id = d.id RETURNING * INTO d;
    RETURN d;
END $$;

CREATE FUNCTION deployment.abort_text(who text, why text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT concat_ws(': ', 'aborted by ' || who, nullif(why, ''))
$$;

CREATE FUNCTION deployment.rollback(id bigint, run deployment.command[], why text, when_lost text, check_only boolean)
RETURNS deployment.plan LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.find(id);
    later bigint;
    plan deployment.plan;
    asked text := ROW(id, run, why, when_lost)::text;
    known jsonb := CASE WHEN NOT check_only THEN deployment.earlier('RollbackDeployment', asked) END;
BEGIN
    IF known IS NOT NULL THEN
        RETURN deployment.plan_of(deployment.find((known->>'id')::bigint));
    ELSIF d.status NOT IN ('DONE', 'FAILED', 'ABORTED') OR d.started_at IS NULL THEN
        PERFORM sitewire.fail('SW006', 'id', format('deployment %s is %s, and %s: there is nothing to roll back', d.id, d.status,
            CASE WHEN d.started_at IS NULL THEN 'did not start' ELSE 'is not over' END));
    ELSIF d.replaces = '' THEN
        PERFORM sitewire.fail('SW006', 'id', format('nothing was there before deployment %s', d.id));
    END IF;
    SELECT max(o.id) INTO later FROM deployment.deployment o
    WHERE o.docroot = d.docroot AND o.environment = d.environment AND o.type = d.type
      AND (d.type <> 'WEBSITE' OR o.project = d.project) AND o.started_at > d.started_at;
    IF later IS NOT NULL THEN
        PERFORM sitewire.fail('SW006', 'id', format('deployment %s came after %s: roll that one back, or request a version', later,
                                                    d.id));
    END IF;
    IF coalesce(cardinality(run), 0) = 0 THEN
        run := (SELECT array_agg(ROW(c.step, c.argv, c.shell, c.timeout_s, c.retries, c.continue_on_failure)::deployment.command
                                 ORDER BY c.number) FROM deployment.deployment_command c WHERE c.deployment = d.id);
    END IF;
    plan := deployment.request(d.project, d.type, d.docroot, d.environment, d.replaces, run, why, when_lost, check_only, d.id);
    IF NOT check_only THEN
        PERFORM deployment.remember('RollbackDeployment', asked, plan.deployment);
    END IF;
    RETURN plan;
END $$;

-- --- Runners ---

-- The deployment that a runner says it holds; anything else it has to say is not heard any more.
CREATE FUNCTION deployment.held(id bigint, by_fence bigint) RETURNS deployment.deployment LANGUAGE plpgsql AS $$
DECLARE
    d deployment.deployment := deployment.find(id);
BEGIN
    IF d.fence <> coalesce(by_fence, 0) THEN
        PERFORM sitewire.fail('SW007', 'fence', format('the fence of deployment %s is %s, not %s%s', d.id, d.fence,
            coalesce(by_fence, 0), CASE WHEN d.fence > by_fence THEN ': it was claimed again' ELSE '' END));
    ELSIF d.runner_user IS DISTINCT FROM users.me() THEN
        PERFORM sitewire.fail('SW005', '', format('deployment %s was claimed by another user', d.id));
    ELSIF d.status <> 'IN_PROGRESS' THEN
        PERFORM sitewire.fail('SW007', 'fence', format('deployment %s is %s%s: nothing is accepted for it any more', d.id, d.status,
                                                       coalesce(' (' || nullif(d.failure, '') || ')', '')));
    ELSIF d.lease_until < clock_timestamp() THEN
        PERFORM sitewire.fail('SW007', 'fence', format('the lease of deployment %s ran out', d.id));
    END IF;
    RETURN d;
END $$;

CREATE FUNCTION deployment.lease_of(lease_ms integer) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(lease_ms, 0) NOT IN (0) AND lease_ms NOT BETWEEN 1000 AND 600000 THEN
        PERFORM sitewire.fail('SW002', 'lease_ms', 'lease_ms is 1000 to 600000, 0 for 30000');
    END IF;
    RETURN clock_timestamp() + coalesce(nullif(lease_ms, 0), 30000) * interval '1 millisecond';
END $$;

-- What a runner needs.
CREATE FUNCTION deployment.claim_of(d deployment.deployment, for_ms integer) RETURNS deployment.claim LANGUAGE plpgsql STABLE AS $$
DECLARE
    c deployment.claim;
BEGIN
    c.deployment := d;
    c.fence := d.fence;
    c.lease_until := d.lease_until;
    c.lease_ms := coalesce(nullif(for_ms, 0), 30000);
    c.commands := (SELECT array_agg(x ORDER BY x.number) FROM deployment.deployment_command x WHERE x.deployment = d.id);
    c.facts := deployment.facts_of(d);
    c.results := (SELECT array_agg(x ORDER BY x.command, x.attempt) FROM deployment.deployment_command_result x
                  WHERE x.deployment = d.id);
    c.log_offset := deployment.log_end(d.id);
    RETURN c;
END $$;

-- The first of those that are due. What must not run any more is aborted on the way.
CREATE FUNCTION deployment.claim_next(by_runner text, in_environments text[], in_docroots text[], of_projects text[],
                                      for_ms integer)
RETURNS SETOF deployment.claim LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment;
    until timestamptz := deployment.lease_of(for_ms);
    serves text[];
    asked text := ROW(by_runner, in_environments, in_docroots, of_projects, for_ms)::text;
    me text := deployment.caller();
    known jsonb := deployment.earlier('ClaimDeployment', asked);
BEGIN
    IF known IS NOT NULL THEN
        SELECT * INTO d FROM deployment.deployment x
        WHERE x.id = (known->>'id')::bigint AND x.fence = (known->>'fence')::bigint AND x.status = 'IN_PROGRESS'
          AND x.lease_until >= clock_timestamp();
        IF FOUND THEN
            RETURN NEXT deployment.claim_of(d, for_ms);
        END IF;
        RETURN; -- what was claimed then is lost
    END IF;
    IF NOT sitewire.is_code(coalesce(by_runner, '')) THEN
        PERFORM sitewire.fail('SW002', 'runner', 'the name of a runner is 1 to 128 characters of A-Z a-z 0-9 . _ : -');
    END IF;
    IF NOT users.is_admin() THEN
        serves := (SELECT coalesce(array_agg(DISTINCT p.project), '{}') FROM users.permission p
                   WHERE 'deploy' = ANY (p.permissions));
        IF serves = '{}' OR coalesce(cardinality(of_projects), 0) > 0 AND NOT of_projects <@ serves THEN
            PERFORM sitewire.fail('SW005', 'projects', format('a runner takes deploy on the projects that it serves, which %s has '
                                                              'not', me));
        END IF;
    END IF;
    LOOP
        SELECT * INTO d FROM deployment.deployment x
        WHERE x.status = 'ACCEPTED'
          AND (coalesce(cardinality(in_environments), 0) = 0 OR x.environment = ANY (in_environments))
          AND (coalesce(cardinality(in_docroots), 0) = 0 OR x.docroot = ANY (in_docroots))
          AND (coalesce(cardinality(of_projects), 0) = 0 OR x.project = ANY (of_projects))
          AND (serves IS NULL OR x.project = ANY (serves))
          AND NOT EXISTS (SELECT FROM deployment.deployment o
                          WHERE o.docroot = x.docroot AND o.environment = x.environment
                            AND o.status IN ('ACCEPTED', 'IN_PROGRESS') AND o.queue < x.queue)
        ORDER BY x.queue LIMIT 1 FOR NO KEY UPDATE SKIP LOCKED;
        IF NOT FOUND THEN
            RETURN;
        END IF;
        EXIT WHEN deployment.void_of(d) IS NULL;
        UPDATE deployment.deployment x SET status = 'ABORTED', failure = deployment.void_of(d) WHERE x.id = d.id;
    END LOOP;
    UPDATE deployment.deployment x
    SET status = 'IN_PROGRESS', runner = by_runner, runner_user = me, lease_until = until, failure = ''
    WHERE x.id = d.id RETURNING * INTO d;
    PERFORM deployment.remember('ClaimDeployment', asked, d);
    RETURN NEXT deployment.claim_of(d, for_ms);
END $$;

CREATE FUNCTION deployment.log_end(id bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT l."offset" + octet_length(l.bytes) FROM deployment.deployment_log l
                     WHERE l.deployment = log_end.id ORDER BY l."offset" DESC LIMIT 1), 0);
END $$;

CREATE FUNCTION deployment.renew(id bigint, by_fence bigint, for_ms integer) RETURNS deployment.lease
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.held(id, by_fence);
BEGIN
    UPDATE deployment.deployment x SET lease_until = deployment.lease_of(for_ms) WHERE x.id = d.id RETURNING * INTO d;
    RETURN ROW(d.lease_until, d.abort_requested_at IS NOT NULL,
               CASE WHEN d.abort_requested_at IS NOT NULL THEN deployment.abort_text(d.aborter, d.abort_reason) END)
           ::deployment.lease;
END $$;

-- Commands run one after the other, each as often as it may.
CREATE FUNCTION deployment.start_command(id bigint, by_fence bigint, number integer, try integer)
RETURNS deployment.deployment_command_result LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.held(id, by_fence);
    c deployment.deployment_command;
    r deployment.deployment_command_result;
    last deployment.deployment_command_result;
    tries integer;
    other integer;
BEGIN
    SELECT * INTO c FROM deployment.deployment_command x WHERE x.deployment = d.id AND x.number = start_command.number;
    IF NOT FOUND THEN
        PERFORM sitewire.fail('SW003', 'number', format('deployment %s has no command %s', d.id, coalesce(number, 0)));
    END IF;
    SELECT * INTO last FROM deployment.deployment_command_result x
    WHERE x.deployment = d.id AND x.command = c.number ORDER BY x.attempt DESC LIMIT 1;
    IF last.fence = d.fence AND last.finished_at IS NULL AND last.attempt IS NOT NULL
       AND coalesce(nullif(try, 0), last.attempt) = last.attempt THEN
        RETURN last; -- by an earlier try
    ELSIF coalesce(nullif(try, 0), coalesce(last.attempt, 0) + 1) <> coalesce(last.attempt, 0) + 1 THEN
        PERFORM sitewire.fail('SW006', 'attempt', format('the next attempt at command %s is %s', c.number,
                                                         coalesce(last.attempt, 0) + 1));
    ELSIF d.abort_requested_at IS NOT NULL THEN
        PERFORM sitewire.fail('SW006', 'id', format('deployment %s is to be aborted', d.id));
    END IF;
    SELECT x.command INTO other FROM deployment.deployment_command_result x WHERE x.deployment = d.id AND x.finished_at IS NULL;
    IF FOUND THEN
        PERFORM sitewire.fail('SW006', 'number', format('command %s of deployment %s is not over', other, d.id));
    END IF;
    SELECT x.number INTO other FROM deployment.deployment_command x
    WHERE x.deployment = d.id AND x.number < c.number AND NOT EXISTS (
        SELECT FROM deployment.deployment_command_result y WHERE y.deployment = d.id AND y.command = x.number
          AND y.finished_at IS NOT NULL AND (x.continue_on_failure OR y.exit_code = 0 AND NOT y.timed_out))
    ORDER BY x.number LIMIT 1;
    IF FOUND THEN
        PERFORM sitewire.fail('SW006', 'number', format('command %s comes first: it has not succeeded', other));
    END IF;
    SELECT count(*) INTO tries FROM deployment.deployment_command_result x
    WHERE x.deployment = d.id AND x.command = c.number AND x.fence = d.fence;
    IF tries > c.retries THEN
        PERFORM sitewire.fail('SW006', 'attempt', format('command %s has had its %s', c.number,
            CASE c.retries WHEN 0 THEN 'attempt' ELSE format('%s attempts', c.retries + 1) END));
    END IF;
    INSERT INTO deployment.deployment_command_result (deployment, command, attempt, runner, fence)
    VALUES (d.id, c.number, coalesce(last.attempt, 0) + 1, d.runner, d.fence) RETURNING * INTO r;
    RETURN r;
END $$;

CREATE FUNCTION deployment.finish_command(id bigint, by_fence bigint, number integer, try integer, exited integer, killed integer,
                                          late boolean, out_bytes bigint, err_bytes bigint, cut boolean, why text)
RETURNS deployment.deployment_command_result LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.held(id, by_fence);
    r deployment.deployment_command_result;
    same boolean;
BEGIN
    SELECT * INTO r FROM deployment.deployment_command_result x
    WHERE x.deployment = d.id AND x.command = number AND x.attempt = try AND x.fence = d.fence;
    IF NOT FOUND THEN
        PERFORM sitewire.fail('SW003', 'attempt', format('attempt %s at command %s of deployment %s has not begun',
                                                         coalesce(try, 0), coalesce(number, 0), d.id));
    ELSIF exited IS NULL AND coalesce(killed, 0) = 0 AND NOT coalesce(late, false) AND coalesce(why, '') = '' THEN
        PERFORM sitewire.fail('SW002', 'exit_code', 'how did it end? set exit_code, signal, timed_out or failure');
    ELSIF least(out_bytes, err_bytes) < 0 THEN
        PERFORM sitewire.fail('SW002', 'stdout_bytes', 'sizes are 0 or more');
    END IF;
    IF r.finished_at IS NOT NULL THEN
        same := (r.exit_code, r.signal, r.timed_out, r.failure) IS NOT DISTINCT FROM
                (exited, nullif(killed, 0), coalesce(late, false), left(coalesce(why, ''), 1000));
        IF NOT same THEN
            PERFORM sitewire.fail('SW006', 'attempt', format('attempt %s at command %s is over, and ended otherwise', try, number));
        END IF;
        RETURN r;
    END IF;
    UPDATE deployment.deployment_command_result x
    SET finished_at = clock_timestamp(), exit_code = exited, signal = nullif(killed, 0), timed_out = coalesce(late, false),
        stdout_bytes = coalesce(out_bytes, 0), stderr_bytes = coalesce(err_bytes, 0), truncated = coalesce(cut, false),
        failure = left(coalesce(why, ''), 1000)
    WHERE x.deployment = r.deployment AND x.command = r.command AND x.attempt = r.attempt RETURNING * INTO r;
    RETURN r;
END $$;

-- Chunks follow each other; one that is there already, as it is, comes from an earlier try.
CREATE FUNCTION deployment.append_log(id bigint, by_fence bigint, chunks deployment.log_chunk[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.held(id, by_fence);
    ends_at bigint := deployment.log_end(id);
    c deployment.log_chunk;
BEGIN
    FOREACH c IN ARRAY coalesce(chunks, '{}') LOOP
        IF coalesce(octet_length(c.bytes), 0) NOT BETWEEN 1 AND 1048576 THEN
            PERFORM sitewire.fail('SW002', 'chunks.bytes', 'a chunk has 1 to 1048576 bytes');
        ELSIF coalesce(c.stream, '') NOT IN ('stdout', 'stderr') THEN
            PERFORM sitewire.fail('SW002', 'chunks.stream', 'a stream is stdout or stderr');
        ELSIF coalesce(c."offset", 0) = ends_at THEN
            INSERT INTO deployment.deployment_log (deployment, "offset", command, attempt, stream, bytes, fence)
            VALUES (d.id, ends_at, coalesce(c.command, 0), coalesce(c.attempt, 0), c.stream, c.bytes, d.fence);
            ends_at := ends_at + octet_length(c.bytes);
        ELSIF NOT EXISTS (SELECT FROM deployment.deployment_log l WHERE l.deployment = d.id
                          AND l."offset" = coalesce(c."offset", 0) AND l.bytes = c.bytes) THEN
            PERFORM sitewire.fail('SW006', 'chunks.offset', format('deployment %s has %s bytes of output: the next chunk begins '
                                                                   'there, not at %s', d.id, ends_at, coalesce(c."offset", 0)));
        END IF;
    END LOOP;
    RETURN ends_at;
END $$;

CREATE FUNCTION deployment.conclude(id bigint, by_fence bigint, outcome text, why text) RETURNS deployment.deployment
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.find(id);
BEGIN
    IF coalesce(outcome, '') NOT IN ('DONE', 'FAILED', 'ABORTED') THEN
        PERFORM sitewire.fail('SW002', 'outcome', 'an outcome is DONE, FAILED or ABORTED');
    ELSIF d.status = outcome AND d.fence = by_fence AND d.runner_user = users.me() THEN
        RETURN d; -- by an earlier try
    END IF;
    d := deployment.held(id, by_fence);
    UPDATE deployment.deployment x
    SET status = outcome, failure = CASE
        WHEN outcome = 'DONE' THEN ''
        WHEN outcome = 'ABORTED' AND x.abort_requested_at IS NOT NULL THEN deployment.abort_text(x.aborter, x.abort_reason)
        ELSE left(coalesce(nullif(why, ''), 'the runner gave no reason'), 4000) END
    WHERE x.id = d.id RETURNING * INTO d;
    RETURN d;
END $$;

-- Ends what lost its runner. The service runs this each second, however many there are of it.
CREATE FUNCTION deployment.sweep() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment;
    ended integer := 0;
    lost_max bigint := 5; -- a deployment that takes its runners along is given up
BEGIN
    PERFORM set_config('sitewire.user', '@lease', true);
    FOR d IN SELECT * FROM deployment.deployment x WHERE x.status = 'IN_PROGRESS' AND x.lease_until < clock_timestamp()
             ORDER BY x.id FOR NO KEY UPDATE SKIP LOCKED LOOP
        IF d.abort_requested_at IS NULL AND d.on_lost_lease = 'RETRY' AND d.fence < lost_max THEN
            UPDATE deployment.deployment x SET status = 'ACCEPTED', runner = '', runner_user = NULL WHERE x.id = d.id;
        ELSE
            UPDATE deployment.deployment x
            SET status = CASE WHEN d.abort_requested_at IS NULL THEN 'FAILED' ELSE 'ABORTED' END,
                failure = CASE WHEN d.abort_requested_at IS NULL THEN format('the runner %s was lost', d.runner)
                               ELSE deployment.abort_text(d.aborter, d.abort_reason) END
            WHERE x.id = d.id;
        END IF;
        ended := ended + 1;
    END LOOP;
    RETURN ended;
END $$;

-- --- Who calls them ---

DO $$
DECLARE
    f regprocedure;
BEGIN
    FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'deployment'::regnamespace AND proname <> 'project_of' LOOP
        EXECUTE format('REVOKE EXECUTE ON FUNCTION %s FROM PUBLIC', f);
    END LOOP;
    FOR f IN SELECT oid FROM pg_proc WHERE pronamespace = 'deployment'::regnamespace AND proname = ANY (
        '{plan_of,request,approve,abort,rollback,claim_next,renew,start_command,finish_command,append_log,conclude,sweep}') LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION %s TO sitewire_deployment', f);
    END LOOP;
END $$;
GRANT USAGE ON SCHEMA deployment TO sitewire_deployment;

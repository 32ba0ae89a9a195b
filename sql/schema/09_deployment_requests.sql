-- The methods of sitewire.deployment.v1 for people; 10_deployment_runners.sql has those for
-- runners. The service has no other way to write. These functions run as their owner, and check
-- what the caller may do. The states of 08_deployment_states.sql apply to them, too.
--
-- Each of them locks the row of the deployment before it writes anything, so that the changes of a
-- deployment have growing transaction numbers. The relay of events relies on it.

-- --- Repeated requests ---

-- The result of an earlier request with this request_id, if there was one: {"id", "fence"} of a
-- deployment. Two requests are the same if `asked` is. A simultaneous request waits until this one
-- has ended.
CREATE OR REPLACE FUNCTION deployment.earlier(method text, asked text) RETURNS jsonb LANGUAGE plpgsql AS $$
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
    -- The lock makes this transaction write, so its commit waits for a synchronous standby, which
    -- then has the earlier one, too.
    SELECT * INTO r FROM sitewire.request x WHERE x.request_id = given FOR NO KEY UPDATE;
    IF FOUND AND (r.method, r.caller, r.request_hash) IS DISTINCT FROM
                 (earlier.method, users.me(), sha256(convert_to(asked, 'UTF8'))) THEN
        PERFORM sitewire.fail('SW002', 'request_id', 'this request_id was used for a different request: use a new one for each '
                                                     'change');
    ELSIF FOUND AND NOT users.is_admin()
          AND NOT EXISTS (SELECT FROM deployment.deployment d WHERE d.id = (r.reply->>'id')::bigint AND users.may_read(d.project)) THEN
        PERFORM sitewire.fail('SW005', 'request_id', format('%s may not read any more what this request_id made', users.me()));
    END IF;
    RETURN r.reply;
END $$;

CREATE OR REPLACE FUNCTION deployment.remember(method text, asked text, d deployment.deployment) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(current_setting('sitewire.request_id', true), '') <> '' THEN
        INSERT INTO sitewire.request (request_id, method, request_hash, caller, reply)
        VALUES (current_setting('sitewire.request_id'), method, sha256(convert_to(asked, 'UTF8')), users.me(),
                jsonb_build_object('id', d.id, 'fence', d.fence));
    END IF;
END $$;

-- --- Requests ---

-- The docroot if the request names none: the one on which the project runs.
CREATE OR REPLACE FUNCTION deployment.choose_docroot(p users.project, on_environment text) RETURNS text LANGUAGE plpgsql STABLE AS $$
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

-- Raises unless the target exists and hosts the project.
CREATE OR REPLACE FUNCTION deployment.check_target(d deployment.deployment, p users.project) RETURNS void LANGUAGE plpgsql STABLE AS $$
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
        PERFORM sitewire.fail('SW002', 'type', format('a deployment of type %s does not fit the project %s', d.type, p.code));
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
                CASE WHEN other IS NOT NULL AND NOT r.shared THEN ', and is not shared' || CASE deployment.name_for_caller('website:' || other)
                         WHEN 'website:' || other THEN ' by others than ' || other ELSE '' END
                     ELSE '' END, p.website, d.docroot, d.environment));
        END IF;
    END IF;
END $$;

-- Checks the commands and stores them in the order in which they run.
CREATE OR REPLACE FUNCTION deployment.add_commands(id bigint, run deployment.command[]) RETURNS void LANGUAGE plpgsql AS $$
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
            PERFORM sitewire.fail('SW002', field || '.step', format('there is no enabled step "%s": choose one of %s', c.step,
                (SELECT string_agg(s.code, ', ' ORDER BY s.rank) FROM deployment.deployment_step s WHERE s.enabled)));
        ELSIF (coalesce(cardinality(c.argv), 0) > 0) = (coalesce(c.shell, '') <> '') THEN
            PERFORM sitewire.fail('SW002', field || '.argv', 'a command has either argv or shell');
        ELSIF c.argv[1] = '' THEN
            PERFORM sitewire.fail('SW002', field || '.argv', 'the first element of argv is the program and must not be empty');
        ELSIF cardinality(c.argv) > 256 OR octet_length(c.argv::text) > 131072 OR octet_length(c.shell) > 65536 THEN
            PERFORM sitewire.fail('SW002', field, 'a command has at most 256 arguments of 128 KiB in all, or a line of 64 KiB');
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

CREATE OR REPLACE FUNCTION deployment.request(of_project text, of_type text, on_docroot text, on_environment text, to_version text,
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
    d.requester := me;
    -- The project, if the caller may know of it.
    SELECT * INTO p FROM users.project x WHERE x.code = of_project;
    IF NOT FOUND OR NOT (users.is_admin() OR users.permissions_of(d.requester, of_project) <> '{}') THEN
        PERFORM sitewire.fail('SW003', 'project', format('there is no project "%s"', coalesce(of_project, '')));
    ELSIF known IS NOT NULL THEN
        RETURN deployment.plan_of(deployment.find((known->>'id')::bigint));
    END IF;
    d.project := p.code;
    d.type := coalesce(nullif(of_type, ''), CASE p.kind WHEN 'website' THEN 'WEBSITE' ELSE 'DRUPALDOCROOTCORE' END);
    IF NOT EXISTS (SELECT FROM deployment.deployment_type t WHERE t.code = d.type AND t.enabled) THEN
        PERFORM sitewire.fail('SW002', 'type', format('there is no deployment type "%s" in use', d.type));
    END IF;
    IF coalesce(on_environment, '') = '' THEN
        PERFORM sitewire.fail('SW002', 'environment', 'required: where it is to run');
    ELSIF NOT EXISTS (SELECT FROM referential.environment e WHERE e.code = on_environment) THEN
        PERFORM sitewire.fail('SW003', 'environment', format('there is no environment "%s"', on_environment));
    END IF;
    d.environment := on_environment;
    d.docroot := coalesce(nullif(on_docroot, ''), deployment.choose_docroot(p, on_environment));
    PERFORM deployment.check_target(d, p);
    IF coalesce(to_version, '') = '' OR NOT sitewire.is_text(to_version, 128) THEN
        PERFORM sitewire.fail('SW002', 'version', 'a version is 1 to 128 characters, without control characters');
    ELSIF NOT sitewire.is_text(coalesce(why, ''), 1000) THEN
        PERFORM sitewire.fail('SW002', 'reason', 'a reason has at most 1000 characters, and no control characters');
    ELSIF coalesce(when_lost, '') NOT IN ('', 'FAIL', 'RETRY') THEN
        PERFORM sitewire.fail('SW002', 'on_lost_lease', 'on_lost_lease is FAIL or RETRY');
    END IF;
    lacks := (deployment.rights_of(d.requester, deployment.projects_of(d), deployment.needs_of(coalesce(cardinality(run), 0) > 0),
                                   d.environment)).lacks;
    IF lacks IS NOT NULL THEN
        PERFORM sitewire.fail('SW005', '', format('deploying %sto %s takes %s, which %s does not have',
            CASE WHEN cardinality(run) > 0 THEN 'with commands of one''s own ' ELSE '' END, d.environment, lacks, d.requester));
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

-- Stores the caller's approval. With the last one that is needed, the deployment is accepted.
CREATE OR REPLACE FUNCTION deployment.approve(id bigint, hash text) RETURNS deployment.deployment
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.find(id);
    me text := users.me();
    lacks text := (deployment.rights_of(me, deployment.projects_of(d), '{approve}', d.environment)).lacks;
    counted integer;
BEGIN
    IF lacks IS NOT NULL THEN
        PERFORM sitewire.fail('SW005', '', format('approving this takes %s, which %s does not have', lacks, me));
    ELSIF d.requester = me THEN
        PERFORM sitewire.fail('SW005', '', format('%s requested it: somebody else must approve it', me));
    ELSIF EXISTS (SELECT FROM users."user" u WHERE u.email = me AND u.kind = 'ROBOT') THEN
        PERFORM sitewire.fail('SW005', '', format('%s is a robot: a person must approve it', me));
    ELSIF NOT deployment.approves_by_admins(me, d) THEN
        PERFORM sitewire.fail('SW005', '', format('approving this takes approve by rights that admins gave; %s has it only by '
            'others: ask an admin for the right', me));
    ELSIF d.status <> 'REQUESTED' THEN
        IF EXISTS (SELECT FROM deployment.deployment_approval a WHERE a.deployment = d.id AND a.approver = me AND a.plan_hash = hash)
           AND d.plan_hash = hash THEN
            RETURN d; -- by an earlier request
        END IF;
        PERFORM sitewire.fail('SW006', 'id', format('deployment %s is %s: there is nothing to approve', d.id, d.status));
    ELSIF coalesce(hash, '') = '' THEN
        PERFORM sitewire.fail('SW002', 'plan_hash', 'required: the hash of the plan that you have read');
    ELSIF deployment.hash_of(d) <> hash THEN
        PERFORM sitewire.fail('SW007', 'plan_hash', 'the plan has changed: read it again, then decide again');
    END IF;
    INSERT INTO deployment.deployment_approval (deployment, approver, plan_hash) VALUES (d.id, me, hash)
    ON CONFLICT (deployment, approver) DO UPDATE SET plan_hash = excluded.plan_hash, approved_at = excluded.approved_at;
    counted := (deployment.count_approvals(d, hash)).counted;
    IF counted < deployment.approvals_needed(d) THEN
        UPDATE deployment.deployment x SET plan_hash = hash WHERE x.id = d.id RETURNING * INTO d;
        INSERT INTO deployment.outbox (project, deployment, kind, payload)
        VALUES (d.project, d.id, 'state', jsonb_build_object('from', d.status, 'status', d.status, 'by', me, 'approver', me)::text);
    ELSE
        UPDATE deployment.deployment x SET status = 'ACCEPTED', approver = me, plan_hash = hash WHERE x.id = d.id RETURNING * INTO d;
    END IF;
    RETURN d;
END $$;

CREATE OR REPLACE FUNCTION deployment.abort(id bigint, why text) RETURNS deployment.deployment
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.find(id);
    lacks text := (deployment.rights_of(users.me(), ARRAY[d.project], '{deploy|approve|manage}', d.environment)).lacks;
BEGIN
    IF lacks IS NOT NULL AND d.requester <> users.me() THEN
        PERFORM sitewire.fail('SW005', '', format('aborting this takes %s, which %s does not have', lacks, users.me()));
    ELSIF NOT sitewire.is_text(coalesce(why, ''), 1000) THEN
        PERFORM sitewire.fail('SW002', 'reason', 'a reason has at most 1000 characters, and no control characters');
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

CREATE OR REPLACE FUNCTION deployment.abort_text(who text, why text) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT concat_ws(': ', 'aborted by ' || who, nullif(why, ''))
$$;

CREATE OR REPLACE FUNCTION deployment.rollback(id bigint, run deployment.command[], why text, when_lost text, check_only boolean)
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
        PERFORM sitewire.fail('SW006', 'id', format('there was no version before deployment %s', d.id));
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

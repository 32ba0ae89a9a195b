-- The rules of deployments, whoever changes them: the trigger `state` allows only the moves in
-- deployment.transition, also at psql. The triggers `follow` write the events and update the
-- registry.

-- --- Leases ---

-- A lease ends by the clock of the server that gave it. After a failover or a restart, that clock
-- says nothing: so no lease lapses until the sweep has given all of them their full time again
-- (deployment.renew_all), by the clock of the server that runs now.

-- Names the running server: no two have started at the same microsecond.
CREATE OR REPLACE FUNCTION deployment.this_server() RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT convert_to(extract(epoch FROM pg_postmaster_start_time())::text, 'UTF8')
$$;

-- Whether a lease has run out.
CREATE OR REPLACE FUNCTION deployment.lapsed(until timestamptz) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    RETURN until < clock_timestamp()
           AND NOT EXISTS (SELECT FROM sitewire.stored_setting s
                           WHERE s.name = 'lease_server' AND s.value <> deployment.this_server());
END $$;

-- A lease is as long as when it was given, at that row's updated_at.
CREATE OR REPLACE FUNCTION deployment.renew_all() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    known bytea;
BEGIN
    SELECT s.value INTO known FROM sitewire.stored_setting s WHERE s.name = 'lease_server';
    IF known = deployment.this_server() THEN
        RETURN;
    END IF;
    INSERT INTO sitewire.stored_setting (name, value) VALUES ('lease_server', deployment.this_server()) ON CONFLICT DO NOTHING;
    SELECT s.value INTO known FROM sitewire.stored_setting s WHERE s.name = 'lease_server' FOR UPDATE;
    IF known = deployment.this_server() THEN
        RETURN; -- the first server, or another instance was faster
    END IF;
    UPDATE deployment.deployment x
    SET lease_until = clock_timestamp() + greatest(least(x.lease_until - x.updated_at, interval '10 min'), interval '1 s')
    WHERE x.status = 'IN_PROGRESS';
    UPDATE sitewire.stored_setting SET value = deployment.this_server() WHERE name = 'lease_server';
END $$;

-- --- States ---

-- A request does not change. The users who approved, ran or aborted a deployment are set only by
-- these moves. A reference may change with a rename: then the old name no longer exists.
CREATE OR REPLACE FUNCTION deployment.keep_references(old jsonb, new jsonb) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
    who text;
BEGIN
    IF old->>'project' <> new->>'project' AND EXISTS (SELECT FROM users.project WHERE code = old->>'project')
       OR (old->>'docroot', old->>'environment') <> (new->>'docroot', new->>'environment')
           AND EXISTS (SELECT FROM referential.docroot_environment e
                       WHERE (e.docroot, e.environment) = (old->>'docroot', old->>'environment'))
       OR old->>'requester' <> new->>'requester' AND EXISTS (SELECT FROM users."user" WHERE email = old->>'requester') THEN
        PERFORM sitewire.fail('SW006', 'status', 'a request cannot be changed: request another deployment');
    END IF;
    FOREACH who IN ARRAY '{approver,runner_user,aborter,output_remover}'::text[] LOOP
        CONTINUE WHEN old->>who IS NOT DISTINCT FROM new->>who
            OR old->>who IS NOT NULL AND new->>who IS NOT NULL
               AND NOT EXISTS (SELECT FROM users."user" WHERE email = old->>who) -- renamed
            OR CASE who WHEN 'approver' THEN (old->>'status', new->>'status') = ('REQUESTED', 'ACCEPTED')
                        WHEN 'runner_user' THEN (old->>'status', new->>'status') IN (('ACCEPTED', 'IN_PROGRESS'),
                                                                                     ('IN_PROGRESS', 'ACCEPTED'))
                        ELSE old->>who IS NULL END;
        PERFORM sitewire.fail('SW006', who, 'it is set by the action of that user, and cannot be changed');
    END LOOP;
END $$;

-- A move to a state: checks what it requires, and sets the fields. The caller has locked the row.
CREATE OR REPLACE FUNCTION deployment.accept(old deployment.deployment, INOUT d deployment.deployment) LANGUAGE plpgsql AS $$
DECLARE
    needed integer;
    approvals record;
BEGIN
    IF old.status = 'IN_PROGRESS' THEN
        IF d.on_lost_lease <> 'RETRY' OR NOT deployment.lapsed(old.lease_until) THEN
            PERFORM sitewire.fail('SW006', 'status', 'a deployment that is IN_PROGRESS can be claimed again only if its '
                                                     'request says RETRY and its lease has run out');
        END IF;
        d.lease_until := NULL;
        RETURN;
    END IF;
    -- The queue of a target has one order, even for deployments that are accepted at the same time.
    PERFORM pg_advisory_xact_lock(hashtextextended(format('deployment %s/%s', d.docroot, d.environment), 0));
    d.queue := nextval('deployment.queue');
    d.accepted_at := clock_timestamp();
    needed := deployment.approvals_needed(d);
    IF needed > 0 THEN
        IF deployment.hash_of(d) <> d.plan_hash THEN
            PERFORM sitewire.fail('SW007', 'plan_hash', 'the plan has changed: read it again, then decide again');
        END IF;
        approvals := deployment.count_approvals(d, d.plan_hash);
        IF d.approver IS NULL OR approvals.counted < needed THEN
            PERFORM sitewire.fail('SW006', 'status', concat_ws('; ', format('%s is protected: %s of %s approvals by others than %s count',
                d.environment, approvals.counted, needed, d.requester), nullif(array_to_string(approvals.flaws, '; '), '')));
        END IF;
    END IF;
END $$;

CREATE OR REPLACE FUNCTION deployment.take(old deployment.deployment, INOUT d deployment.deployment) LANGUAGE plpgsql AS $$
DECLARE
    first bigint;
BEGIN
    SELECT o.id INTO first FROM deployment.deployment o
    WHERE o.docroot = d.docroot AND o.environment = d.environment AND o.status IN ('ACCEPTED', 'IN_PROGRESS')
      AND o.queue < d.queue
    ORDER BY o.queue LIMIT 1;
    IF FOUND THEN
        PERFORM sitewire.fail('SW006', 'status', format('deployment %s comes first on %s/%s', first, d.docroot,
                                                        d.environment));
    ELSIF deployment.void_of(d) IS NOT NULL THEN
        PERFORM sitewire.fail('SW006', 'status', deployment.void_of(d));
    END IF;
    d.fence := old.fence + 1;
    d.started_at := clock_timestamp();
    d.replaces := deployment.version_before(d, d.type);
END $$;

CREATE OR REPLACE FUNCTION deployment.finish(old deployment.deployment, INOUT d deployment.deployment) LANGUAGE plpgsql AS $$
DECLARE
    left_over integer;
BEGIN
    IF d.status = 'DONE' THEN
        SELECT c.number INTO left_over FROM deployment.deployment_command c
        WHERE c.deployment = d.id AND NOT EXISTS (
            SELECT FROM deployment.deployment_command_result r
            WHERE r.deployment = d.id AND r.command = c.number AND r.finished_at IS NOT NULL
              AND (c.continue_on_failure OR r.exit_code = 0 AND NOT r.timed_out))
        ORDER BY c.number LIMIT 1;
        IF FOUND THEN
            PERFORM sitewire.fail('SW006', 'outcome', format('command %s of deployment %s has not succeeded', left_over, d.id));
        ELSIF deployment.lapsed(old.lease_until) THEN
            PERFORM sitewire.fail('SW007', 'fence', format('the lease of deployment %s ran out', d.id));
        END IF;
    END IF;
    d.finished_at := clock_timestamp();
    d.lease_until := NULL;
END $$;

CREATE OR REPLACE FUNCTION deployment.keep_state() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    -- These are set by moves and methods; everything else is the request.
    moving text[] := '{status,approver,accepted_at,started_at,finished_at,runner,runner_user,lease_until,fence,failure,'
                     'plan_hash,replaces,queue,aborter,abort_reason,abort_requested_at,output_removed_at,output_remover,'
                     'updated_at,revision,created_at}';
    renamed text[] := '{project,docroot,environment,requester,approver,runner_user,aborter,output_remover,rollback_of}';
    after_end text[] := '{updated_at,revision}';
    old_row jsonb;
    new_row jsonb;
    over text[] := '{DONE,FAILED,ABORTED}';
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'REQUESTED' OR NEW.fence <> 0 OR NEW.queue IS NOT NULL OR NEW.approver IS NOT NULL THEN
            PERFORM sitewire.fail('SW006', 'status', 'a deployment begins as REQUESTED');
        END IF;
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        IF OLD.status <> ALL (over) THEN
            PERFORM sitewire.fail('SW006', 'id', format('deployment %s is %s: abort it first', OLD.id, OLD.status));
        END IF;
        RETURN OLD;
    END IF;
    old_row := to_jsonb(OLD);
    new_row := to_jsonb(NEW);
    IF old_row - moving - renamed IS DISTINCT FROM new_row - moving - renamed
       OR OLD.rollback_of <> NEW.rollback_of OR OLD.rollback_of IS NULL AND NEW.rollback_of IS NOT NULL THEN
        PERFORM sitewire.fail('SW006', 'status', 'a request cannot be changed: request another deployment');
    END IF;
    PERFORM deployment.keep_references(old_row, new_row);
    IF NEW.status <> OLD.status THEN
        IF NOT EXISTS (SELECT FROM deployment.transition t WHERE t."from" = OLD.status AND t."to" = NEW.status) THEN
            PERFORM sitewire.fail('SW006', 'status', format('deployment %s is %s: it cannot become %s', OLD.id, OLD.status,
                                                            NEW.status));
        END IF;
        NEW.fence := OLD.fence;
        NEW.queue := OLD.queue;
        NEW := CASE NEW.status WHEN 'ACCEPTED' THEN deployment.accept(OLD, NEW)
                               WHEN 'IN_PROGRESS' THEN deployment.take(OLD, NEW)
                               ELSE deployment.finish(OLD, NEW) END;
    ELSIF OLD.status = ANY (over) THEN
        IF OLD.output_removed_at IS NULL THEN
            after_end := after_end || 'output_removed_at'::text;
        END IF;
        IF old_row - renamed - after_end IS DISTINCT FROM new_row - renamed - after_end THEN
            PERFORM sitewire.fail('SW006', 'status', format('deployment %s is %s: it cannot be changed', OLD.id, OLD.status));
        END IF;
    ELSIF (NEW.fence, NEW.runner, NEW.started_at, NEW.accepted_at, NEW.replaces) IS DISTINCT FROM
          (OLD.fence, OLD.runner, OLD.started_at, OLD.accepted_at, OLD.replaces) OR NEW.queue IS DISTINCT FROM OLD.queue
          OR NEW.plan_hash <> OLD.plan_hash AND OLD.status <> 'REQUESTED' THEN
        PERFORM sitewire.fail('SW006', 'status', 'these fields are set only by a change of status');
    ELSIF NEW.lease_until IS DISTINCT FROM OLD.lease_until AND deployment.lapsed(OLD.lease_until) THEN
        PERFORM sitewire.fail('SW007', 'fence', format('the lease of deployment %s ran out', OLD.id));
    END IF;
    RETURN NEW;
END $$;
SELECT sitewire.keep_trigger('state', 'deployment.deployment', 'BEFORE INSERT OR UPDATE OR DELETE',
                             'FOR EACH ROW EXECUTE FUNCTION deployment.keep_state()');

-- The effects of a change of state: the running attempt ends, the registry gets the version that
-- runs now, and an event is written.
CREATE OR REPLACE FUNCTION deployment.follow_state() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status = 'IN_PROGRESS' AND NEW.status <> 'IN_PROGRESS' THEN
        PERFORM deployment.announce_output(NEW);
        UPDATE deployment.deployment_command_result r
        SET finished_at = clock_timestamp(), failure = CASE
            WHEN deployment.lapsed(OLD.lease_until) THEN format('the runner %s was lost', OLD.runner)
            ELSE format('unfinished when the deployment was %s', NEW.status) END
        WHERE r.deployment = NEW.id AND r.finished_at IS NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.status = 'DONE' AND OLD.status <> 'DONE' THEN
        IF NEW.type = 'WEBSITE' THEN
            INSERT INTO referential.website_deployed AS w (website, docroot, environment, website_version)
            SELECT p.website, NEW.docroot, NEW.environment, NEW.version FROM users.project p WHERE p.code = NEW.project
            ON CONFLICT (website, docroot, environment) DO UPDATE SET website_version = excluded.website_version;
        ELSE
            UPDATE referential.docroot_environment e
            SET cms_version = CASE NEW.type WHEN 'CORE' THEN NEW.version ELSE e.cms_version END,
                drupal_docroot_core_version = CASE NEW.type WHEN 'DRUPALDOCROOTCORE' THEN NEW.version
                                                            ELSE e.drupal_docroot_core_version END
            WHERE e.docroot = NEW.docroot AND e.environment = NEW.environment;
        END IF;
    END IF;
    IF TG_OP = 'INSERT' OR NEW.status <> OLD.status OR NEW.abort_requested_at IS DISTINCT FROM OLD.abort_requested_at THEN
        INSERT INTO deployment.outbox (project, deployment, kind, payload)
        VALUES (NEW.project, NEW.id, 'state', jsonb_strip_nulls(jsonb_build_object(
            'from', CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, 'status', NEW.status,
            'by', nullif(current_setting('sitewire.user', true), ''),
            'approver', CASE WHEN NEW.status = 'ACCEPTED' THEN NEW.approver END,
            'runner', nullif(NEW.runner, ''), 'failure', nullif(NEW.failure, ''),
            'abort', CASE WHEN NEW.status = 'IN_PROGRESS' AND NEW.abort_requested_at IS NOT NULL THEN true END))::text);
    END IF;
    RETURN NULL;
END $$;
SELECT sitewire.keep_trigger('follow', 'deployment.deployment', 'AFTER INSERT OR UPDATE',
                             'FOR EACH ROW EXECUTE FUNCTION deployment.follow_state()');

-- --- Commands, results, output ---

-- Commands are added while their deployment is being requested, and deleted only with it.
CREATE OR REPLACE FUNCTION deployment.keep_command() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' AND EXISTS (SELECT FROM deployment.deployment d WHERE d.id = NEW.deployment AND d.status = 'REQUESTED'
                                    AND d.plan_hash = '') THEN
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM deployment.deployment d WHERE d.id = OLD.deployment) THEN
        RETURN OLD;
    END IF;
    PERFORM sitewire.fail('SW006', 'commands', 'the commands of a deployment cannot be changed');
    RETURN NULL;
END $$;
SELECT sitewire.keep_trigger('state', 'deployment.deployment_command', 'BEFORE INSERT OR UPDATE OR DELETE',
                             'FOR EACH ROW EXECUTE FUNCTION deployment.keep_command()');

-- Results and output come from the runner that holds the deployment. An attempt that no runner
-- holds any more ends as a failure.
CREATE OR REPLACE FUNCTION deployment.keep_result() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    held boolean;
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM deployment.deployment d WHERE d.id = OLD.deployment) THEN
            PERFORM sitewire.fail('SW006', 'deployment', 'results and output are deleted only with their deployment');
        END IF;
        RETURN OLD;
    END IF;
    held := EXISTS (SELECT FROM deployment.deployment d WHERE d.id = NEW.deployment AND d.status = 'IN_PROGRESS'
                    AND d.fence = NEW.fence AND NOT deployment.lapsed(d.lease_until));
    IF TG_OP = 'UPDATE' THEN
        IF to_jsonb(OLD)->'finished_at' IS DISTINCT FROM 'null'::jsonb
           OR (NEW.deployment, NEW.command, NEW.attempt, NEW.started_at, NEW.fence, NEW.runner) IS DISTINCT FROM
              (OLD.deployment, OLD.command, OLD.attempt, OLD.started_at, OLD.fence, OLD.runner) THEN
            PERFORM sitewire.fail('SW006', 'attempt', 'a result cannot be changed');
        END IF;
        held := held OR NEW.exit_code IS NULL AND NEW.failure <> ''
                AND NOT EXISTS (SELECT FROM deployment.deployment d WHERE d.id = NEW.deployment AND d.status = 'IN_PROGRESS'
                                AND d.fence = NEW.fence);
    END IF;
    IF NOT held THEN
        PERFORM sitewire.fail('SW007', 'fence', format('deployment %s is not held with fence %s', NEW.deployment, NEW.fence));
    END IF;
    RETURN NEW;
END $$;
SELECT sitewire.keep_trigger('state', 'deployment.deployment_command_result', 'BEFORE INSERT OR UPDATE OR DELETE',
                             'FOR EACH ROW EXECUTE FUNCTION deployment.keep_result()');

CREATE OR REPLACE FUNCTION deployment.follow_result() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF NEW.finished_at IS NOT NULL THEN
        PERFORM deployment.announce_output(d) FROM deployment.deployment d WHERE d.id = NEW.deployment;
    END IF;
    INSERT INTO deployment.outbox (project, deployment, kind, payload)
    SELECT d.project, d.id, 'command', jsonb_strip_nulls(
        jsonb_build_object('command', NEW.command, 'attempt', NEW.attempt, 'step', c.step)
        || CASE WHEN NEW.finished_at IS NULL THEN '{}' ELSE jsonb_build_object(
            'finished_at', to_char(NEW.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'exit_code', NEW.exit_code, 'signal', NEW.signal, 'timed_out', nullif(NEW.timed_out, false),
            'failure', nullif(NEW.failure, ''), 'stdout_bytes', NEW.stdout_bytes, 'stderr_bytes', NEW.stderr_bytes,
            'truncated', nullif(NEW.truncated, false)) END)::text
    FROM deployment.deployment d JOIN deployment.deployment_command c ON c.deployment = d.id AND c.number = NEW.command
    WHERE d.id = NEW.deployment;
    RETURN NULL;
END $$;
SELECT sitewire.keep_trigger('follow', 'deployment.deployment_command_result', 'AFTER INSERT OR UPDATE',
                             'FOR EACH ROW EXECUTE FUNCTION deployment.follow_result()');

-- A chunk changes only by bytes that are added to it.
CREATE OR REPLACE FUNCTION deployment.keep_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    grows boolean := TG_OP = 'INSERT';
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF NOT EXISTS (SELECT FROM deployment.deployment d WHERE d.id = OLD.deployment AND d.output_removed_at IS NULL) THEN
            RETURN OLD;
        END IF;
        PERFORM sitewire.fail('SW006', 'deployment', 'output is removed as a whole (RemoveOutput), or with its deployment');
    ELSIF TG_OP = 'UPDATE' THEN
        grows := octet_length(NEW.bytes) > octet_length(OLD.bytes);
        IF (NEW.deployment, NEW."offset", NEW.command, NEW.attempt, NEW.stream, NEW.at, NEW.fence) IS DISTINCT FROM
           (OLD.deployment, OLD."offset", OLD.command, OLD.attempt, OLD.stream, OLD.at, OLD.fence)
           OR substring(NEW.bytes FOR octet_length(OLD.bytes)) <> OLD.bytes THEN
            PERFORM sitewire.fail('SW006', 'deployment', 'output cannot be changed');
        END IF;
    END IF;
    IF grows AND NOT EXISTS (SELECT FROM deployment.deployment d WHERE d.id = NEW.deployment
                             AND d.status = 'IN_PROGRESS' AND d.fence = NEW.fence AND NOT deployment.lapsed(d.lease_until)) THEN
        PERFORM sitewire.fail('SW007', 'fence', format('deployment %s is not held with fence %s', NEW.deployment, NEW.fence));
    END IF;
    RETURN NEW;
END $$;
SELECT sitewire.keep_trigger('state', 'deployment.deployment_log', 'BEFORE INSERT OR UPDATE OR DELETE',
                             'FOR EACH ROW EXECUTE FUNCTION deployment.keep_log()');
-- History does not record output, but it records a TRUNCATE of the table.
SELECT sitewire.keep_truncate('deployment.deployment_log', '{bytes}');

-- --- Statuses, types, steps ---

-- Admins may change the texts, but nobody adds or removes a row, or changes the moves.
CREATE OR REPLACE FUNCTION deployment.keep_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sitewire.fail('SW006', '', 'these rows are fixed: they can be changed, but neither added nor removed');
    RETURN NULL;
END $$;
SELECT sitewire.keep_trigger('words', relation, 'AFTER INSERT OR DELETE',
                             'FOR EACH ROW EXECUTE FUNCTION deployment.keep_words()')
FROM unnest('{deployment.deployment_status,deployment.deployment_type,deployment.deployment_step,
              deployment.transition}'::regclass[]) relation;
SELECT sitewire.keep_trigger('fixed', 'deployment.transition', 'AFTER UPDATE',
                             'FOR EACH ROW EXECUTE FUNCTION deployment.keep_words()'),
       sitewire.keep_trigger('fixed_all', 'deployment.transition', 'BEFORE TRUNCATE',
                             'FOR EACH STATEMENT EXECUTE FUNCTION deployment.keep_words()');

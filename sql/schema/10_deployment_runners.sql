-- The methods of sitewire.deployment.v1 for runners, with the same rules as those of
-- 09_deployment_requests.sql. A runner holds a deployment by a lease and a fence.

-- What a user lacks to run a deployment: `run` on all that it concerns, in its environment; NULL if
-- nothing. Admins do not have it by themselves.
CREATE OR REPLACE FUNCTION deployment.lacks_to_run(email text, d deployment.deployment) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    project text;
BEGIN
    FOREACH project IN ARRAY deployment.projects_of(d) LOOP
        IF 'run' <> ALL (users.permissions_of(email, project, d.environment)) THEN
            RETURN format('run on %s', deployment.name_for_caller(project));
        END IF;
    END LOOP;
    RETURN NULL;
END $$;

-- The deployment that a runner claims to hold. Refuses a runner that does not hold it, or that has
-- lost `run` meanwhile.
CREATE OR REPLACE FUNCTION deployment.held(id bigint, by_fence bigint) RETURNS deployment.deployment LANGUAGE plpgsql AS $$
DECLARE
    d deployment.deployment := deployment.find(id);
    lacks text;
BEGIN
    IF d.fence <> coalesce(by_fence, 0) THEN
        PERFORM sitewire.fail('SW007', 'fence', format('the fence of deployment %s is %s, not %s%s', d.id, d.fence,
            coalesce(by_fence, 0), CASE WHEN d.fence > by_fence THEN ': it was claimed again' ELSE '' END));
    ELSIF d.runner_user IS DISTINCT FROM users.me() THEN
        PERFORM sitewire.fail('SW005', '', format('deployment %s was claimed by another user', d.id));
    ELSIF d.status <> 'IN_PROGRESS' THEN
        PERFORM sitewire.fail('SW007', 'fence', format('deployment %s is %s%s: it accepts nothing from runners any more', d.id, d.status,
                                                       coalesce(' (' || nullif(d.failure, '') || ')', '')));
    ELSIF deployment.lapsed(d.lease_until) THEN
        PERFORM sitewire.fail('SW007', 'fence', format('the lease of deployment %s ran out', d.id));
    END IF;
    lacks := deployment.lacks_to_run(d.runner_user, d);
    IF lacks IS NOT NULL THEN
        PERFORM sitewire.fail('SW005', '', format('reporting on deployment %s takes %s, which %s does not have any more', d.id, lacks,
                                                  d.runner_user));
    END IF;
    RETURN d;
END $$;

CREATE OR REPLACE FUNCTION deployment.lease_of(lease_ms integer) RETURNS timestamptz LANGUAGE plpgsql AS $$
BEGIN
    IF coalesce(lease_ms, 0) NOT IN (0) AND lease_ms NOT BETWEEN 1000 AND 600000 THEN
        PERFORM sitewire.fail('SW002', 'lease_ms', 'lease_ms is 1000 to 600000, 0 for 30000');
    END IF;
    RETURN clock_timestamp() + coalesce(nullif(lease_ms, 0), 30000) * interval '1 millisecond';
END $$;

-- Everything that a runner needs.
CREATE OR REPLACE FUNCTION deployment.claim_of(d deployment.deployment, for_ms integer) RETURNS deployment.claim LANGUAGE plpgsql STABLE AS $$
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

-- The first deployment that is due and that the caller may run. Aborts deployments before it that
-- must not run any more.
CREATE OR REPLACE FUNCTION deployment.claim_next(by_runner text, in_environments text[], in_docroots text[], of_projects text[],
                                      for_ms integer)
RETURNS SETOF deployment.claim LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment;
    until timestamptz := deployment.lease_of(for_ms);
    everything boolean;
    serves text[];    -- projects on which it has `run` everywhere
    serves_in text[]; -- and those with an environment, `project environment`
    asked text := ROW(by_runner, in_environments, in_docroots, of_projects, for_ms)::text;
    me text := deployment.caller();
    known jsonb := deployment.earlier('ClaimDeployment', asked);
BEGIN
    IF NOT sitewire.is_code(coalesce(by_runner, '')) THEN
        PERFORM sitewire.fail('SW002', 'runner', 'the name of a runner is 1 to 128 characters of A-Z a-z 0-9 . _ : -');
    END IF;
    everything := users.reaches_everything(me, 'run');
    IF NOT everything THEN
        SELECT coalesce(array_agg(r.project) FILTER (WHERE r.environment IS NULL), '{}'),
               coalesce(array_agg(r.project || ' ' || r.environment) FILTER (WHERE r.environment IS NOT NULL), '{}')
        INTO serves, serves_in FROM users.reach(me, 'run') r;
    END IF;
    IF NOT everything AND (serves || serves_in = '{}' OR NOT of_projects <@ (
           serves || ARRAY(SELECT split_part(s, ' ', 1) FROM unnest(serves_in) s))) THEN
        PERFORM sitewire.fail('SW005', 'projects', format('a runner needs run on the projects that it serves, which %s does not have: '
                                                          'an admin can give it the role Runner', me));
    END IF;
    IF known IS NOT NULL THEN
        SELECT * INTO d FROM deployment.deployment x
        WHERE x.id = (known->>'id')::bigint AND x.fence = (known->>'fence')::bigint AND x.status = 'IN_PROGRESS'
          AND NOT deployment.lapsed(x.lease_until) AND deployment.lacks_to_run(me, x) IS NULL;
        IF FOUND THEN
            RETURN NEXT deployment.claim_of(d, for_ms);
        END IF;
        RETURN; -- the lease of what it claimed has run out
    END IF;
    LOOP
        SELECT * INTO d FROM deployment.deployment x
        WHERE x.status = 'ACCEPTED'
          AND (coalesce(cardinality(in_environments), 0) = 0 OR x.environment = ANY (in_environments))
          AND (coalesce(cardinality(in_docroots), 0) = 0 OR x.docroot = ANY (in_docroots))
          AND (coalesce(cardinality(of_projects), 0) = 0 OR x.project = ANY (of_projects))
          AND (everything OR x.project = ANY (serves) OR x.project || ' ' || x.environment = ANY (serves_in))
          AND (everything OR x.type <> 'CORE' OR deployment.lacks_to_run(me, x) IS NULL)
          -- Only the first of a target can run. A hash excludes, at little cost, all deployments
          -- that wait for a running one.
          AND (x.docroot, x.environment) NOT IN (SELECT r.docroot, r.environment FROM deployment.deployment r
                                                 WHERE r.status = 'IN_PROGRESS')
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

CREATE OR REPLACE FUNCTION deployment.renew(id bigint, by_fence bigint, for_ms integer) RETURNS deployment.lease
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.held(id, by_fence);
BEGIN
    UPDATE deployment.deployment x SET lease_until = deployment.lease_of(for_ms) WHERE x.id = d.id RETURNING * INTO d;
    RETURN ROW(d.lease_until, d.abort_requested_at IS NOT NULL,
               CASE WHEN d.abort_requested_at IS NOT NULL THEN deployment.abort_text(d.aborter, d.abort_reason) END)
           ::deployment.lease;
END $$;

-- Commands run one after the other, each with its retries.
CREATE OR REPLACE FUNCTION deployment.start_command(id bigint, by_fence bigint, number integer, try integer)
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
        RETURN last; -- by an earlier request
    ELSIF coalesce(nullif(try, 0), coalesce(last.attempt, 0) + 1) <> coalesce(last.attempt, 0) + 1 THEN
        PERFORM sitewire.fail('SW006', 'attempt', format('the next attempt at command %s is %s', c.number,
                                                         coalesce(last.attempt, 0) + 1));
    ELSIF d.abort_requested_at IS NOT NULL THEN
        PERFORM sitewire.fail('SW006', 'id', format('deployment %s is being aborted', d.id));
    END IF;
    SELECT x.command INTO other FROM deployment.deployment_command_result x WHERE x.deployment = d.id AND x.finished_at IS NULL;
    IF FOUND THEN
        PERFORM sitewire.fail('SW006', 'number', format('command %s of deployment %s is still running', other, d.id));
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
        PERFORM sitewire.fail('SW006', 'attempt', format('command %s has used its %s', c.number,
            CASE c.retries WHEN 0 THEN 'attempt' ELSE format('%s attempts', c.retries + 1) END));
    END IF;
    INSERT INTO deployment.deployment_command_result (deployment, command, attempt, runner, fence)
    VALUES (d.id, c.number, coalesce(last.attempt, 0) + 1, d.runner, d.fence) RETURNING * INTO r;
    RETURN r;
END $$;

CREATE OR REPLACE FUNCTION deployment.finish_command(id bigint, by_fence bigint, number integer, try integer, exited integer, killed integer,
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
        PERFORM sitewire.fail('SW003', 'attempt', format('attempt %s at command %s of deployment %s has not started',
                                                         coalesce(try, 0), coalesce(number, 0), d.id));
    ELSIF exited IS NULL AND coalesce(killed, 0) = 0 AND NOT coalesce(late, false) AND coalesce(why, '') = '' THEN
        PERFORM sitewire.fail('SW002', 'exit_code', 'say how it ended: set exit_code, signal, timed_out or failure');
    ELSIF least(out_bytes, err_bytes) < 0 THEN
        PERFORM sitewire.fail('SW002', 'stdout_bytes', 'sizes are 0 or more');
    END IF;
    IF r.finished_at IS NOT NULL THEN
        same := (r.exit_code, r.signal, r.timed_out, r.failure) IS NOT DISTINCT FROM
                (exited, nullif(killed, 0), coalesce(late, false), left(coalesce(why, ''), 1000));
        IF NOT same THEN
            PERFORM sitewire.fail('SW006', 'attempt', format('attempt %s at command %s is over, and has another result', try, number));
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

CREATE OR REPLACE FUNCTION deployment.conclude(id bigint, by_fence bigint, outcome text, why text) RETURNS deployment.deployment
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.find(id);
BEGIN
    IF coalesce(outcome, '') NOT IN ('DONE', 'FAILED', 'ABORTED') THEN
        PERFORM sitewire.fail('SW002', 'outcome', 'an outcome is DONE, FAILED or ABORTED');
    ELSIF d.status = outcome AND d.fence = by_fence AND d.runner_user = users.me() THEN
        RETURN d; -- by an earlier request
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

-- Ends deployments that have lost their runner, and announces output that waits for it. Each
-- instance of the service runs this every second.
CREATE OR REPLACE FUNCTION deployment.sweep() RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment;
    ended integer := 0;
    lost_max bigint := 5; -- a deployment that brings down its runners is given up
BEGIN
    PERFORM set_config('sitewire.user', '@lease', true);
    PERFORM deployment.renew_all();
    PERFORM deployment.announce_rests();
    FOR d IN SELECT * FROM deployment.deployment x WHERE x.status = 'IN_PROGRESS' AND deployment.lapsed(x.lease_until)
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

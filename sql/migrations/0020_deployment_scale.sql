-- compatible
-- What a long queue, many deployments and millions of events cost, and where the events are.

-- --- Who may see which rows ---

-- A function for each row, as in 0005_rights.sql, is right where a statement sees few rows. Of what grows for ever a list may pass
-- millions that are other people's before it finds a page: those are told by a hash of the caller's projects, made once for the
-- statement, and what is read by its key by a look into an index. The planner chooses. The view, which belongs to the owner of the
-- tables, tells no more than which rows the caller may read.
CREATE VIEW deployment.readable AS
SELECT p.project FROM users.permission p WHERE 'read' = ANY (p.permissions);
GRANT SELECT ON deployment.readable TO sitewire_deployment;
ALTER POLICY read ON deployment.deployment USING (users.is_admin() OR EXISTS (
    SELECT FROM deployment.readable r WHERE r.project = deployment.project));
ALTER POLICY read ON deployment.event USING (users.is_admin() OR EXISTS (
    SELECT FROM deployment.readable r WHERE r.project = event.project));
ALTER POLICY read ON deployment.event_head USING (users.is_admin() OR EXISTS (
    SELECT FROM deployment.readable r WHERE r.project = event_head.project));
-- Of deployments, this sees what the policy above shows.
ALTER POLICY read ON deployment.deployment_command USING (users.is_admin() OR EXISTS (
    SELECT FROM deployment.deployment d WHERE d.id = deployment_command.deployment));
ALTER POLICY read ON deployment.deployment_command_result USING (users.is_admin() OR EXISTS (
    SELECT FROM deployment.deployment d WHERE d.id = deployment_command_result.deployment));
ALTER POLICY read ON deployment.deployment_log USING (users.is_admin() OR EXISTS (
    SELECT FROM deployment.deployment d WHERE d.id = deployment_log.deployment));

-- --- Where the events are ---

-- Who has a cursor sees by it that the database is an older one than the cursor.
GRANT SELECT (position) ON deployment.relay TO sitewire_deployment;

-- --- Claims ---

-- As in 0010_deployment_runners.sql, but quick where thousands wait for one target.
CREATE OR REPLACE FUNCTION deployment.claim_next(by_runner text, in_environments text[], in_docroots text[], of_projects text[],
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
          -- What comes first is all that counts, but this is known of all that wait behind one that runs at the price of a hash.
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

-- compatible
-- Who approved a deployment, ran it and ended it is told by the moves that make it so, and by nothing else: at psql neither can an
-- approver be put in afterwards, or somebody else's name. And what lost its lease is not DONE any more.

-- What is only asked for has no story yet.
ALTER TABLE deployment.deployment ADD CONSTRAINT deployment__status__together CHECK (
    status <> 'REQUESTED' OR num_nonnulls(approver, accepted_at, started_at, runner_user, aborter, abort_requested_at) = 0
                             AND concat(runner, failure, replaces, abort_reason) = '');

CREATE OR REPLACE FUNCTION deployment.keep_references(old jsonb, new jsonb) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
    who text;
BEGIN
    IF old->>'project' <> new->>'project' AND EXISTS (SELECT FROM users.project WHERE code = old->>'project')
       OR (old->>'docroot', old->>'environment') <> (new->>'docroot', new->>'environment')
           AND EXISTS (SELECT FROM referential.docroot_environment e
                       WHERE (e.docroot, e.environment) = (old->>'docroot', old->>'environment'))
       OR old->>'requester' <> new->>'requester' AND EXISTS (SELECT FROM users."user" WHERE email = old->>'requester') THEN
        PERFORM sitewire.fail('SW006', 'status', 'what was asked for stays as it is: request another deployment');
    END IF;
    FOREACH who IN ARRAY '{approver,runner_user,aborter}'::text[] LOOP
        CONTINUE WHEN old->>who IS NOT DISTINCT FROM new->>who
            OR old->>who IS NOT NULL AND new->>who IS NOT NULL
               AND NOT EXISTS (SELECT FROM users."user" WHERE email = old->>who) -- renamed
            OR CASE who WHEN 'approver' THEN (old->>'status', new->>'status') = ('REQUESTED', 'ACCEPTED')
                        WHEN 'runner_user' THEN (old->>'status', new->>'status') IN (('ACCEPTED', 'IN_PROGRESS'),
                                                                                     ('IN_PROGRESS', 'ACCEPTED'))
                        ELSE old->>'aborter' IS NULL END;
        PERFORM sitewire.fail('SW006', who, 'it is set by what that user does, and stays as it is');
    END LOOP;
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
        ELSIF old.lease_until < clock_timestamp() THEN
            PERFORM sitewire.fail('SW007', 'fence', format('the lease of deployment %s ran out', d.id));
        END IF;
    END IF;
    d.finished_at := clock_timestamp();
    d.lease_until := NULL;
END $$;

-- Users.Offboard: ends a person in one transaction. It finds what to end by the registrations, so
-- it also covers tables that came later.

-- Ends the person, and returns what was done. `keep_as` is the user under whose name the rights
-- that the person gave go on; NULL or '': they end, too. With Offboard's validate_only, the
-- transaction is rolled back, and what it returns is the plan.
CREATE OR REPLACE FUNCTION users.offboard(person text, keep_as text)
RETURNS TABLE (action text, resource text, key text, detail text) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    u users."user";
    keeper users."user";
    r record;
    d deployment.deployment;
BEGIN
    IF NOT users.is_admin() THEN
        PERFORM sitewire.fail('SW005', '', format('%s may not end a person: only admins may', users.me()));
    ELSIF person = users.me() THEN
        PERFORM sitewire.fail('SW006', 'email', 'nobody ends themselves: another admin does it');
    END IF;
    SELECT * INTO u FROM users."user" x WHERE x.email = person FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM sitewire.fail('SW003', 'email', format('there is no user "%s"', coalesce(person, '')));
    END IF;
    IF coalesce(keep_as, '') <> '' THEN
        SELECT * INTO keeper FROM users."user" x WHERE x.email = keep_as FOR SHARE;
        IF keeper.email IS NULL OR NOT keeper.active OR keeper.email = person THEN
            PERFORM sitewire.fail('SW006', 'keep_as', format('"%s" is not another active user', keep_as));
        END IF;
    END IF;
    IF u.active OR u.is_admin THEN
        UPDATE users."user" x SET active = false, is_admin = false WHERE x.email = person;
        RETURN QUERY SELECT 'deactivate', 'User', person, CASE WHEN u.is_admin THEN 'was an admin' ELSE '' END;
    END IF;
    RETURN QUERY
    WITH ended AS (UPDATE users.key k SET revoked_at = now()
                   WHERE k."user" = person AND (k.revoked_at IS NULL OR k.revoked_at > now()) RETURNING k.*)
    SELECT 'revoke', 'Key', e.public_key, e.label FROM ended e ORDER BY e.public_key;
    -- What the person holds: rows of rights, grants and memberships name it as "user".
    FOR r IN SELECT x.* FROM users.tables_with('user') x WHERE x.name <> 'Key' LOOP
        RETURN QUERY EXECUTE format('WITH ended AS (DELETE FROM %s t WHERE t."user" = $1 RETURNING %s AS key) '
                                    'SELECT ''end'', %L, e.key, ''held by '' || $1 FROM ended e ORDER BY e.key',
                                    r.relation, r.key, r.name) USING person;
    END LOOP;
    -- What the person gave to others.
    PERFORM set_config('sitewire.keeping', 'on', true);
    FOR r IN SELECT x.* FROM users.tables_with('made_by') x LOOP
        IF keeper.email IS NULL THEN
            RETURN QUERY EXECUTE format('WITH ended AS (DELETE FROM %s t WHERE t.made_by = $1 RETURNING %s AS key) '
                                        'SELECT ''end'', %L, e.key, ''given by '' || $1 FROM ended e ORDER BY e.key',
                                        r.relation, r.key, r.name) USING person;
        ELSE
            RETURN QUERY EXECUTE format('WITH kept AS (UPDATE %s t SET made_by = $2 WHERE t.made_by = $1 RETURNING %s AS key) '
                                        'SELECT ''keep'', %L, k.key, format(''given by %%s, now by %%s'', $1, $2) '
                                        'FROM kept k ORDER BY k.key',
                                        r.relation, r.key, r.name) USING person, keeper.email;
        END IF;
    END LOOP;
    PERFORM set_config('sitewire.keeping', '', true);
    -- What has not run, and should not run in this person's name.
    FOR d IN SELECT * FROM deployment.deployment x
             WHERE x.status IN ('REQUESTED', 'ACCEPTED')
               AND (x.requester = person OR EXISTS (SELECT FROM deployment.deployment_approval a
                                                    WHERE a.deployment = x.id AND a.approver = person)) ORDER BY x.id LOOP
        PERFORM deployment.abort(d.id, format('%s was offboarded', person));
        RETURN QUERY SELECT 'abort', 'Deployment', d.id::text,
            format('%s of %s, %s', CASE d.requester WHEN person THEN 'requested' ELSE 'approved' END, d.project, d.status);
    END LOOP;
    RETURN QUERY SELECT 'leave', 'Deployment', x.id::text, format('requested, of %s: it runs', x.project)
                 FROM deployment.deployment x WHERE x.status = 'IN_PROGRESS' AND x.requester = person ORDER BY x.id;
END $$;

-- The same, if what it does is what the plan with this hash said; '': any plan. Otherwise it fails,
-- and nothing is done.
CREATE OR REPLACE FUNCTION users.offboard_as_planned(person text, keep_as text, expected text)
RETURNS TABLE (action text, resource text, key text, detail text, plan_hash text) LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    steps CONSTANT jsonb := (SELECT coalesce(jsonb_agg(to_jsonb(o)), '[]') FROM users.offboard(person, keep_as) o);
    hash CONSTANT text := encode(sha256(convert_to(jsonb_build_array(person, keep_as, steps)::text, 'UTF8')), 'hex');
BEGIN
    IF expected NOT IN ('', hash) THEN
        PERFORM sitewire.fail('SW007', 'plan_hash', 'the plan has changed: read it again, then decide again');
    END IF;
    RETURN QUERY SELECT s.step ->> 'action', s.step ->> 'resource', s.step ->> 'key', s.step ->> 'detail', hash
                 FROM jsonb_array_elements(steps) WITH ORDINALITY s (step, n) ORDER BY s.n;
END $$;

-- The tables of the schema `users` with this column, and an expression for their keys.
CREATE OR REPLACE FUNCTION users.tables_with("column" text) RETURNS TABLE (name text, relation text, key text)
LANGUAGE sql STABLE AS $$
    SELECT r.name, r.relation, (SELECT format('concat_ws(''/'', %s)', string_agg(format('t.%I::text', k), ', ' ORDER BY n))
                                FROM unnest(sitewire.keys_of(r.relation::regclass)) WITH ORDINALITY x (k, n))
    FROM sitewire.resource r
    WHERE starts_with(r.relation, 'users.') AND EXISTS (
        SELECT FROM pg_attribute a WHERE a.attrelid = r.relation::regclass AND a.attname = "column" AND NOT a.attisdropped)
    ORDER BY 1
$$;

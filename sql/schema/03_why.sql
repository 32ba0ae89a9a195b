-- Why somebody may, or may not, do something to a row (Explain), and who may (WhoCan).

-- Whether the user `email` may do `action` (read, create, update, delete, or a permission) to a
-- row:
-- one line for each step; the last one is the answer. If `email` may not read the row, only admins
-- learn whether it exists.
CREATE OR REPLACE FUNCTION users.explain(action text, resource text, key text, email text)
RETURNS TABLE (allowed boolean, step text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who record;
    it jsonb;
    would_be jsonb; -- as far as its key tells
    rule record;
    one record;
    any_met boolean := false;
BEGIN
    IF action NOT IN ('read', 'create', 'update', 'delete', 'deploy', 'command', 'approve', 'manage', 'run', 'override') THEN
        PERFORM sitewire.fail('SW002', 'action', 'an action is read, create, update or delete, or a permission: deploy, command, '
                                                 'approve, manage, run or override');
    ELSIF resource = 'Change' THEN
        PERFORM sitewire.fail('SW002', 'type', 'whoever may read a row may read its changes: ask about the row');
    END IF;
    SELECT i.profile, i.refused INTO who FROM users.identify('', email) i;
    IF who.refused <> '' THEN
        RETURN QUERY VALUES (false, who.refused), (false, format('no: %s is refused', email));
        RETURN;
    END IF;
    allowed := NULL;
    step := format('%s has the profile %s', email, who.profile);
    RETURN NEXT;
    IF who.profile = 'NONE' THEN
        RETURN QUERY VALUES (false, format('no: %s has no access right, grant or membership', email));
        RETURN;
    END IF;
    it := sitewire.row_of(resource, key);
    IF EXISTS (SELECT FROM users.rule r WHERE r.resource = explain.resource AND r.action = 'create'
                                          AND r.needs NOT IN ('profile', 'admin', 'own')) THEN
        would_be := sitewire.row_by_key(resource, key);
    END IF;
    IF who.profile <> 'ADMIN' AND NOT users.is_admin() AND NOT EXISTS (
        SELECT FROM users.rule r, users.meets(email, r.needs, r.resource, coalesce(it, would_be), coalesce(it, would_be)) m
        WHERE r.resource = explain.resource AND r.action = 'read' AND m.met) THEN
        it := CASE resource WHEN 'Secret' THEN would_be END; -- says why not, whether or not it exists
    END IF;
    IF action = 'create' THEN
        it := coalesce(it, would_be);
    END IF;
    IF it IS NULL AND action <> 'create' THEN
        RETURN QUERY VALUES (false, format(CASE WHEN who.profile = 'ADMIN' OR users.is_admin() THEN 'no: there is no %s %s'
                                                ELSE 'no: there is no %s %s that %s may read' END, resource, key, email));
        RETURN;
    ELSIF who.profile = 'ADMIN' AND action <> 'run' THEN
        RETURN QUERY VALUES (true, 'yes: an admin may do everything but run deployments');
        RETURN;
    ELSIF users.project_of(resource, it) IS NOT NULL THEN
        step := format('%s %s belongs to %s, where %s has %s', resource, key, users.project_of(resource, it), email,
                       coalesce(nullif(array_to_string(users.permissions_of(email, users.project_of(resource, it),
                                                                            users.environment_of(resource, it)), ', '), ''),
                                'no permission'));
        RETURN NEXT;
    END IF;
    FOR rule IN SELECT r.needs FROM users.rule r WHERE r.resource = explain.resource AND r.action = explain.action
                UNION ALL SELECT explain.action WHERE explain.action IN ('deploy', 'command', 'approve', 'manage', 'run',
                                                                                 'override')
                ORDER BY 1 LOOP
        SELECT * INTO one FROM users.meets(email, rule.needs, resource, it, it);
        any_met := any_met OR one.met;
        allowed := one.met;
        step := format('to %s a %s takes: %s; %s', action, resource, rule.needs, one.why);
        RETURN NEXT;
        IF one.met THEN
            RETURN QUERY SELECT NULL::boolean, format('%s on %s comes from %s', s.permission, s.project,
                                                      string_agg(s.source, ', ' ORDER BY s.source))
            FROM users.sources(email, rule.needs, resource, it) s GROUP BY s.permission, s.project ORDER BY 2;
        END IF;
    END LOOP;
    allowed := any_met;
    step := CASE WHEN any_met THEN 'yes' ELSE 'no' END;
    RETURN NEXT;
END $$;

-- The rows that give a user what a need asks for: those of the permission on each project of a row.
CREATE OR REPLACE FUNCTION users.sources(email text, needs text, resource text, it jsonb)
RETURNS TABLE (permission text, project text, source text, by_admins boolean) LANGUAGE sql STABLE AS $$
    SELECT h.permission, p, h.source, h.by_admins
    FROM unnest(users.projects_of(resource, it)) p, users.holds(email, p, users.environment_of(resource, it)) h
    WHERE resource NOT IN ('Grant', 'Group', 'GroupMember')
      AND h.permission = CASE needs WHEN 'grant' THEN 'manage' ELSE needs END
$$;

-- Who may do `action` to a row, and by which row: one line for each user and source. Only admins
-- and those who manage the row may ask. Admins are named, too. At most 10,000 lines.
CREATE OR REPLACE FUNCTION users.who_can(action text, resource text, key text)
RETURNS TABLE ("user" text, permission text, project text, source text, by_admins boolean)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
#variable_conflict use_column
DECLARE
    me text := users.me();
    it jsonb := sitewire.row_of(resource, key);
    permissions text[] := '{deploy,command,approve,manage,run,override}';
    needed text[];
BEGIN
    IF action NOT IN ('read', 'create', 'update', 'delete') AND action <> ALL (permissions) THEN
        PERFORM sitewire.fail('SW002', 'action', 'an action is read, create, update or delete, or a permission: deploy, command, '
                                                 'approve, manage, run or override');
    ELSIF it IS NOT NULL AND NOT users.is_admin() AND NOT EXISTS (
        SELECT FROM users.rule r, users.meets(me, r.needs, r.resource, it, it) m
        WHERE r.resource = who_can.resource AND r.action = 'read' AND m.met) THEN
        it := NULL;
    END IF;
    IF it IS NULL THEN
        PERFORM sitewire.fail('SW003', 'key', format('there is no %s "%s"', resource, key));
    ELSIF NOT users.is_admin() AND NOT (SELECT m.met FROM users.meets(
              me, CASE WHEN resource IN ('Grant', 'Group', 'GroupMember') THEN 'scope' ELSE 'manage' END, resource, it, it) m) THEN
        PERFORM sitewire.fail('SW005', '', format('only admins, and those who manage this %s, may ask who can do what to it', resource));
    END IF;
    needed := ARRAY(SELECT r.needs FROM users.rule r WHERE r.resource = who_can.resource AND r.action = who_can.action)
              || CASE WHEN action = ANY (permissions) THEN ARRAY[action] END;
    RETURN QUERY
    SELECT x.* FROM (
        SELECT u.email, 'admin'::text, ''::text, 'User ' || u.email, true
        FROM users."user" u WHERE u.is_admin AND u.active AND action <> 'run' AND (action <> 'approve' OR u.kind = 'PERSON')
        UNION
        SELECT u.email, coalesce(s.permission, n), coalesce(s.project, ''), coalesce(s.source, ''), coalesce(s.by_admins, false)
        FROM users."user" u CROSS JOIN unnest(needed) n
             CROSS JOIN LATERAL users.meets(u.email, n, resource, it, it) m
             LEFT JOIN LATERAL users.sources(u.email, n, resource, it) s ON true
        WHERE u.active AND NOT (u.is_admin AND action <> 'run') AND m.met AND (users.identify('', u.email)).profile <> 'NONE') x
    ORDER BY 1, 3, 2, 4 LIMIT 10000;
END $$;

-- compatible
-- Gaps in the rights of 0004_users.sql to 0006_history.sql, closed: what belongs to no project is an admin's to move; a
-- certificate, whose private key is for those whom it serves, is not taken by who is not one of them; what one may not read shows
-- neither in explanations nor in the `before` of a change; services can make no objects, which functions of the owner might find.

-- --- Services make nothing ---

-- Functions that run as their owner find types and relations by the caller's search_path, in which temporary objects come first
-- (they set no search_path of their own: 0004_users.sql). So who logs in as a service must have nowhere to put one: a domain
-- pg_temp.text would run its CHECK as the owner. PostgreSQL 13 and 14 let everybody create in `public`, too.
-- A dump does not keep what was revoked of a database, so services look, and refuse to serve as one who can (src/store/boot.c).
DO $$
BEGIN
    EXECUTE format('REVOKE TEMPORARY, CREATE ON DATABASE %I FROM PUBLIC', current_database());
    IF to_regnamespace('public') IS NOT NULL THEN
        REVOKE CREATE ON SCHEMA public FROM PUBLIC;
    END IF;
END $$;

-- --- Rules ---

-- Whether somebody manages all that a certificate serves, so that its private key is theirs: not if it serves nothing, or
-- something that belongs to no project.
CREATE FUNCTION users.manages_certificate(email text, certificate text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    projects text[] := users.projects_of('Secret', jsonb_build_object('type', 'Certificate', 'key', certificate));
BEGIN
    RETURN projects <> '{}' AND NOT EXISTS (SELECT FROM unnest(projects) project
                                            WHERE NOT 'manage' = ANY (users.permissions_of(email, project)));
END $$;

-- As in 0005_rights.sql, but: a row that belonged to no project, or shall belong to none, is for admins to change; and a domain
-- takes a certificate only from who manages all that this serves already. Who serves it may read its key.
CREATE OR REPLACE FUNCTION users.meets(email text, needs text, resource text, before jsonb, after jsonb, OUT met boolean, OUT why text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    was text[] := users.projects_of(resource, before);
    shall_be text[] := users.projects_of(resource, after);
    projects text[] := was || shall_be;
    project text;
    needed text[];
    has text[];
BEGIN
    IF needs IN ('profile', 'admin') THEN
        met := needs = 'profile';
        why := CASE needs WHEN 'profile' THEN 'everybody with a profile may' ELSE 'only admins may' END;
    ELSIF needs = 'own' THEN
        met := email = ALL (array_remove(ARRAY[users.owner_of(resource, before), users.owner_of(resource, after)], NULL));
        why := format('it %s about %s', CASE WHEN met THEN 'is' ELSE 'is not' END, email);
    ELSIF needs = 'manager' THEN
        met := EXISTS (SELECT FROM users.access_right a JOIN users.role r ON r.code = a.role
                       WHERE a."user" = email AND 'manage' = ANY (r.permissions));
        why := format('%s has the permission manage on %s project', email, CASE WHEN met THEN 'a' ELSE 'no' END);
    ELSIF projects = '{}' THEN
        met := needs = 'read';
        why := CASE WHEN resource = 'Secret' THEN 'not all that it serves belongs to a project: only admins may'
                    WHEN met THEN 'it belongs to no project: everybody with a profile may'
                    ELSE 'it belongs to no project: only admins may' END;
    ELSIF before IS NOT NULL AND was = '{}' OR after IS NOT NULL AND shall_be = '{}' THEN
        met := false;
        why := format('it %s to no project: only admins may', CASE WHEN was = '{}' THEN 'belongs' ELSE 'would belong' END);
    ELSIF resource = 'Domain' AND after->>'certificate' <> coalesce(before->>'certificate', '')
          AND NOT users.manages_certificate(email, after->>'certificate') THEN
        met := false;
        why := format('to give a domain the certificate %s takes manage on every project that this serves already, or an admin',
                      after->>'certificate');
    ELSE
        needed := ARRAY[CASE needs WHEN 'grant' THEN 'manage' ELSE needs END];
        IF needs = 'grant' THEN
            needed := needed || coalesce((SELECT permissions FROM users.role WHERE code = after->>'role'), '{}');
        END IF;
        met := true;
        FOREACH project IN ARRAY projects LOOP
            has := users.permissions_of(email, project);
            IF met AND NOT needed <@ has THEN
                met := false;
                why := format('it needs %s on %s, where %s has %s',
                              (SELECT string_agg(DISTINCT n, ', ') FROM unnest(needed) n), project, email,
                              coalesce(nullif(array_to_string(has, ', '), ''), 'no permission'));
                IF resource = 'Secret' AND NOT 'read' = ANY (has) THEN -- what one may not read has no name
                    why := format('it needs manage on every project that it serves, and %s may not even read one of them',
                                  email);
                END IF;
            ELSIF met THEN
                why := format('%s has %s on %s', email, array_to_string(has, ', '), project);
            END IF;
        END LOOP;
    END IF;
END $$;

-- As in 0005_rights.sql, but whether there is what somebody may not read is told to admins only.
CREATE OR REPLACE FUNCTION users.explain(action text, resource text, key text, email text)
RETURNS TABLE (allowed boolean, step text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who record;
    it jsonb;
    would_be jsonb; -- of a secret
    rule record;
    one record;
    any_met boolean := false;
BEGIN
    IF action NOT IN ('read', 'create', 'update', 'delete', 'deploy', 'approve', 'manage') THEN
        PERFORM sitewire.fail('SW002', 'action', 'an action is read, create, update, delete, deploy, approve or manage');
    END IF;
    SELECT i.profile, i.refused INTO who FROM users.identify('', email) i;
    IF who.refused <> '' THEN
        RETURN QUERY VALUES (false, who.refused), (false, format('no: %s is not let in', email));
        RETURN;
    END IF;
    allowed := NULL;
    step := format('%s has the profile %s', email, who.profile);
    RETURN NEXT;
    IF who.profile = 'NONE' THEN
        RETURN QUERY VALUES (false, format('no: %s has no access right on any project', email));
        RETURN;
    END IF;
    it := sitewire.row_of(resource, key);
    IF it IS NULL AND action = 'create' AND resource = 'AccessRight' THEN -- what it would be
        it := jsonb_build_object('project', split_part(key, '/', 1), 'user', split_part(key, '/', 2),
                                 'role', split_part(key, '/', 3));
    END IF;
    would_be := jsonb_build_object('type', split_part(key, '/', 1), 'key', substring(key FROM '/(.*)/'));
    IF it IS NULL AND action = 'create' AND resource = 'Secret' THEN
        it := would_be;
    END IF;
    IF who.profile <> 'ADMIN' AND action <> 'create' AND NOT users.is_admin() AND NOT EXISTS (
        SELECT FROM users.rule r, users.meets(email, r.needs, r.resource, coalesce(it, would_be), coalesce(it, would_be)) m
        WHERE r.resource = explain.resource AND r.action = 'read' AND m.met) THEN
        it := CASE resource WHEN 'Secret' THEN would_be END; -- why not is said without looking whether it is there
    END IF;
    IF it IS NULL AND action <> 'create' THEN
        RETURN QUERY VALUES (false, format(CASE WHEN who.profile = 'ADMIN' OR users.is_admin() THEN 'no: there is no %s %s'
                                                ELSE 'no: there is no %s %s that %s may read' END, resource, key, email));
        RETURN;
    ELSIF who.profile = 'ADMIN' THEN
        RETURN QUERY VALUES (true, 'yes: an admin may do everything');
        RETURN;
    ELSIF users.project_of(resource, it) IS NOT NULL THEN
        step := format('%s %s belongs to %s, where %s has %s', resource, key, users.project_of(resource, it), email,
                       coalesce(nullif(array_to_string(users.permissions_of(email, users.project_of(resource, it)), ', '), ''),
                                'no permission'));
        RETURN NEXT;
    END IF;
    FOR rule IN SELECT r.needs FROM users.rule r WHERE r.resource = explain.resource AND r.action = explain.action
                UNION ALL SELECT explain.action WHERE explain.action IN ('deploy', 'approve', 'manage')
                ORDER BY 1 LOOP
        SELECT * INTO one FROM users.meets(email, rule.needs, resource, it, it);
        any_met := any_met OR one.met;
        allowed := one.met;
        step := format('to %s a %s takes: %s; %s', action, resource, rule.needs, one.why);
        RETURN NEXT;
    END LOOP;
    allowed := any_met;
    step := CASE WHEN any_met THEN 'yes' ELSE 'no' END;
    RETURN NEXT;
END $$;

-- --- History ---

-- Who may read one version of a row, by what it is called today: the rules of action `read`. `id` is the change that made it.
CREATE FUNCTION users.may_read_version(resource text, key text, version jsonb, project text, id bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN resource IN ('User', 'AccessRight', 'Key')
                     AND users.name_now('User', users.owner_of(resource, version), id) = users.me() THEN true
                WHEN resource = 'User' THEN users.may_manage(NULL)
                WHEN resource = 'AccessRight' THEN users.may_manage(users.name_now('Project', project, id))
                WHEN resource = 'Secret' THEN users.may_read_secret(users.name_now('Secret', key, id))
                WHEN project IS NOT NULL THEN users.may_read(users.name_now('Project', project, id))
                ELSE resource = 'Domain' OR EXISTS (SELECT FROM users.rule r WHERE r.resource = may_read_version.resource
                                                    AND r.action = 'read' AND r.needs = 'profile') END;
END $$;

-- What moved from one project to another shows what it was to those who may read that one as well. A project that was renamed in
-- the same transaction is found from before that on.
CREATE FUNCTION users.may_read_origin(before jsonb, transaction xid8) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN users.may_read(users.name_now('Project', 'website:' || (before->>'website'),
        (SELECT min(c.id) - 1 FROM users.change c WHERE c.transaction = may_read_origin.transaction)));
END $$;

DROP POLICY read ON users.change;
CREATE POLICY read ON users.change FOR SELECT TO sitewire_service
    USING (users.is_admin()
        OR users.may_read_version(resource, key, coalesce(after, before), project, id)
           AND (resource NOT IN ('Domain', 'WebsiteDeployed') OR before->>'website' IS NOT DISTINCT FROM after->>'website'
                OR before IS NULL OR after IS NULL OR users.may_read_origin(before, transaction)));

-- The past of a row is its own, wherever it came from: so this does not go by the policy, which binds services only.
CREATE OR REPLACE FUNCTION sitewire.as_of(resource text, read_time timestamptz, first text, last text) RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT c.after FROM users.latest(resource, read_time, first, last) l (id) JOIN users.change c ON c.id = l.id
    WHERE users.is_admin() OR current_setting('is_superuser') = 'on' OR NOT pg_has_role(session_user, 'sitewire_service', 'member')
       OR users.may_read_version(c.resource, c.key, c.after, c.project, c.id)
$$;
REVOKE EXECUTE ON FUNCTION sitewire.as_of(text, timestamptz, text, text), users.may_read_origin(jsonb, xid8),
    users.manages_certificate(text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION sitewire.as_of(text, timestamptz, text, text), users.may_read_origin(jsonb, xid8),
    users.manages_certificate(text, text) TO sitewire_service;

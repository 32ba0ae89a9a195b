-- Rights: who calls, and whether they may do what they ask for. Services and people at psql meet
-- the same rules.
--
-- A call begins with sitewire.enter, which identifies the caller and refuses unknown ones. The
-- policies of the tables decide what the caller may read. Their trigger `guard` decides what the
-- caller may change, by the table users.rule. An admin may do everything. Rows that a caller may
-- not read do not exist for it. 12_access.sql says which table follows which rules.

-- --- What follows from access rights ---

-- The current caller, and whether it is an admin, as sitewire.enter has set them in the session.
-- Without a caller is_admin is false, never NULL.
CREATE OR REPLACE FUNCTION users.me() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT current_setting('sitewire.user', true)
$$;
CREATE OR REPLACE FUNCTION users.is_admin() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT current_setting('sitewire.admin', true) IS NOT DISTINCT FROM 'on'
$$;

-- The caller's permissions, one row for each access right. The view belongs to the owner of the
-- tables, so policies do not apply to what it reads.
CREATE OR REPLACE VIEW users.permission AS
SELECT a.project, r.permissions
FROM users.access_right a JOIN users.role r ON r.code = a.role
WHERE a."user" = current_setting('sitewire.user', true);

-- Everything that gives a user permissions on a project, one row for each permission and source;
-- the only place that decides it. A user who is not active has none, and a robot never has
-- `approve`. An admin has everything but `run`. `environment` is where the permission is to be
-- used; NULL or empty: everywhere. Columns:
--
--   role        what gives the permission; empty for an admin
--   source      the row that decides: `AccessRight website:x/ann@x.org/Owner`, or `User ann@x.org`
--               for an admin
--   by_admins   admins alone made all rows that are involved
CREATE OR REPLACE FUNCTION users.holds(email text, project text, environment text DEFAULT NULL)
RETURNS TABLE (permission text, role text, source text, by_admins boolean)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.permission, h.role, h.source, h.by_admins
    FROM users."user" u, LATERAL (
        SELECT p, '', 'User ' || u.email, true
        FROM unnest('{read,deploy,command,approve,manage,override}'::text[]) p WHERE u.is_admin
        UNION ALL
        SELECT p, r.code, concat('AccessRight ', a.project, '/', a."user", '/', a.role), a.made_by_admin
        FROM users.access_right a JOIN users.role r ON r.code = a.role, unnest(r.permissions) p
        WHERE a."user" = u.email AND a.project = holds.project) h (permission, role, source, by_admins)
    WHERE u.email = holds.email AND u.active AND (h.permission <> 'approve' OR u.kind = 'PERSON')
$$;

-- All permissions of a user on a project.
DROP FUNCTION IF EXISTS users.permissions_of(text, text);
CREATE OR REPLACE FUNCTION users.permissions_of(email text, project text, environment text DEFAULT NULL) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT h.permission ORDER BY h.permission), '{}')
    FROM users.holds(email, project, environment) h
$$;

-- Whether `approve` comes to a user by at least one chain of rows that admins alone made. Approvals
-- of deployments to protected environments count only then, so that nobody can approve their own
-- request with a second account that they gave rights to.
CREATE OR REPLACE FUNCTION users.approval_chain(email text, project text, environment text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM users.holds(email, project, environment) h WHERE h.permission = 'approve' AND h.by_admins)
$$;

-- --- Rules ---

-- Whether a user manages everything that a certificate serves, and so may have its private key.
-- False if it serves nothing, or something that belongs to no project.
CREATE OR REPLACE FUNCTION users.manages_certificate(email text, certificate text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    projects text[] := users.projects_of('Secret', jsonb_build_object('type', 'Certificate', 'key', certificate));
BEGIN
    RETURN projects <> '{}' AND NOT EXISTS (SELECT FROM unnest(projects) project
                                            WHERE NOT 'manage' = ANY (users.permissions_of(email, project)));
END $$;

-- Whether the user `email`, who is not an admin, meets one need for a row, before and after a
-- change (either may be NULL); and why, in words. Only admins may change a row that belongs to no
-- project before or after. To give a domain a certificate, one needs `manage` on everything that
-- the certificate already serves, because managers of what it serves may read its key.
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
        why := CASE WHEN resource = 'Secret' THEN 'not everything that it serves belongs to a project: only admins may'
                    WHEN met THEN 'it belongs to no project: everybody with a profile may'
                    ELSE 'it belongs to no project: only admins may' END;
    ELSIF before IS NOT NULL AND was = '{}' OR after IS NOT NULL AND shall_be = '{}' THEN
        met := false;
        why := format('it %s to no project: only admins may', CASE WHEN was = '{}' THEN 'belongs' ELSE 'would belong' END);
    ELSIF resource = 'Domain' AND after->>'certificate' <> coalesce(before->>'certificate', '')
          AND NOT users.manages_certificate(email, after->>'certificate') THEN
        met := false;
        why := format('giving a domain the certificate %s takes manage on every project that it already serves, or an admin',
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
                IF resource = 'Secret' AND NOT 'read' = ANY (has) THEN -- what one may not read is not named
                    why := format('it needs manage on every project that it serves, and %s may not even read one of them',
                                  email);
                END IF;
            ELSIF met THEN
                why := format('%s has %s on %s', email, array_to_string(has, ', '), project);
            END IF;
        END LOOP;
    END IF;
END $$;

-- Raises SW005 with the reason unless the caller may do this to a row, before and after the change
-- (either may be NULL).
CREATE OR REPLACE FUNCTION users.require(action text, resource text, before jsonb, after jsonb) RETURNS void LANGUAGE plpgsql
SECURITY DEFINER AS $$
DECLARE
    reason text;
BEGIN
    IF users.is_admin() THEN
        RETURN;
    ELSIF coalesce(users.me(), '') = '' THEN
        PERFORM sitewire.fail('SW004', '', 'the caller is not identified');
    END IF;
    PERFORM sitewire.require_service(resource);
    SELECT string_agg(m.why, '; ') INTO reason
    FROM users.rule r, users.meets(users.me(), r.needs, r.resource, before, after) m
    WHERE r.resource = require.resource AND r.action = require.action
    HAVING NOT bool_or(m.met) OR count(*) = 0;
    IF FOUND THEN
        PERFORM sitewire.fail('SW005', '', format('%s may not %s this %s: %s', users.me(), action, resource,
                                                  coalesce(reason, 'there is no rule')));
    END IF;
END $$;

-- Whether the caller may have the reply to an earlier request of its own again: it may read, by its
-- rights of today, the row in it.
CREATE OR REPLACE FUNCTION sitewire.may_replay(resource text, reply jsonb) RETURNS boolean LANGUAGE plpgsql STABLE
SECURITY DEFINER AS $$
BEGIN
    RETURN sitewire.require_service(resource) AND (users.is_admin() OR EXISTS (
        SELECT FROM users.rule r, users.meets(users.me(), r.needs, r.resource, reply, reply) m
        WHERE r.resource = may_replay.resource AND r.action = 'read' AND m.met));
END $$;

-- The trigger before a row is changed. It applies to the services. Changes by a foreign key or by a
-- function of the schema's owner are allowed, because their start was checked.
CREATE OR REPLACE FUNCTION users.guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_has_role(current_user, 'sitewire_service', 'usage')
       AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        PERFORM users.require(CASE TG_OP WHEN 'INSERT' THEN 'create' ELSE lower(TG_OP) END, TG_ARGV[0],
                              CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
                              CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;

-- --- What a caller may read ---

-- Whether the caller, who is not an admin, may read a project. Such a function keeps its plan and
-- costs nothing in the statement of an admin. A subquery in a policy would be set up for each
-- statement.
CREATE OR REPLACE FUNCTION users.has_read(project text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN EXISTS (SELECT FROM users.permission p WHERE p.project = has_read.project AND 'read' = ANY (p.permissions));
END $$;

-- That query is most of the cost of a row. So sitewire.enter stores the projects of a user who can
-- read only a few of them in the session, with a number that grows with every change of rights.
-- While the number is the same, the projects are not looked up. A right that is revoked while a
-- user enters may count until the user enters again, up to a second later.
CREATE OR REPLACE FUNCTION users.rights_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM nextval('users.rights_version');
    RETURN NULL;
END $$;
SELECT sitewire.keep_trigger('changed', relation, 'AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE',
                             'FOR EACH STATEMENT EXECUTE FUNCTION users.rights_changed()')
FROM unnest('{users.access_right,users.role}'::regclass[]) relation;

-- The projects that a user may read, each on its own line; NULL if there are more than 100.
CREATE OR REPLACE FUNCTION users.reads_of(email text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT CASE WHEN count(*) BETWEEN 1 AND 100 THEN E'\n' || string_agg(project || E'\n', '') END
            FROM (SELECT DISTINCT a.project FROM users.access_right a JOIN users.role r ON r.code = a.role
                  WHERE a."user" = email AND 'read' = ANY (r.permissions) LIMIT 101) few);
END $$;

-- Whether the caller, who is not an admin, may read rows of a project; everybody may read rows that
-- belong to none. A project is in the list if splitting the list at it changes the list. This is
-- cheaper than strpos, which counts the characters before it.
CREATE OR REPLACE FUNCTION users.may_read(project text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN project IS NULL
        OR coalesce(current_setting('sitewire.rights_version', true) = pg_sequence_last_value('users.rights_version'::regclass)::text
                    AND split_part(current_setting('sitewire.reads', true), E'\n' || project || E'\n', 1)
                        <> current_setting('sitewire.reads', true), false)
        OR users.has_read(project);
END $$;

-- Whether the caller, who is not an admin, manages a project; NULL: any project.
CREATE OR REPLACE FUNCTION users.may_manage(project text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN EXISTS (SELECT FROM users.permission p
                   WHERE (may_manage.project IS NULL OR p.project = may_manage.project) AND 'manage' = ANY (p.permissions));
END $$;

-- The projects that a secret serves, whose rights all apply to it: those on its docroot
-- environment, or those that its certificate serves. Empty if there are none, or if it serves
-- something that belongs to no project.
CREATE OR REPLACE FUNCTION users.projects_of_secret("row" jsonb) RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    owner text := "row"->>'key';
    projects text[];
BEGIN
    WITH place AS (
        SELECT split_part(owner, '/', 1) AS docroot, split_part(owner, '/', 2) AS environment
        WHERE "row"->>'type' = 'DocrootEnvironment'
        UNION SELECT c.docroot, c.environment FROM referential.docroot_environment_certificate c
        WHERE "row"->>'type' = 'Certificate' AND c.certificate = owner),
    served AS (
        SELECT 'website:' || d.website AS project FROM referential.domain d
        WHERE "row"->>'type' = 'Certificate' AND d.certificate = owner
        UNION SELECT 'website:' || w.website
        FROM place p LEFT JOIN referential.website_deployed w ON w.docroot = p.docroot AND w.environment = p.environment
        WHERE w.website IS NOT NULL OR NOT EXISTS (SELECT FROM referential.docroot r
                                                   WHERE r.code = p.docroot AND r.drupal_docroot_core IS NOT NULL)
        UNION SELECT 'drupaldocrootcore:' || r.drupal_docroot_core
        FROM place p JOIN referential.docroot r ON r.code = p.docroot WHERE r.drupal_docroot_core IS NOT NULL)
    SELECT array_agg(project ORDER BY project) INTO projects FROM served;
    RETURN CASE WHEN array_position(projects, NULL) IS NULL THEN coalesce(projects, '{}') ELSE '{}' END;
END $$;

-- Whether the caller, who is not an admin, may read a secret with this name
-- (`Certificate/isover/private_key`). The same right is needed to know that the secret exists, and
-- who has read it.
CREATE OR REPLACE FUNCTION users.may_read_secret(name text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    projects text[] := users.projects_of('Secret', jsonb_build_object('type', split_part(name, '/', 1),
                                                                      'key', substring(name FROM '/(.*)/')));
BEGIN
    RETURN projects <> '{}' AND NOT EXISTS (SELECT FROM unnest(projects) project WHERE NOT users.may_manage(project));
END $$;

-- The project of a domain, NULL if it has none.
CREATE OR REPLACE FUNCTION users.project_of_domain(fqdn text) RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT 'website:' || d.website FROM referential.domain d WHERE d.fqdn = project_of_domain.fqdn);
END $$;

-- All projects that a user who is not an admin may read. The broker uses it to select the events of
-- a subscriber.
CREATE OR REPLACE FUNCTION users.readable(email text) RETURNS text[] LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT coalesce(array_agg(DISTINCT a.project ORDER BY a.project), '{}')
            FROM users.access_right a JOIN users.role r ON r.code = a.role
            WHERE a."user" = email AND 'read' = ANY (r.permissions));
END $$;

-- --- Who calls ---

-- The user with a key or, without a key, with an e-mail address that the file system vouches for;
-- and the reason if the user is refused. Only this function decides it. Profiles: ADMIN may do
-- everything, USER what its access rights allow, NONE nothing.
CREATE OR REPLACE FUNCTION users.identify(key text, email text, OUT "user" text, OUT profile text, OUT refused text,
                               OUT expires_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    k users.key;
    u users."user";
BEGIN
    IF identify.key <> '' THEN
        SELECT * INTO k FROM users.key x WHERE x.public_key = identify.key;
        expires_at := k.expires_at;
    END IF;
    SELECT * INTO u FROM users."user" x WHERE x.email = CASE WHEN identify.key <> '' THEN k."user" ELSE identify.email END;
    "user" := coalesce(u.email, '');
    profile := CASE WHEN u.is_admin THEN 'ADMIN'
                    WHEN EXISTS (SELECT FROM users.access_right a WHERE a."user" = u.email) THEN 'USER'
                    ELSE 'NONE' END;
    refused := CASE WHEN identify.key <> '' AND k.public_key IS NULL THEN 'this key is not enrolled'
                    WHEN k.revoked_at <= now() THEN format('this key of %s was revoked', u.email)
                    WHEN k.expires_at <= now() THEN format('this key of %s has expired', u.email)
                    WHEN identify.key = '' AND identify.email = '' THEN 'the caller is not identified'
                    WHEN u.email IS NULL THEN format('there is no user "%s"', identify.email)
                    WHEN NOT u.active THEN format('the user %s is not active', u.email)
                    ELSE '' END;
END $$;

-- Begins a call: sets the caller and the reason in the session. `requires` is what the method
-- declares:
--
--   profile   a user with a profile; the rows then decide
--   open      any known user, even one without a profile
--   enroll    the same, or somebody with a one-time code, which is for this alone
--   internal  brokers only, whose name is @broker and who bring no key
--   admin     admins only, as with any other word, or if the method declares nothing
CREATE OR REPLACE FUNCTION sitewire.enter(key text, email text, requires text, call_id text, request_id text, reason text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller record;
    version text := pg_sequence_last_value('users.rights_version'::regclass)::text; -- before the rights are read
BEGIN
    IF key = '' AND email = '@broker' THEN
        SELECT '@broker' AS "user", 'NONE' AS profile, '' AS refused INTO caller;
    ELSE
        SELECT i."user", i.profile, i.refused INTO caller FROM users.identify(key, email) i;
    END IF;
    IF caller.refused <> '' AND requires = 'enroll' AND users.invited(key) IS NOT NULL THEN
        SELECT users.invited(key) AS "user", 'NONE' AS profile, '' AS refused INTO caller;
    END IF;
    IF caller.refused <> '' THEN
        PERFORM sitewire.fail('SW004', '', caller.refused);
    ELSIF requires = 'internal' AND caller."user" <> '@broker' THEN
        PERFORM sitewire.fail('SW005', '', 'only brokers may call this');
    ELSIF requires NOT IN ('internal', 'open', 'enroll') AND caller.profile = 'NONE' THEN
        PERFORM sitewire.fail('SW005', '', format('%s has no access right yet: ask an admin, or somebody who manages a '
                                                  'project, for a role on it', caller."user"));
    ELSIF requires NOT IN ('internal', 'open', 'enroll', 'profile') AND caller.profile <> 'ADMIN' THEN
        PERFORM sitewire.fail('SW005', '', format('%s may not do this: only admins may', caller."user"));
    ELSIF reason <> '' AND NOT sitewire.is_text(reason, 1000) THEN
        PERFORM sitewire.fail('SW002', 'reason', 'a reason has at most 1000 characters, and no control characters');
    END IF;
    PERFORM set_config('sitewire.user', caller."user", false),
            set_config('sitewire.key', key, false),
            set_config('sitewire.admin', CASE caller.profile WHEN 'ADMIN' THEN 'on' ELSE '' END, false),
            set_config('sitewire.profile', caller.profile, false),
            set_config('sitewire.rights_version', version, false),
            set_config('sitewire.reads', coalesce(CASE caller.profile WHEN 'USER' THEN users.reads_of(caller."user") END, ''), false),
            set_config('sitewire.call_id', call_id, false),
            set_config('sitewire.request_id', request_id, false),
            set_config('sitewire.reason', reason, false);
END $$;

-- What programs of schema version 20 call.
CREATE OR REPLACE FUNCTION sitewire.enter(key text, email text, open boolean, internal boolean, call_id text, request_id text,
                                          reason text)
RETURNS void LANGUAGE sql AS $$
    SELECT sitewire.enter(key, email, CASE WHEN internal THEN 'internal' WHEN open THEN 'open' ELSE 'profile' END, call_id,
                          request_id, reason)
$$;

-- --- Why, or why not ---

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
        RETURN QUERY VALUES (false, format('no: %s has no access right on any project', email));
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
                       coalesce(nullif(array_to_string(users.permissions_of(email, users.project_of(resource, it)), ', '), ''),
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
    END LOOP;
    allowed := any_met;
    step := CASE WHEN any_met THEN 'yes' ELSE 'no' END;
    RETURN NEXT;
END $$;

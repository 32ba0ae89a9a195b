-- Rights: who may see and do what. All of it is here; services and people at psql meet the same rules.
--
-- A call begins with sitewire.enter, which finds out who calls and refuses whom nobody knows. What the caller may read is
-- decided by the policies below, what it may change by the trigger `guard`, which asks users.rule. An admin may do
-- everything. Rows that a caller may not read do not exist for it.

-- --- What follows from access rights ---

-- The current caller, and whether it is an admin: what sitewire.enter has put into the session. Nobody is no admin: never NULL.
CREATE FUNCTION users.me() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT current_setting('sitewire.user', true)
$$;
CREATE FUNCTION users.is_admin() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT current_setting('sitewire.admin', true) IS NOT DISTINCT FROM 'on'
$$;

-- The caller's permissions, one row for each access right. The view belongs to the owner of the tables, so policies do
-- not apply to what it reads.
CREATE VIEW users.permission AS
SELECT a.project, r.permissions
FROM users.access_right a JOIN users.role r ON r.code = a.role
WHERE a."user" = current_setting('sitewire.user', true);

-- All that a user may do on a project, without being an admin.
CREATE FUNCTION users.permissions_of(email text, project text) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT permission ORDER BY permission), '{}')
    FROM users.access_right a JOIN users.role r ON r.code = a.role, unnest(r.permissions) permission
    WHERE a."user" = email AND a.project = permissions_of.project
$$;

-- The project that a row belongs to, NULL if to none.
CREATE FUNCTION users.project_of(resource text, "row" jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE resource
        WHEN 'Website' THEN 'website:' || ("row"->>'code')
        WHEN 'DrupalDocrootCore' THEN 'drupaldocrootcore:' || ("row"->>'code')
        WHEN 'WebsiteDeployed' THEN 'website:' || ("row"->>'website')
        WHEN 'Domain' THEN 'website:' || ("row"->>'website')
        WHEN 'Project' THEN "row"->>'code'
        WHEN 'AccessRight' THEN "row"->>'project'
    END
$$;

-- The user that a row is about, NULL if about none.
CREATE FUNCTION users.owner_of(resource text, "row" jsonb) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT CASE resource
        WHEN 'User' THEN "row"->>'email'
        WHEN 'AccessRight' THEN "row"->>'user'
        WHEN 'Key' THEN "row"->>'user'
    END
$$;

-- The projects that all have a say on a row: its own, if it has one; of a secret (0012_secrets.sql), which is not everybody's who
-- may see what it belongs to, those of all that it serves. Empty if there is none, and if a secret serves something that
-- belongs to none. Runs as its owner: what the caller may not read counts as well.
CREATE FUNCTION users.projects_of(resource text, "row" jsonb) RETURNS text[]
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    owner text := "row"->>'key';
    projects text[];
BEGIN
    IF resource <> 'Secret' THEN
        RETURN array_remove(ARRAY[users.project_of(resource, "row")], NULL);
    END IF;
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

-- --- The rules ---

-- What an action needs. Of several rows any one will do; an admin needs none of them.
--
--   profile                        to be let in at all
--   read, deploy, approve, manage  that permission on the row's project; to move a row, on both projects; of a secret, on
--                                  every project that lives on its docroot environment or is served by its certificate
--   grant                          `manage`, and every permission that the role in the row has
--   manager                        `manage` on any project
--   own                            that the row is about oneself
--   admin                          to be one
--
-- A row of a registry resource without a project (a domain that serves no website) needs `profile` to be read and `admin` to
-- be changed.
CREATE TABLE users.rule (
    resource text COLLATE "C" NOT NULL,
    action   text COLLATE "C" NOT NULL CONSTRAINT rule__action__choice
        CHECK (action IN ('read', 'create', 'update', 'delete')),
    needs    text COLLATE "C" NOT NULL CONSTRAINT rule__needs__choice
        CHECK (needs IN ('profile', 'read', 'deploy', 'approve', 'manage', 'grant', 'manager', 'own', 'admin')),
    CONSTRAINT rule__needs__key PRIMARY KEY (resource, action, needs)
);

-- What is nobody's in particular: read by all, changed by admins.
INSERT INTO users.rule
SELECT resource, action, CASE action WHEN 'read' THEN 'profile' ELSE 'admin' END
FROM unnest('{Cms,HostingProvider,Docroot,Environment,DocrootEnvironment,Server,Registrar,Certificate,LoadBalancer,
              DomainLoadBalancer,DocrootEnvironmentServer,DocrootEnvironmentCertificate,DocrootEnvironmentLoadBalancer,
              Role}'::text[]) resource, unnest('{read,create,update,delete}'::text[]) action;

INSERT INTO users.rule VALUES
    -- What is a project's.
    ('Website', 'read', 'read'),
    ('Website', 'update', 'manage'),
    ('Website', 'create', 'admin'),
    ('Website', 'delete', 'admin'),
    ('DrupalDocrootCore', 'read', 'read'),
    ('DrupalDocrootCore', 'update', 'manage'),
    ('DrupalDocrootCore', 'create', 'admin'),
    ('DrupalDocrootCore', 'delete', 'admin'),
    ('WebsiteDeployed', 'read', 'read'),
    ('WebsiteDeployed', 'update', 'manage'),
    ('WebsiteDeployed', 'create', 'admin'),
    ('WebsiteDeployed', 'delete', 'admin'),
    ('Domain', 'read', 'read'),
    ('Domain', 'update', 'manage'),
    ('Domain', 'create', 'admin'),
    ('Domain', 'delete', 'admin'),
    -- What nobody sees who need not.
    ('Secret', 'read', 'manage'),
    ('Secret', 'create', 'manage'),
    ('Secret', 'update', 'manage'),
    ('Secret', 'delete', 'manage'),
    -- And the projects themselves.
    ('Project', 'read', 'read'),
    ('Project', 'create', 'admin'),
    ('Project', 'update', 'admin'),
    ('Project', 'delete', 'admin'),
    -- People, and what they may do.
    ('User', 'read', 'own'),
    ('User', 'read', 'manager'),
    ('User', 'create', 'admin'),
    ('User', 'update', 'admin'),
    ('User', 'delete', 'admin'),
    ('AccessRight', 'read', 'own'),
    ('AccessRight', 'read', 'manage'),
    ('AccessRight', 'create', 'grant'),
    ('AccessRight', 'update', 'grant'),
    ('AccessRight', 'delete', 'manage'),
    ('Key', 'read', 'own'),
    ('Key', 'create', 'own'),
    ('Key', 'update', 'own'),
    ('Key', 'delete', 'admin');

-- Whether `email` (no admin) meets one need for a row, as the row was and as it shall be (either may be NULL). What it
-- comes to, for people, is `why`.
CREATE FUNCTION users.meets(email text, needs text, resource text, before jsonb, after jsonb, OUT met boolean, OUT why text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    projects text[] := users.projects_of(resource, before) || users.projects_of(resource, after);
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

-- Raises SW005 with the reason unless the caller may do that to a row, as it was and as it shall be (either may be NULL).
CREATE FUNCTION users.require(action text, resource text, before jsonb, after jsonb) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    reason text;
BEGIN
    IF users.is_admin() THEN
        RETURN;
    ELSIF coalesce(users.me(), '') = '' THEN
        PERFORM sitewire.fail('SW004', '', 'nobody vouches for the caller');
    END IF;
    SELECT string_agg(m.why, '; ') INTO reason
    FROM users.rule r, users.meets(users.me(), r.needs, r.resource, before, after) m
    WHERE r.resource = require.resource AND r.action = require.action
    HAVING NOT bool_or(m.met) OR count(*) = 0;
    IF FOUND THEN
        PERFORM sitewire.fail('SW005', '', format('%s may not %s this %s: %s', users.me(), action, resource,
                                                  coalesce(reason, 'there is no rule')));
    END IF;
END $$;

-- Before a row is changed. What a foreign key or a function of the schema's owner does is done for somebody who was allowed
-- to begin it.
CREATE FUNCTION users.guard() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF pg_has_role(current_user, 'sitewire_service', 'usage')
       AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        PERFORM users.require(CASE TG_OP WHEN 'INSERT' THEN 'create' ELSE lower(TG_OP) END, TG_ARGV[0],
                              CASE WHEN TG_OP <> 'INSERT' THEN to_jsonb(OLD) END,
                              CASE WHEN TG_OP <> 'DELETE' THEN to_jsonb(NEW) END);
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;

-- The name of a table's resource: `WebsiteDeployed` of website_deployed.
CREATE FUNCTION sitewire.resource_of("table" name) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT replace(initcap(replace("table", '_', ' ')), ' ', '')
$$;

DO $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT oid::regclass AS name, relname FROM pg_class
               WHERE relkind = 'r' AND (relnamespace = 'referential'::regnamespace
                   OR oid IN ('users.role'::regclass, 'users."user"'::regclass, 'users.access_right'::regclass,
                              'users.key'::regclass)) LOOP
        EXECUTE format('CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON %s FOR EACH ROW '
                       'WHEN (current_setting(''sitewire.admin'', true) IS DISTINCT FROM ''on'') '
                       'EXECUTE FUNCTION users.guard(%L)', one.name, sitewire.resource_of(one.relname));
    END LOOP;
END $$;

-- --- What a caller may read ---

-- Whether the caller, no admin, has a permission on a project; no project is everybody's to read. Functions of this kind
-- keep their plans, and cost an admin's statement nothing; a subquery in a policy would be set up for each statement.
CREATE FUNCTION users.has_read(project text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN EXISTS (SELECT FROM users.permission p WHERE p.project = has_read.project AND 'read' = ANY (p.permissions));
END $$;

-- That query is most of what a row costs, so sitewire.enter puts the projects of people who have few of them into the
-- session, and a number that changes with every right: as long as the number is the same they need not be looked up. A right
-- that is taken away while somebody enters may count until they enter again, a second later.
CREATE SEQUENCE users.rights_version;
SELECT nextval('users.rights_version');
CREATE FUNCTION users.rights_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM nextval('users.rights_version');
    RETURN NULL;
END $$;
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON users.access_right
    FOR EACH STATEMENT EXECUTE FUNCTION users.rights_changed();
CREATE TRIGGER changed AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE ON users.role
    FOR EACH STATEMENT EXECUTE FUNCTION users.rights_changed();
GRANT SELECT ON SEQUENCE users.rights_version TO sitewire_service;

-- The projects that somebody may read, each in lines of its own; NULL if they are more than 100.
CREATE FUNCTION users.reads_of(email text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RETURN (SELECT CASE WHEN count(*) BETWEEN 1 AND 100 THEN E'\n' || string_agg(project || E'\n', '') END
            FROM (SELECT DISTINCT a.project FROM users.access_right a JOIN users.role r ON r.code = a.role
                  WHERE a."user" = email AND 'read' = ANY (r.permissions) LIMIT 101) few);
END $$;
-- A project is among them if splitting there leaves less than all: strpos would count the characters before it.
CREATE FUNCTION users.may_read(project text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN project IS NULL
        OR coalesce(current_setting('sitewire.rights_version', true) = pg_sequence_last_value('users.rights_version'::regclass)::text
                    AND split_part(current_setting('sitewire.reads', true), E'\n' || project || E'\n', 1)
                        <> current_setting('sitewire.reads', true), false)
        OR users.has_read(project);
END $$;
CREATE FUNCTION users.may_manage(project text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN EXISTS (SELECT FROM users.permission p
                   WHERE (may_manage.project IS NULL OR p.project = may_manage.project) AND 'manage' = ANY (p.permissions));
END $$;

-- The same of a secret, by its name (`Certificate/isover/private_key`): also whether one may know of it, and who has read it.
CREATE FUNCTION users.may_read_secret(name text) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    projects text[] := users.projects_of('Secret', jsonb_build_object('type', split_part(name, '/', 1),
                                                                      'key', substring(name FROM '/(.*)/')));
BEGIN
    RETURN projects <> '{}' AND NOT EXISTS (SELECT FROM unnest(projects) project WHERE NOT users.may_manage(project));
END $$;

-- The rules of action `read` as policies.
CREATE POLICY read ON referential.website FOR SELECT TO sitewire_service
    USING (users.is_admin() OR users.may_read('website:' || code));
CREATE POLICY read ON referential.drupal_docroot_core FOR SELECT TO sitewire_service
    USING (users.is_admin() OR users.may_read('drupaldocrootcore:' || code));
CREATE POLICY read ON referential.website_deployed FOR SELECT TO sitewire_service
    USING (users.is_admin() OR users.may_read('website:' || website));
CREATE POLICY read ON referential.domain FOR SELECT TO sitewire_service
    USING (users.is_admin() OR users.may_read('website:' || website));
CREATE POLICY read ON users.project FOR SELECT TO sitewire_service
    USING (users.is_admin() OR users.may_read(code));
CREATE POLICY read ON users."user" FOR SELECT TO sitewire_service
    USING (users.is_admin() OR email = users.me() OR (SELECT users.may_manage(NULL)));
CREATE POLICY read ON users.access_right FOR SELECT TO sitewire_service
    USING (users.is_admin() OR "user" = users.me() OR users.may_manage(project));
CREATE POLICY read ON users.key FOR SELECT TO sitewire_service
    USING (users.is_admin() OR "user" = users.me());

-- What can be read is left to `guard`, which says why not.
DO $$
DECLARE
    name regclass;
BEGIN
    FOR name IN SELECT polrelid FROM pg_policy LOOP
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY "create" ON %s FOR INSERT TO sitewire_service WITH CHECK (true)', name);
        EXECUTE format('CREATE POLICY "update" ON %s FOR UPDATE TO sitewire_service USING (true)', name);
        EXECUTE format('CREATE POLICY "delete" ON %s FOR DELETE TO sitewire_service USING (true)', name);
    END LOOP;
END $$;

-- --- Who calls ---

-- Begins a call: puts into the session who calls, and why. `open` methods answer people without a profile, `internal` ones
-- answer brokers only, whose name is @broker and who bring no key.
CREATE FUNCTION sitewire.enter(key text, email text, open boolean, internal boolean, call_id text, request_id text,
                               reason text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller record;
    version text := pg_sequence_last_value('users.rights_version'::regclass)::text; -- before what it stands for is read
BEGIN
    IF key = '' AND email = '@broker' THEN
        SELECT '@broker' AS "user", 'NONE' AS profile, '' AS refused INTO caller;
    ELSE
        SELECT i."user", i.profile, i.refused INTO caller FROM users.identify(key, email) i;
    END IF;
    IF caller.refused <> '' THEN
        PERFORM sitewire.fail('SW004', '', caller.refused);
    ELSIF internal AND caller."user" <> '@broker' THEN
        PERFORM sitewire.fail('SW005', '', 'only brokers may call this');
    ELSIF NOT internal AND NOT open AND caller.profile = 'NONE' THEN
        PERFORM sitewire.fail('SW005', '', format('%s has no access right yet: ask an admin, or somebody who manages a '
                                                  'project, for a role on it', caller."user"));
    ELSIF length(reason) > 1000 THEN
        PERFORM sitewire.fail('SW002', 'reason', 'a reason has at most 1000 characters');
    END IF;
    PERFORM set_config('sitewire.user', caller."user", false),
            set_config('sitewire.admin', CASE caller.profile WHEN 'ADMIN' THEN 'on' ELSE '' END, false),
            set_config('sitewire.profile', caller.profile, false),
            set_config('sitewire.rights_version', version, false),
            set_config('sitewire.reads', coalesce(CASE caller.profile WHEN 'USER' THEN users.reads_of(caller."user") END, ''), false),
            set_config('sitewire.call_id', call_id, false),
            set_config('sitewire.request_id', request_id, false),
            set_config('sitewire.reason', reason, false);
END $$;
REVOKE EXECUTE ON FUNCTION users.projects_of(text, jsonb), users.may_read_secret(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION users.projects_of(text, jsonb), users.may_read_secret(text) TO sitewire_service;
REVOKE EXECUTE ON FUNCTION users.identify(text, text), users.permissions_of(text, text), users.has_read(text), users.may_read(text),
    users.reads_of(text),
    users.may_manage(text), sitewire.enter(text, text, boolean, boolean, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION users.identify(text, text), users.permissions_of(text, text), users.has_read(text), users.may_read(text),
    users.may_manage(text), sitewire.enter(text, text, boolean, boolean, text, text, text) TO sitewire_service;
GRANT SELECT ON users.rule, users.permission TO sitewire_service;
GRANT UPDATE ON sitewire.request TO sitewire_service; -- to lock those that it removes

-- --- Why, or why not ---

-- A resource's row by its key, parts joined with `/`; NULL if there is none. Raises SW002 if there is no such resource.
CREATE FUNCTION sitewire.row_of(resource text, key text) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation regclass;
    keys text;
    found jsonb;
BEGIN
    SELECT c.oid INTO relation FROM pg_class c
    WHERE c.relkind = 'r' AND sitewire.resource_of(c.relname) = resource
      AND c.relnamespace IN (SELECT oid FROM pg_namespace WHERE nspname IN ('referential', 'users', 'deployment'))
      AND EXISTS (SELECT FROM users.rule r WHERE r.resource = row_of.resource);
    IF relation IS NULL THEN
        PERFORM sitewire.fail('SW002', 'type', format('there is no resource "%s"; name one such as Website', resource));
    END IF;
    SELECT string_agg(format('%I::text', a.attname), ' || ''/'' || ' ORDER BY k.n) INTO keys
    FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, n), pg_attribute a
    WHERE i.indrelid = relation AND i.indisprimary AND a.attrelid = relation AND a.attnum = k.attnum;
    EXECUTE format('SELECT to_jsonb(t) FROM %s t WHERE %s = $1', relation, keys) INTO found USING key;
    RETURN found;
END $$;

-- May `email` do `action` (read, create, update, delete, or a permission) to that row? One line for each step of the
-- answer, the last one is the answer.
CREATE FUNCTION users.explain(action text, resource text, key text, email text)
RETURNS TABLE (allowed boolean, step text)
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    who record;
    it jsonb;
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
    IF it IS NULL AND action = 'create' AND resource = 'Secret' THEN
        it := jsonb_build_object('type', split_part(key, '/', 1), 'key', substring(key FROM '/(.*)/'));
    END IF;
    IF it IS NULL AND action <> 'create' THEN
        RETURN QUERY VALUES (false, format('no: there is no %s %s', resource, key));
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
REVOKE EXECUTE ON FUNCTION sitewire.row_of(text, text), users.explain(text, text, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION users.explain(text, text, text, text) TO sitewire_user;

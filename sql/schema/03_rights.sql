-- Rights: whether callers may do what they ask for. Services and people at psql meet the same
-- rules.
--
-- A call begins with sitewire.enter (03_who_calls.sql), which identifies the caller and refuses
-- unknown ones. The policies of the tables decide what the caller may read. Their trigger `guard`
-- decides what the caller may change, by the table users.rule. An admin may do everything. Rows
-- that a caller may not read do not exist for it. 12_access.sql says which table follows which
-- rules.

-- --- What follows from access rights ---

-- The current caller, and whether it is an admin, as sitewire.enter has set them in the session.
-- Without a caller is_admin is false, never NULL.
CREATE OR REPLACE FUNCTION users.me() RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT current_setting('sitewire.user', true)
$$;
CREATE OR REPLACE FUNCTION users.is_admin() RETURNS boolean LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT current_setting('sitewire.admin', true) IS NOT DISTINCT FROM 'on'
$$;

-- The caller's permissions on the projects that its grants cover. A grant that holds in one
-- environment only shows nothing but `read`.
CREATE OR REPLACE FUNCTION users.granted() RETURNS TABLE (project text, permissions text[]) LANGUAGE sql STABLE SECURITY DEFINER ROWS 100
AS $$
    SELECT c, CASE WHEN (h.held).environment IS NULL THEN h.permissions
                   ELSE ARRAY(SELECT unnest(h.permissions) INTERSECT SELECT 'read') END
    FROM users.grants_of(current_setting('sitewire.user', true)) h, users.covered(h.held) c
$$;

-- The caller's permissions, for each access right and each project that a grant covers. The view
-- belongs to the owner of the tables, so policies do not apply to what it reads.
CREATE OR REPLACE VIEW users.permission AS
SELECT a.project, r.permissions
FROM users.access_right a JOIN users.role r ON r.code = a.role
WHERE a."user" = current_setting('sitewire.user', true)
UNION ALL
SELECT g.project, g.permissions FROM users.granted() g;

-- Everything that gives a user permissions on a project, one row for each permission and source;
-- the only place that decides it. A user who is not active has none, and a robot never has
-- `approve`. An admin has everything but `run`. `environment` is where the permission is to be
-- used; NULL or empty: everywhere. Columns:
--
--   role        what gives the permission; empty for an admin
--   source      the row that decides: `AccessRight website:x/ann@x.org/Owner`, `Grant ops`, `Grant
--               ops through GroupMember team/ann@x.org`, or `User ann@x.org` for an admin
--   by_admins   admins alone made all rows that are involved
--   expires_at  when it ends, if it does
CREATE OR REPLACE FUNCTION users.holds(email text, project text, environment text DEFAULT NULL)
RETURNS TABLE (permission text, role text, source text, by_admins boolean, expires_at timestamptz)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT h.permission, h.role, h.source, h.by_admins, h.expires_at
    FROM users."user" u, LATERAL (
        SELECT p, '', 'User ' || u.email, true, NULL::timestamptz
        FROM unnest('{read,deploy,command,approve,manage,override}'::text[]) p WHERE u.is_admin
        UNION ALL
        SELECT p, r.code, concat('AccessRight ', a.project, '/', a."user", '/', a.role), a.made_by_admin, NULL
        FROM users.access_right a JOIN users.role r ON r.code = a.role, unnest(r.permissions) p
        WHERE a."user" = u.email AND a.project = holds.project
        UNION ALL
        SELECT p, (g.held).role, concat('Grant ', (g.held).code, ' through GroupMember ' || g."group" || '/' || u.email),
               g.by_admins, (g.held).expires_at
        FROM users.grants_of(u.email) g, unnest(g.permissions) p
        WHERE (p = 'read' OR (g.held).environment IS NULL OR (g.held).environment = holds.environment)
          AND users.covers(g.held, holds.project)) h (permission, role, source, by_admins, expires_at)
    WHERE u.email = holds.email AND u.active AND (h.permission <> 'approve' OR u.kind = 'PERSON')
$$;

-- All permissions of a user on a project.
DROP FUNCTION IF EXISTS users.permissions_of(text, text);
CREATE OR REPLACE FUNCTION users.permissions_of(email text, project text, environment text DEFAULT NULL) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT h.permission ORDER BY h.permission), '{}')
    FROM users.holds(email, project, environment) h
$$;

-- The permissions of a user on a project that do not expire. Whoever gives a right that lasts needs
-- permissions that last.
CREATE OR REPLACE FUNCTION users.lasting_permissions_of(email text, project text, environment text DEFAULT NULL) RETURNS text[]
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(array_agg(DISTINCT h.permission ORDER BY h.permission), '{}')
    FROM users.holds(email, project, environment) h WHERE h.expires_at IS NULL
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

-- The environment that a row belongs to, or NULL. Permissions that hold in one environment only
-- count for its rows.
CREATE OR REPLACE FUNCTION users.environment_of(resource text, "row" jsonb) RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN resource IN ('Grant', 'AccessRight') THEN NULL
                WHEN resource = 'Secret' AND "row"->>'type' = 'DocrootEnvironment' THEN split_part("row"->>'key', '/', 2)
                ELSE "row"->>'environment' END
$$;

-- Whether the user `email`, who is not an admin, meets one need for a row, before and after a
-- change (either may be NULL); and why, in words. Only admins may change a row that belongs to no
-- project before or after. To give a domain a certificate, one needs `manage` on everything that
-- the certificate already serves, because managers of what it serves may read its key.
CREATE OR REPLACE FUNCTION users.meets(email text, needs text, resource text, before jsonb, after jsonb, OUT met boolean, OUT why text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    was text[] := users.projects_of(resource, before);
    shall_be text[] := users.projects_of(resource, after);
    needed text[];
    has text[];
    owners text[] := array_remove(ARRAY[users.owner_of(resource, before), users.owner_of(resource, after)], NULL);
    one record;
BEGIN
    IF needs IN ('profile', 'admin') THEN
        met := needs = 'profile';
        why := CASE needs WHEN 'profile' THEN 'everybody with a profile may' ELSE 'only admins may' END;
    ELSIF needs = 'own' THEN
        met := owners <> '{}' AND email = ALL (owners);
        why := format('it %s about %s', CASE WHEN met THEN 'is' ELSE 'is not' END, email);
    ELSIF needs = 'manager' THEN
        met := EXISTS (SELECT FROM users.access_right a JOIN users.role r ON r.code = a.role
                       WHERE a."user" = email AND 'manage' = ANY (r.permissions))
            OR EXISTS (SELECT FROM users.grants_of(email) g
                       WHERE 'manage' = ANY (g.permissions) AND (g.held).environment IS NULL);
        why := format('%s has the permission manage on %s project', email, CASE WHEN met THEN 'a' ELSE 'no' END);
    ELSIF needs = 'member' THEN
        met := EXISTS (SELECT FROM users.group_member m WHERE m."user" = email AND m."group" =
                       coalesce(before, after)->>CASE resource WHEN 'Group' THEN 'code' ELSE 'group' END);
        why := format('%s is %s member of the group', email, CASE WHEN met THEN 'a' ELSE 'no' END);
    ELSIF needs = 'scope' OR resource IN ('Grant', 'GroupMember', 'Group') THEN
        SELECT s.met, s.why INTO met, why FROM users.meets_scope(email, needs, resource, before, after) s;
    ELSIF was || shall_be = '{}' THEN
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
    ELSIF resource = 'Website' AND before IS NOT NULL AND users.refusal_of_move(email, before, after) IS NOT NULL THEN
        met := false;
        why := users.refusal_of_move(email, before, after);
    ELSIF resource = 'WebsiteDeployed' AND (before->>'docroot', before->>'environment')
                                           <> (after->>'docroot', after->>'environment') THEN
        met := false;
        why := 'grants follow where a website is deployed: only admins may move it';
    ELSE
        needed := ARRAY[CASE needs WHEN 'grant' THEN 'manage' ELSE needs END];
        IF needs = 'grant' THEN
            needed := needed || coalesce((SELECT permissions FROM users.role WHERE code = after->>'role'), '{}');
        END IF;
        met := true;
        FOR one IN SELECT p AS project, users.environment_of(resource, before) AS environment FROM unnest(was) p
                   UNION SELECT p, users.environment_of(resource, after) FROM unnest(shall_be) p ORDER BY 1, 2 LOOP
            has := CASE needs WHEN 'grant' THEN users.lasting_permissions_of(email, one.project)
                              ELSE users.permissions_of(email, one.project, one.environment) END;
            IF met AND NOT needed <@ has THEN
                met := false;
                why := format('it needs %s on %s%s, where %s has %s%s',
                              (SELECT string_agg(DISTINCT n, ', ') FROM unnest(needed) n), one.project,
                              CASE WHEN EXISTS (SELECT FROM users.grants_of(email) g WHERE (g.held).environment IS NOT NULL)
                                   THEN ' in ' || one.environment END, email,
                              coalesce(nullif(array_to_string(has, ', '), ''), 'no permission'),
                              CASE WHEN needs = 'grant' AND needed <@ users.permissions_of(email, one.project)
                                   THEN ' that does not expire' END);
                IF resource = 'Secret' AND NOT 'read' = ANY (has) THEN -- what one may not read is not named
                    why := format('it needs manage on every project that it serves, and %s may not even read one of them',
                                  email);
                END IF;
            ELSIF met THEN
                why := format('%s has %s on %s', email, array_to_string(has, ', '), one.project);
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
DECLARE
    me text := current_setting('sitewire.user', true);
BEGIN
    RETURN EXISTS (SELECT FROM users.access_right a JOIN users.role r ON r.code = a.role
                   WHERE a.project = has_read.project AND a."user" = me AND 'read' = ANY (r.permissions))
        OR EXISTS (SELECT FROM users.grants_of(me) g WHERE 'read' = ANY (g.permissions) AND users.covers(g.held, project));
END $$;

-- Those queries are most of the cost of a row. So sitewire.enter stores what a user can read in the
-- session, with a number that grows with every change of rights, and of what scopes read. While
-- the number is the same, nothing is looked up. A change holds the lock users.rights_lock() until
-- its transaction ends, so that users.load_reads can see that one is under way.
CREATE OR REPLACE FUNCTION users.rights_lock() RETURNS bigint LANGUAGE sql IMMUTABLE AS $$ SELECT 7237128888 $$;
CREATE OR REPLACE FUNCTION users.rights_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_advisory_xact_lock_shared(users.rights_lock());
    PERFORM nextval('users.rights_version');
    RETURN NULL;
END $$;
SELECT sitewire.keep_trigger('changed', relation, 'AFTER INSERT OR UPDATE OR DELETE OR TRUNCATE',
                             'FOR EACH STATEMENT EXECUTE FUNCTION users.rights_changed()')
FROM unnest('{users.access_right,users.role,users.group_member,users.grant,users.project}'::regclass[]) relation;
-- The same for columns that scopes read. (A condition of the triggers would name the columns, whose
-- types could then not be altered.)
CREATE OR REPLACE FUNCTION users.scope_changed() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    same boolean := false;
BEGIN
    IF TG_OP <> 'UPDATE' THEN
        NULL;
    ELSIF TG_TABLE_NAME = 'website' THEN
        same := NEW.code = OLD.code AND NEW.organization = OLD.organization;
    ELSIF TG_TABLE_NAME = 'website_deployed' THEN
        same := (NEW.website, NEW.docroot, NEW.environment) = (OLD.website, OLD.docroot, OLD.environment);
    ELSIF TG_TABLE_NAME = 'docroot' THEN
        same := NEW.code = OLD.code AND NEW.drupal_docroot_core IS NOT DISTINCT FROM OLD.drupal_docroot_core;
    ELSE
        same := (NEW.docroot, NEW.environment) = (OLD.docroot, OLD.environment);
    END IF;
    IF same THEN
        RETURN NULL;
    END IF;
    PERFORM pg_advisory_xact_lock_shared(users.rights_lock());
    PERFORM nextval('users.rights_version');
    RETURN NULL;
END $$;
SELECT sitewire.keep_trigger('scope', relation, timing, 'FOR EACH ROW EXECUTE FUNCTION users.scope_changed()')
FROM (VALUES ('referential.website'::regclass, 'AFTER UPDATE'), ('referential.docroot', 'AFTER UPDATE'),
             ('referential.website_deployed', 'AFTER INSERT OR UPDATE OR DELETE'),
             ('referential.docroot_environment', 'AFTER INSERT OR UPDATE OR DELETE')) x (relation, timing);

-- Stores what a user with the profile USER can read in these settings of the session:
--
--   sitewire.reads           `*`: everything; the projects, each on its own line, if there are at
--                            most 100; `#`: sitewire.reads_0 to _63 have them, by their hash
--   sitewire.rights_version  the number that they belong to; empty if nothing is stored
--   sitewire.rights_until    when the first of the user's grants ends, if one does
--
-- What is there already stays. Lists by hash stay when another caller enters, until lists of
-- somebody else replace them (sitewire.stored says whose they are). Without `all_of_them`, nothing
-- is stored for a user with a grant on a scope or more than 100 rights, because that takes 1 us for
-- each project. Nothing is stored while a change of rights is not committed: the number is read
-- first, then the lock is tried, then the rights are read, so that a change which is not seen has
-- another number. This takes a new snapshot for each query.
CREATE OR REPLACE FUNCTION users.load_reads(email text, all_of_them boolean) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    most CONSTANT integer := 20000;
    version text := pg_sequence_last_value('users.rights_version'::regclass)::text;
    till timestamptz;
    projects text[];
BEGIN
    IF current_setting('sitewire.user', true) = email AND current_setting('sitewire.rights_version', true) = version
       AND (current_setting('sitewire.rights_until', true) = ''
            OR now() < current_setting('sitewire.rights_until', true)::timestamptz) THEN
        RETURN;
    END IF;
    IF current_setting('sitewire.stored', true) = concat_ws(' ', version, email)
       AND (current_setting('sitewire.stored_until', true) = ''
            OR now() < current_setting('sitewire.stored_until', true)::timestamptz) THEN
        PERFORM set_config('sitewire.reads', '#', false), set_config('sitewire.rights_version', version, false),
                set_config('sitewire.rights_until', current_setting('sitewire.stored_until', true), false);
        RETURN;
    END IF;
    PERFORM set_config('sitewire.rights_version', '', false), set_config('sitewire.reads', '', false),
            set_config('sitewire.rights_until', '', false), set_config('sitewire.lookups', '0', false);
    IF current_setting('transaction_isolation') <> 'read committed'
       OR NOT (pg_try_advisory_lock(users.rights_lock()) AND pg_advisory_unlock(users.rights_lock())) THEN
        RETURN;
    END IF;
    till := (SELECT min((g.held).expires_at) FROM users.grants_of(email) g);
    IF users.reaches_everything(email, 'read') THEN
        PERFORM set_config('sitewire.reads', '*', false);
    ELSIF NOT all_of_them AND (EXISTS (SELECT FROM users.grants_of(email))
                               OR (SELECT count(*) FROM (SELECT FROM users.access_right a WHERE a."user" = email LIMIT 101) x) > 100) THEN
        RETURN;
    ELSE
        projects := ARRAY(SELECT r.project FROM users.reach(email, 'read') r LIMIT most + 1);
        IF cardinality(projects) <= 100 THEN
            PERFORM set_config('sitewire.reads', E'\n' || coalesce(array_to_string(projects, E'\n') || E'\n', ''), false);
        ELSIF cardinality(projects) <= most THEN
            PERFORM set_config('sitewire.reads', '#', false),
                    set_config('sitewire.stored', concat_ws(' ', version, email), false),
                    set_config('sitewire.stored_until', coalesce(till::text, ''), false);
            PERFORM set_config('sitewire.reads_' || b, coalesce(E'\n' || string_agg(p, E'\n') || E'\n', ''), false)
            FROM generate_series(0, 63) b LEFT JOIN unnest(projects) p ON hashtext(p) & 63 = b GROUP BY b;
        ELSE
            PERFORM set_config('sitewire.lookups', '-100000', false);
            RETURN;
        END IF;
    END IF;
    PERFORM set_config('sitewire.rights_version', version, false),
            set_config('sitewire.rights_until', coalesce(till::text, ''), false);
END $$;

-- Counts what the caller looks up, and stores all that it can read after 50 lookups: those have
-- cost about as much as storing does. So callers that alternate on a session with few reads each
-- never pay for it.
CREATE OR REPLACE FUNCTION users.count_lookup() RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    lookups integer := coalesce(nullif(current_setting('sitewire.lookups', true), ''), '0')::integer + 1;
BEGIN
    PERFORM set_config('sitewire.lookups', lookups::text, false);
    IF lookups >= 50 THEN
        PERFORM users.load_reads(current_setting('sitewire.user', true), true);
    END IF;
END $$;

-- Whether the caller, who is not an admin, may read rows of a project; everybody may read rows that
-- belong to none. A project is in a list if splitting the list at it changes the list. This is
-- cheaper than strpos, which counts the characters before it.
CREATE OR REPLACE FUNCTION users.may_read(project text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    reads text;
BEGIN
    IF project IS NULL THEN
        RETURN true;
    ELSIF current_setting('sitewire.rights_version', true) = pg_sequence_last_value('users.rights_version'::regclass)::text
          AND (current_setting('sitewire.rights_until', true) = ''
               OR now() < current_setting('sitewire.rights_until', true)::timestamptz) THEN
        reads := current_setting('sitewire.reads', true);
        IF reads = '*' THEN
            RETURN true;
        ELSIF reads = '#' THEN
            reads := current_setting('sitewire.reads_' || (hashtext(project) & 63), true);
        END IF;
        RETURN split_part(reads, E'\n' || project || E'\n', 1) <> reads;
    END IF;
    PERFORM users.count_lookup();
    RETURN users.has_read(project);
END $$;

-- Whether the caller, who is not an admin, may read every project.
CREATE OR REPLACE FUNCTION users.may_read_everything() RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN users.reaches_everything(current_setting('sitewire.user', true), 'read');
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
    RETURN projects <> '{}' AND NOT EXISTS (
        SELECT FROM unnest(projects) project
        WHERE NOT 'manage' = ANY (users.permissions_of(users.me(), project, CASE split_part(name, '/', 1)
                                                                            WHEN 'DocrootEnvironment' THEN split_part(name, '/', 3) END)));
END $$;

-- The project of a domain, NULL if it has none.
CREATE OR REPLACE FUNCTION users.project_of_domain(fqdn text) RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT 'website:' || d.website FROM referential.domain d WHERE d.fqdn = project_of_domain.fqdn);
END $$;

-- All projects that a user who is not an admin may read. The broker uses it to select the events of
-- a subscriber. Empty for somebody who may read everything (users.reaches_everything).
CREATE OR REPLACE FUNCTION users.readable(email text) RETURNS text[] LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN CASE WHEN users.reaches_everything(email, 'read') THEN '{}'
                ELSE ARRAY(SELECT r.project FROM users.reach(email, 'read') r ORDER BY 1) END;
END $$;

-- How many projects a user has any permission on, apart from being an admin.
CREATE OR REPLACE FUNCTION users.count_projects(email text) RETURNS integer LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN CASE WHEN EXISTS (SELECT FROM users.grants_of(email) g WHERE (g.held).everything) THEN (SELECT count(*) FROM users.project)
                ELSE (SELECT count(DISTINCT r.project) FROM users.reach(email, NULL) r) END;
END $$;

-- What a deployment will do (its plan, whose hash an approver approves), and which rights it needs.

-- --- Rights ---

-- How a project is named to the caller: its name or, if the caller may not read it, only that it
-- exists.
CREATE OR REPLACE FUNCTION deployment.name_for_caller(project text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN users.is_admin() OR users.permissions_of(users.me(), project) <> '{}' THEN project
                ELSE 'a project that you may not see' END;
END $$;

-- The rights of a user that cover all of `needed` on all of `projects`; `a|b` means either of them.
-- `environment` is where they are to be used; NULL: everywhere. `lacks` says what is missing.
DROP FUNCTION IF EXISTS deployment.rights_of(text, text[], text[]);
CREATE OR REPLACE FUNCTION deployment.rights_of(email text, projects text[], needed text[], environment text DEFAULT NULL,
                                     OUT rights text[], OUT lacks text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    one text;
    need text;
    shown text;
    granted text;
    missing text[] := '{}';
BEGIN
    IF EXISTS (SELECT FROM users."user" u WHERE u.email = rights_of.email AND u.is_admin AND u.active)
       AND 'run' <> ALL (needed) THEN
        rights := '{admin}';
        RETURN;
    END IF;
    rights := '{}';
    FOREACH one IN ARRAY projects LOOP
        shown := deployment.name_for_caller(one);
        FOREACH need IN ARRAY needed LOOP
            SELECT format('%s on %s', h.permission, shown) || CASE shown WHEN one THEN ' as ' || h.role ELSE '' END INTO granted
            FROM users.holds(email, one, environment) h WHERE h.permission = ANY (string_to_array(need, '|'))
            ORDER BY h.permission, h.role LIMIT 1;
            IF NOT FOUND THEN
                missing := missing || format('%s on %s', replace(need, '|', ' or '), shown);
            ELSIF granted <> ALL (rights) THEN
                rights := rights || granted;
            END IF;
        END LOOP;
    END LOOP;
    lacks := (SELECT string_agg(m, ', ' ORDER BY n) FROM (SELECT m, min(n) AS n FROM unnest(missing) WITH ORDINALITY x (m, n)
                                                          GROUP BY m) each_once);
END $$;

CREATE OR REPLACE FUNCTION deployment.is_protected(d deployment.deployment) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN deployment.approvals_needed(d) > 0;
END $$;

-- The projects whose rights count: another CMS concerns all websites of the target.
CREATE OR REPLACE FUNCTION deployment.projects_of(d deployment.deployment) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF d.type <> 'CORE' THEN
        RETURN ARRAY[d.project];
    END IF;
    RETURN (SELECT array_agg(DISTINCT code ORDER BY code) FROM (
        SELECT d.project AS code UNION ALL
        SELECT 'website:' || w.website FROM referential.website_deployed w
        WHERE w.docroot = d.docroot AND w.environment = d.environment) all_of_them);
END $$;

-- What a request needs: commands of its own need a permission of their own.
CREATE OR REPLACE FUNCTION deployment.needs_of(has_commands boolean) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN has_commands THEN '{deploy,command}'::text[] ELSE '{deploy}' END
$$;
CREATE OR REPLACE FUNCTION deployment.needs_of(d deployment.deployment) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN deployment.needs_of(EXISTS (SELECT FROM deployment.deployment_command c WHERE c.deployment = d.id));
END $$;

-- The caller. Refuses a call without one before anything is compared with NULL.
CREATE OR REPLACE FUNCTION deployment.caller() RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF coalesce(users.me(), '') = '' THEN
        PERFORM sitewire.fail('SW004', '', 'the caller is not identified');
    END IF;
    RETURN users.me();
END $$;

-- A deployment that a method will change; its row is locked. To a caller who may not know of it, it
-- does not exist.
CREATE OR REPLACE FUNCTION deployment.find(id bigint) RETURNS deployment.deployment LANGUAGE plpgsql AS $$
DECLARE
    me text := deployment.caller();
    d deployment.deployment;
BEGIN
    SELECT * INTO d FROM deployment.deployment x WHERE x.id = find.id FOR NO KEY UPDATE;
    IF NOT FOUND OR NOT (users.is_admin() OR users.may_read(d.project) OR me = d.requester
                         OR me IS NOT DISTINCT FROM d.runner_user) THEN
        PERFORM sitewire.fail('SW003', 'id', format('there is no deployment %s', coalesce(find.id, 0)));
    END IF;
    RETURN d;
END $$;

CREATE OR REPLACE FUNCTION deployment.project_of(id bigint) RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT d.project FROM deployment.deployment d WHERE d.id = project_of.id);
END $$;

-- The projects that the caller may read. The view belongs to the owner of the tables, so it shows
-- only these. Policies of tables that grow without end use it: a list may skip millions of rows
-- that the caller may not read before a page is full. A hash of the caller's projects, built once
-- per statement, is cheaper there than a function for each row (03_rights.sql). For a row that is
-- read by its key, the planner looks into an index instead.
CREATE OR REPLACE VIEW deployment.readable AS
SELECT a.project
FROM users.access_right a JOIN users.role r ON r.code = a.role
WHERE a."user" = current_setting('sitewire.user', true) AND 'read' = ANY (r.permissions)
UNION ALL
SELECT g.project FROM users.granted() g WHERE 'read' = ANY (g.permissions);

-- --- Plans ---

-- The version that will run when a deployment's turn comes: that of the last deployment before it,
-- or the one that runs now.
CREATE OR REPLACE FUNCTION deployment.version_before(d deployment.deployment, kind text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    version text;
BEGIN
    SELECT o.version INTO version FROM deployment.deployment o
    WHERE o.docroot = d.docroot AND o.environment = d.environment AND o.status IN ('ACCEPTED', 'IN_PROGRESS')
      AND o.type = kind AND (kind <> 'WEBSITE' OR o.project = d.project) AND (d.queue IS NULL OR o.queue < d.queue)
    ORDER BY o.queue DESC LIMIT 1;
    IF FOUND THEN
        RETURN version;
    ELSIF kind = 'WEBSITE' THEN
        RETURN coalesce((SELECT w.website_version FROM referential.website_deployed w
                         WHERE 'website:' || w.website = d.project AND w.docroot = d.docroot
                           AND w.environment = d.environment), '');
    END IF;
    RETURN coalesce((SELECT CASE kind WHEN 'CORE' THEN e.cms_version ELSE e.drupal_docroot_core_version END
                     FROM referential.docroot_environment e
                     WHERE e.docroot = d.docroot AND e.environment = d.environment), '');
END $$;

-- The rows of the registry about the target, as they will be at that time.
CREATE OR REPLACE FUNCTION deployment.target_of(d deployment.deployment) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    book text[] := '{created_at,updated_at,revision}';
    asks text[] := '{approvals,approval_expires}'; -- checked by themselves, at the claim
BEGIN
    RETURN jsonb_strip_nulls((SELECT jsonb_build_object(
        'environment', to_jsonb(e) - book - asks,
        'docroot', to_jsonb(r) - book,
        'docroot_environment', to_jsonb(t) - book || jsonb_build_object(
            'cms_version', deployment.version_before(d, 'CORE'),
            'drupal_docroot_core_version', deployment.version_before(d, 'DRUPALDOCROOTCORE')),
        'servers', (SELECT coalesce(jsonb_agg(s.server ORDER BY s.server), '[]')
                    FROM referential.docroot_environment_server s
                    WHERE s.docroot = d.docroot AND s.environment = d.environment))
        FROM referential.docroot_environment t
        JOIN referential.environment e ON e.code = t.environment
        JOIN referential.docroot r ON r.code = t.docroot
        WHERE t.docroot = d.docroot AND t.environment = d.environment)
    || (SELECT jsonb_build_object('website', to_jsonb(w) - book, 'drupal_docroot_core', to_jsonb(c) - book)
        FROM users.project p LEFT JOIN referential.website w ON w.code = p.website
        LEFT JOIN referential.drupal_docroot_core c ON c.code = p.drupal_docroot_core
        WHERE p.code = d.project)
    || jsonb_build_object('version', deployment.version_before(d, d.type)));
END $$;

-- The hash of the whole plan, which an approver approves. jsonb writes each value in one way only.
CREATE OR REPLACE FUNCTION deployment.hash_of(d deployment.deployment) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN encode(sha256(convert_to(jsonb_build_object(
        'project', d.project, 'type', d.type, 'docroot', d.docroot, 'environment', d.environment, 'version', d.version,
        'on_lost_lease', d.on_lost_lease, 'requester', d.requester, 'rollback_of', d.rollback_of,
        'commands', (SELECT jsonb_agg(to_jsonb(c) - '{deployment,created_at,updated_at,revision}'::text[] ORDER BY c.number)
                     FROM deployment.deployment_command c WHERE c.deployment = d.id),
        'target', deployment.target_of(d))::text, 'UTF8')), 'hex');
END $$;

-- The environment variables of the commands.
CREATE OR REPLACE FUNCTION deployment.facts_of(d deployment.deployment) RETURNS deployment.fact[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    t jsonb := deployment.target_of(d);
BEGIN
    RETURN (SELECT array_agg(ROW('SITEWIRE_' || name, coalesce(value, ''))::deployment.fact ORDER BY n) FROM (VALUES
        (1, 'DEPLOYMENT', d.id::text),
        (2, 'PROJECT', d.project),
        (3, 'TYPE', d.type),
        (4, 'DOCROOT', d.docroot),
        (5, 'ENVIRONMENT', d.environment),
        (6, 'VERSION', d.version),
        (7, 'PREVIOUS_VERSION', t->>'version'),
        (8, 'ROLLBACK_OF', d.rollback_of::text),
        (9, 'REQUESTER', d.requester),
        (10, 'APPROVER', d.approver),
        (11, 'WEBSITE', t->'website'->>'code'),
        (12, 'HOME_DIRECTORY', t->'website'->>'home_directory'),
        (13, 'CODE_REPOSITORY_URL', coalesce(t->'website', t->'drupal_docroot_core')->>'code_repository_url'),
        (14, 'BINARY_REPOSITORY_URL', coalesce(t->'website', t->'drupal_docroot_core')->>'binary_repository_url'),
        (15, 'CMS', t->'docroot_environment'->>'cms'),
        (16, 'CMS_VERSION', t->'docroot_environment'->>'cms_version'),
        (17, 'DRUPAL_DOCROOT_CORE', t->'docroot'->>'drupal_docroot_core'),
        (18, 'DRUPAL_DOCROOT_CORE_VERSION', t->'docroot_environment'->>'drupal_docroot_core_version'),
        (19, 'HOSTING_PROVIDER', t->'docroot'->>'hosting_provider'),
        (20, 'SERVERS', (SELECT string_agg(s, ' ') FROM jsonb_array_elements_text(t->'servers') s))) facts (n, name, value));
END $$;

CREATE OR REPLACE FUNCTION deployment.plan_of(d deployment.deployment) RETURNS deployment.plan
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    p deployment.plan;
    waits boolean := d.status IN ('REQUESTED', 'ACCEPTED');
BEGIN
    p.deployment := d;
    p.plan_hash := CASE WHEN waits THEN deployment.hash_of(d) ELSE d.plan_hash END;
    p.commands := (SELECT array_agg(c ORDER BY c.number) FROM deployment.deployment_command c WHERE c.deployment = d.id);
    p.needs_approval := d.status = 'REQUESTED' AND deployment.is_protected(d);
    p.behind := (SELECT array_agg(o.id ORDER BY o.queue) FROM deployment.deployment o
                 WHERE waits AND o.docroot = d.docroot AND o.environment = d.environment
                   AND o.status IN ('ACCEPTED', 'IN_PROGRESS') AND (d.queue IS NULL OR o.queue < d.queue));
    p.rights_used := (deployment.rights_of(d.requester, deployment.projects_of(d), deployment.needs_of(d), d.environment)).rights;
    p.approvals_needed := deployment.approvals_needed(d);
    p.approvals := (SELECT array_agg(a ORDER BY a.approved_at) FROM deployment.deployment_approval a WHERE a.deployment = d.id);
    p.obstacles := CASE WHEN waits THEN deployment.obstacles_of(d) END;
    p.facts := deployment.facts_of(d);
    p.target := deployment.target_of(d)::text;
    RETURN p;
END $$;

-- Grants: which grants a user holds, what they cover, and what somebody needs to give them.
--
-- A grant gives a role to a user or to the members of a group. It covers the projects of its scope,
-- at each moment: everything, or the websites of an organization, what is deployed on a docroot
-- (and the Drupal core that it uses), what is deployed in an environment, or what several of these
-- have in common. If the scope names an environment, all permissions except `read` hold only for
-- rows and deployments of that environment. An expired grant does not exist. Who holds a permission
-- follows in 03_rights.sql.

-- --- What a user holds ---

-- The live grants of a user. `group`: the user holds it as a member of that group. `by_admins`:
-- admins alone made the grant and the membership. PostgreSQL inlines it.
CREATE OR REPLACE FUNCTION users.grants_of(email text)
RETURNS TABLE (held users."grant", permissions text[], "group" text, by_admins boolean) LANGUAGE sql STABLE AS $$
    SELECT g, r.permissions, NULL::text, g.made_by_admin
    FROM users."grant" g JOIN users.role r ON r.code = g.role
    WHERE g."user" = email AND (g.expires_at IS NULL OR g.expires_at > now())
    UNION ALL
    SELECT g, r.permissions, m."group", g.made_by_admin AND m.made_by_admin
    FROM users.group_member m JOIN users."grant" g ON g."group" = m."group" JOIN users.role r ON r.code = g.role
    WHERE m."user" = email AND (g.expires_at IS NULL OR g.expires_at > now())
$$;

-- Whether the scope of a grant covers a project.
CREATE OR REPLACE FUNCTION users.covers(g users."grant", project text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    the_code text := substr(project, strpos(project, ':') + 1);
BEGIN
    IF g.everything THEN
        RETURN true;
    ELSIF starts_with(project, 'website:') THEN
        RETURN EXISTS (SELECT FROM referential.website w WHERE w.code = the_code AND g.organization IN ('', w.organization))
           AND (g.docroot IS NULL AND g.environment IS NULL OR EXISTS (
                SELECT FROM referential.website_deployed d
                WHERE d.website = the_code AND (g.docroot IS NULL OR d.docroot = g.docroot)
                  AND (g.environment IS NULL OR d.environment = g.environment)));
    END IF;
    RETURN g.organization = '' AND EXISTS (
        SELECT FROM referential.docroot r
        WHERE r.drupal_docroot_core = the_code AND (g.docroot IS NULL OR r.code = g.docroot)
          AND (g.environment IS NULL OR EXISTS (SELECT FROM referential.docroot_environment e
                                                WHERE e.docroot = r.code AND e.environment = g.environment)));
END $$;

-- The projects that the scope of a grant covers, found by index.
CREATE OR REPLACE FUNCTION users.covered(g users."grant") RETURNS SETOF text LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF g.everything THEN
        RETURN QUERY SELECT p.code FROM users.project p;
    ELSIF g.organization <> '' THEN
        RETURN QUERY SELECT 'website:' || w.code FROM referential.website w
        WHERE w.organization = g.organization AND (g.docroot IS NULL AND g.environment IS NULL OR EXISTS (
            SELECT FROM referential.website_deployed d
            WHERE d.website = w.code AND (g.docroot IS NULL OR d.docroot = g.docroot)
              AND (g.environment IS NULL OR d.environment = g.environment)));
    ELSIF g.docroot IS NOT NULL THEN
        RETURN QUERY SELECT DISTINCT 'website:' || d.website FROM referential.website_deployed d
        WHERE d.docroot = g.docroot AND (g.environment IS NULL OR d.environment = g.environment)
        UNION ALL
        SELECT 'drupaldocrootcore:' || r.drupal_docroot_core FROM referential.docroot r
        WHERE r.code = g.docroot AND r.drupal_docroot_core IS NOT NULL
          AND (g.environment IS NULL OR EXISTS (SELECT FROM referential.docroot_environment e
                                                WHERE e.docroot = r.code AND e.environment = g.environment));
    ELSE
        RETURN QUERY SELECT DISTINCT 'website:' || d.website FROM referential.website_deployed d
        WHERE d.environment = g.environment
        UNION ALL
        SELECT DISTINCT 'drupaldocrootcore:' || r.drupal_docroot_core
        FROM referential.docroot_environment e JOIN referential.docroot r ON r.code = e.docroot
        WHERE e.environment = g.environment AND r.drupal_docroot_core IS NOT NULL;
    END IF;
END $$;

-- The projects on which a user holds a permission (NULL: any), apart from being an admin. With
-- `environment`, it holds only there. Nobody who is not active holds one, and no robot `approve`.
CREATE OR REPLACE FUNCTION users.reach(email text, permission text) RETURNS TABLE (project text, environment text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT DISTINCT x.project, x.environment
    FROM users."user" u, LATERAL (
        SELECT a.project, NULL::text AS environment
        FROM users.access_right a JOIN users.role r ON r.code = a.role
        WHERE a."user" = u.email AND (reach.permission IS NULL OR reach.permission = ANY (r.permissions))
        UNION ALL
        SELECT c, CASE WHEN reach.permission <> 'read' THEN (h.held).environment END
        FROM users.grants_of(u.email) h, users.covered(h.held) c
        WHERE reach.permission IS NULL OR reach.permission = ANY (h.permissions)) x
    WHERE u.email = reach.email AND u.active AND (reach.permission IS DISTINCT FROM 'approve' OR u.kind = 'PERSON')
$$;

-- Whether a user holds a permission on everything by a grant.
CREATE OR REPLACE FUNCTION users.reaches_everything(email text, permission text) RETURNS boolean
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT EXISTS (SELECT FROM users."user" u, users.grants_of(u.email) h
                   WHERE u.email = reaches_everything.email AND u.active AND (h.held).everything
                     AND reaches_everything.permission = ANY (h.permissions)
                     AND (reaches_everything.permission <> 'approve' OR u.kind = 'PERSON'))
$$;

CREATE OR REPLACE FUNCTION users.is_member(of_group text) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN EXISTS (SELECT FROM users.group_member m WHERE m."group" = of_group AND m."user" = current_setting('sitewire.user', true));
END $$;

-- --- What somebody needs to give them ---

-- In words: the scope of a grant.
CREATE OR REPLACE FUNCTION users.scope_text(g users."grant") RETURNS text LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE WHEN g.everything THEN 'everything' ELSE concat_ws(' and ',
        CASE WHEN g.organization <> '' THEN format('the organization "%s"', g.organization) END,
        'the docroot ' || g.docroot, 'the environment ' || g.environment) END
$$;

-- What a user who is not an admin lacks of `needed` on a whole scope, and for as long as `g` lasts.
-- A grant covers what comes into its scope tomorrow, too. So rights on each project of today are
-- not enough: it takes grants whose scopes contain this one.
CREATE OR REPLACE FUNCTION users.lacks_on_scope(email text, needed text[], g users."grant") RETURNS text[]
LANGUAGE sql STABLE AS $$
    SELECT array_agg(n ORDER BY n) FROM unnest(needed) n
    WHERE NOT EXISTS (
        SELECT FROM users."user" u, users.grants_of(u.email) h
        WHERE u.email = lacks_on_scope.email AND n = ANY (h.permissions) AND (n <> 'approve' OR u.kind = 'PERSON')
          AND (h.held).organization IN ('', g.organization)
          AND ((h.held).docroot IS NULL OR (h.held).docroot = g.docroot)
          AND ((h.held).environment IS NULL OR (h.held).environment = g.environment)
          AND ((h.held).expires_at IS NULL OR (h.held).expires_at >= g.expires_at))
$$;

-- Whether a user who is not an admin meets the needs `grant` or `scope` for a grant, a membership
-- or a group, before and after a change. A group without grants is for admins only: what it will
-- give is not known.
CREATE OR REPLACE FUNCTION users.meets_scope(email text, needs text, resource text, before jsonb, after jsonb,
                                  OUT met boolean, OUT why text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    groups text[] := ARRAY[before->>'group', after->>'group', CASE resource WHEN 'Group' THEN coalesce(before, after)->>'code' END];
    g users."grant";
    lacks text[];
BEGIN
    met := false;
    FOR g IN
        SELECT x.* FROM unnest(ARRAY[before, after]) r, jsonb_populate_record(NULL::users."grant", r) x
        WHERE resource = 'Grant' AND r IS NOT NULL
        UNION ALL
        SELECT x.* FROM users."grant" x WHERE resource <> 'Grant' AND x."group" = ANY (groups)
    LOOP
        lacks := users.lacks_on_scope(email, ARRAY(
            SELECT 'manage' UNION SELECT unnest(r.permissions) FROM users.role r WHERE needs = 'grant' AND r.code = g.role), g);
        IF coalesce(g.everything, true) OR lacks IS NOT NULL THEN
            met := false;
            why := CASE WHEN g.everything THEN format('%s covers everything: only admins may', coalesce('the grant ' || g.code, 'it'))
                        ELSE format('it needs %s on %s as a whole, by a grant of one''s own that lasts as long, which %s does not have',
                                    array_to_string(coalesce(lacks, '{manage}'), ', '),
                                    coalesce(nullif(users.scope_text(g), ''), 'its scope'), email) END;
            RETURN;
        END IF;
        met := true;
        why := format('%s holds it on %s', email, users.scope_text(g));
    END LOOP;
    why := coalesce(why, 'the group has no grants: only admins may');
END $$;

-- The same for the caller, to read a row.
CREATE OR REPLACE FUNCTION users.may_manage_scope(resource text, "row" jsonb) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT m.met FROM users.meets_scope(users.me(), 'scope', resource, NULL, "row") m);
END $$;

-- Why a user who is not an admin may not move a website to another organization, or NULL. It gives
-- the website to the holders of that organization's grants. So it takes what giving these rights
-- takes; if they include `approve`, an admin.
CREATE OR REPLACE FUNCTION users.refusal_of_move(email text, before jsonb, after jsonb) RETURNS text
LANGUAGE plpgsql STABLE AS $$
DECLARE
    project text := 'website:' || (after->>'code');
    given text[] := ARRAY(
        SELECT DISTINCT p FROM users."grant" g JOIN users.role r ON r.code = g.role, unnest(r.permissions) p
        WHERE g.organization = after->>'organization' AND g.organization <> ''
          AND (g.expires_at IS NULL OR g.expires_at > now()) ORDER BY p);
    has text[];
BEGIN
    IF after->>'organization' IS NOT DISTINCT FROM before->>'organization' THEN
        RETURN NULL;
    ELSIF 'approve' = ANY (given) THEN
        RETURN format('the grants on the organization "%s" give approve: only admins may move a website there',
                      after->>'organization');
    END IF;
    has := users.lasting_permissions_of(email, project);
    IF NOT given <@ has THEN
        RETURN format('the grants on the organization "%s" give %s: moving %s there needs as much', after->>'organization',
                      array_to_string(given, ', '), project);
    END IF;
    RETURN NULL;
END $$;

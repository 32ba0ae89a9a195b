-- compatible
-- What somebody may not read has no name anywhere: neither in what a deployment takes and why it is refused, nor in explanations of
-- what does not exist yet; and a domain on a load balancer is read by who may read the domain.

-- --- Deployments ---

-- What the caller may hear of a project.
CREATE FUNCTION deployment.name_for_caller(project text) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN users.is_admin() OR users.permissions_of(users.me(), project) <> '{}' THEN project
                ELSE 'a project that you may not see' END;
END $$;
REVOKE EXECUTE ON FUNCTION deployment.name_for_caller(text) FROM PUBLIC;

-- As in 0009_deployment_requests.sql, but for the names of projects.
CREATE OR REPLACE FUNCTION deployment.rights_of(email text, projects text[], needed text[], OUT rights text[], OUT lacks text)
LANGUAGE plpgsql STABLE AS $$
DECLARE
    one text;
    need text;
    shown text;
    granted text;
    missing text[] := '{}';
BEGIN
    IF EXISTS (SELECT FROM users."user" u WHERE u.email = rights_of.email AND u.is_admin AND u.active) THEN
        rights := '{admin}';
        RETURN;
    END IF;
    rights := '{}';
    FOREACH one IN ARRAY projects LOOP
        shown := deployment.name_for_caller(one);
        FOREACH need IN ARRAY needed LOOP
            SELECT format('%s on %s', permission, shown) || CASE shown WHEN one THEN ' as ' || a.role ELSE '' END INTO granted
            FROM users.access_right a JOIN users.role r ON r.code = a.role, unnest(r.permissions) permission
            WHERE a."user" = rights_of.email AND a.project = one AND permission = ANY (string_to_array(need, '|'))
            ORDER BY permission, a.role LIMIT 1;
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

-- As there, but for the name of a website.
CREATE OR REPLACE FUNCTION deployment.check_target(d deployment.deployment, p users.project) RETURNS void LANGUAGE plpgsql STABLE AS $$
DECLARE
    r referential.docroot;
    t referential.docroot_environment;
    other text;
BEGIN
    SELECT * INTO r FROM referential.docroot x WHERE x.code = d.docroot;
    IF NOT FOUND THEN
        PERFORM sitewire.fail('SW003', 'docroot', format('there is no docroot "%s"', d.docroot));
    END IF;
    SELECT * INTO t FROM referential.docroot_environment x WHERE x.docroot = d.docroot AND x.environment = d.environment;
    IF NOT FOUND THEN
        PERFORM sitewire.fail('SW006', 'environment', format('the docroot %s has no environment %s', d.docroot, d.environment));
    END IF;
    IF (d.type = 'WEBSITE') <> (p.kind = 'website') AND d.type <> 'CORE' THEN
        PERFORM sitewire.fail('SW002', 'type', format('a %s is no deployment of %s', d.type, p.code));
    END IF;
    IF p.kind = 'drupaldocrootcore' AND r.drupal_docroot_core IS DISTINCT FROM p.drupal_docroot_core THEN
        PERFORM sitewire.fail('SW006', 'docroot', format('the docroot %s has %s', d.docroot,
            coalesce('the core ' || r.drupal_docroot_core, 'no Drupal core')));
    END IF;
    IF d.type = 'CORE' AND t.cms IS NULL THEN
        PERFORM sitewire.fail('SW006', 'environment', format('%s/%s has no CMS: set DocrootEnvironment.cms', d.docroot,
                                                             d.environment));
    END IF;
    IF p.kind = 'website' AND NOT EXISTS (SELECT FROM referential.website_deployed w
                                          WHERE w.website = p.website AND w.docroot = d.docroot) THEN
        SELECT w.website INTO other FROM referential.website_deployed w WHERE w.docroot = d.docroot ORDER BY 1 LIMIT 1;
        IF d.type = 'CORE' OR NOT users.is_admin() OR other IS NOT NULL AND NOT r.shared THEN
            PERFORM sitewire.fail('SW006', 'docroot', format('the docroot %s does not host %s%s: an admin has to add '
                'WebsiteDeployed %s/%s/%s first', d.docroot, p.code,
                CASE WHEN other IS NOT NULL AND NOT r.shared THEN ', and is not shared' || CASE deployment.name_for_caller('website:' || other)
                         WHEN 'website:' || other THEN ' by others than ' || other ELSE '' END
                     ELSE '' END, p.website, d.docroot, d.environment));
        END IF;
    END IF;
END $$;

-- --- Domains on load balancers ---

-- The project of a domain, NULL if it has none.
CREATE FUNCTION users.project_of_domain(fqdn text) RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT 'website:' || d.website FROM referential.domain d WHERE d.fqdn = project_of_domain.fqdn);
END $$;

-- As in 0008_deployment_states.sql, and what belongs to a domain, and events.
CREATE OR REPLACE FUNCTION users.project_of(resource text, "row" jsonb) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE resource
        WHEN 'Website' THEN 'website:' || ("row"->>'code')
        WHEN 'DrupalDocrootCore' THEN 'drupaldocrootcore:' || ("row"->>'code')
        WHEN 'WebsiteDeployed' THEN 'website:' || ("row"->>'website')
        WHEN 'Domain' THEN 'website:' || ("row"->>'website')
        WHEN 'DomainLoadBalancer' THEN users.project_of_domain("row"->>'domain')
        WHEN 'Project' THEN "row"->>'code'
        WHEN 'AccessRight' THEN "row"->>'project'
        WHEN 'Deployment' THEN "row"->>'project'
        WHEN 'DeploymentCommand' THEN deployment.project_of(("row"->>'deployment')::bigint)
        WHEN 'DeploymentCommandResult' THEN deployment.project_of(("row"->>'deployment')::bigint)
        WHEN 'DeploymentLog' THEN deployment.project_of(("row"->>'deployment')::bigint)
        WHEN 'Event' THEN "row"->>'project'
        WHEN 'EventHead' THEN "row"->>'project'
    END
$$;

UPDATE users.rule SET needs = 'read' WHERE resource = 'DomainLoadBalancer' AND action = 'read';
INSERT INTO users.rule VALUES ('Event', 'read', 'read'), ('EventHead', 'read', 'read');

ALTER TABLE referential.domain_load_balancer ENABLE ROW LEVEL SECURITY;
CREATE POLICY read ON referential.domain_load_balancer FOR SELECT TO sitewire_service
    USING (users.is_admin() OR users.may_read(users.project_of_domain(domain)));
CREATE POLICY "create" ON referential.domain_load_balancer FOR INSERT TO sitewire_service WITH CHECK (true);
CREATE POLICY "update" ON referential.domain_load_balancer FOR UPDATE TO sitewire_service USING (true);
CREATE POLICY "delete" ON referential.domain_load_balancer FOR DELETE TO sitewire_service USING (true);

-- Whether the caller may read a domain, or might if it were still there.
CREATE FUNCTION users.may_read_domain(fqdn text) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    project text;
BEGIN
    SELECT 'website:' || d.website INTO project FROM referential.domain d WHERE d.fqdn = may_read_domain.fqdn;
    IF NOT FOUND THEN
        SELECT users.name_now('Project', c.project, c.id) INTO project FROM users.change c
        WHERE c.resource = 'Domain' AND c.key = may_read_domain.fqdn ORDER BY c.id DESC LIMIT 1;
    END IF;
    RETURN FOUND AND users.may_read(project);
END $$;
REVOKE EXECUTE ON FUNCTION users.project_of_domain(text), users.may_read_domain(text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION users.project_of_domain(text), users.may_read_domain(text) TO sitewire_service;

-- As in 0013_rights_gaps.sql, and for what belongs to a domain.
CREATE OR REPLACE FUNCTION users.may_read_version(resource text, key text, version jsonb, project text, id bigint) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN CASE WHEN resource IN ('User', 'AccessRight', 'Key')
                     AND users.name_now('User', users.owner_of(resource, version), id) = users.me() THEN true
                WHEN resource = 'User' THEN users.may_manage(NULL)
                WHEN resource = 'AccessRight' THEN users.may_manage(users.name_now('Project', project, id))
                WHEN resource = 'Secret' THEN users.may_read_secret(users.name_now('Secret', key, id))
                WHEN resource = 'DomainLoadBalancer' THEN users.may_read_domain(users.name_now('Domain', version->>'domain', id))
                WHEN project IS NOT NULL THEN users.may_read(users.name_now('Project', project, id))
                ELSE resource = 'Domain' OR EXISTS (SELECT FROM users.rule r WHERE r.resource = may_read_version.resource
                                                    AND r.action = 'read' AND r.needs = 'profile') END;
END $$;

-- --- Explanations ---

-- As in 0013_rights_gaps.sql, but what somebody may not read is not there for `create` either; and of a change its row is asked about.
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
    IF action NOT IN ('read', 'create', 'update', 'delete', 'deploy', 'approve', 'manage') THEN
        PERFORM sitewire.fail('SW002', 'action', 'an action is read, create, update, delete, deploy, approve or manage');
    ELSIF resource = 'Change' THEN
        PERFORM sitewire.fail('SW002', 'type', 'who may read a row may read its changes: ask about the row');
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
    would_be := CASE resource
        WHEN 'Secret' THEN jsonb_build_object('type', split_part(key, '/', 1), 'key', substring(key FROM '/(.*)/'))
        WHEN 'AccessRight' THEN jsonb_build_object('project', split_part(key, '/', 1), 'user', split_part(key, '/', 2),
                                                   'role', split_part(key, '/', 3)) END;
    IF who.profile <> 'ADMIN' AND NOT users.is_admin() AND NOT EXISTS (
        SELECT FROM users.rule r, users.meets(email, r.needs, r.resource, coalesce(it, would_be), coalesce(it, would_be)) m
        WHERE r.resource = explain.resource AND r.action = 'read' AND m.met) THEN
        it := CASE resource WHEN 'Secret' THEN would_be END; -- why not is said without looking whether it is there
    END IF;
    IF action = 'create' THEN
        it := coalesce(it, would_be);
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

-- Names that callers may not take. A name is unique among all rows, also those that a caller may
-- not read. So `it is taken` would tell a caller what exists, and whoever is first could take a
-- name that belongs to somebody else. The rule: a caller who is not an admin gives a row only a
-- name within a zone of its own, and gets the same answer whether or not the name is taken.
--
--   * A new name of a domain, and its parent, need `manage` on the project of the nearest domain
--     above it, and of the parent. A domain above that belongs to no project is for admins.
--   * A new name of a website or a Drupal core names another project, on which users.guard requires
--     `manage` already, whether or not there is such a project.
--
-- Other references that callers who are not admins may set lead to rows that everybody may read.

-- Whether the caller, who is not an admin, manages the zone that a name lies in: the project of the
-- nearest domain above it.
CREATE OR REPLACE FUNCTION users.manages_zone(name text) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    above text := name;
    project text;
BEGIN
    WHILE strpos(above, '.') > 0 LOOP
        above := substr(above, strpos(above, '.') + 1);
        SELECT 'website:' || d.website INTO project FROM referential.domain d WHERE d.fqdn = above;
        IF FOUND THEN
            RETURN project IS NOT NULL AND users.may_manage(project);
        END IF;
    END LOOP;
    RETURN false;
END $$;

-- Whether the caller, who is not an admin, manages a domain; false if there is none.
CREATE OR REPLACE FUNCTION users.manages_domain(name text) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN EXISTS (SELECT FROM referential.domain d
                   WHERE d.fqdn = name AND d.website IS NOT NULL AND users.may_manage('website:' || d.website));
END $$;

-- The trigger before a domain gets a name or a parent. It applies to the services, like `guard`.
CREATE OR REPLACE FUNCTION users.guard_name() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NOT pg_has_role(current_user, 'sitewire_service', 'usage')
       OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        RETURN NEW;
    ELSIF (TG_OP = 'INSERT' OR NEW.fqdn <> OLD.fqdn) AND NOT users.manages_zone(NEW.fqdn) THEN
        PERFORM sitewire.fail('SW005', CASE TG_OP WHEN 'INSERT' THEN 'domain.fqdn' ELSE 'new_fqdn' END,
            format('%s may not name a domain %s: it needs manage on the nearest domain above that name, or an admin; this does '
                   'not say whether the name is taken', users.me(), NEW.fqdn));
    ELSIF NEW.parent IS NOT NULL AND (TG_OP = 'INSERT' OR NEW.parent IS DISTINCT FROM OLD.parent)
          AND NOT users.manages_domain(NEW.parent) THEN
        PERFORM sitewire.fail('SW005', 'domain.parent',
            format('%s may not put a domain below %s: it needs manage on that domain, or an admin; this does not say whether the '
                   'domain exists', users.me(), NEW.parent));
    END IF;
    RETURN NEW;
END $$;
SELECT sitewire.keep_trigger('guard_name', 'referential.domain', 'BEFORE INSERT OR UPDATE',
    'FOR EACH ROW WHEN (current_setting(''sitewire.admin'', true) IS DISTINCT FROM ''on'') EXECUTE FUNCTION users.guard_name()');

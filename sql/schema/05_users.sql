-- Projects and users: what the triggers on their tables keep true.

CREATE OR REPLACE FUNCTION users.derive_project() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.kind := CASE WHEN NEW.website IS NOT NULL THEN 'website' ELSE 'drupaldocrootcore' END;
    NEW.code := NEW.kind || ':' || coalesce(NEW.website, NEW.drupal_docroot_core);
    RETURN NEW;
END $$;
-- Triggers fire in the order of their names, so `derive` comes before `touch`.
SELECT sitewire.keep_trigger('derive', 'users.project', 'BEFORE INSERT OR UPDATE',
                             'FOR EACH ROW EXECUTE FUNCTION users.derive_project()');

-- A website or Drupal core gets its project in the same statement, for every caller who may create
-- it. Functions that run as their owner name everything with its schema. A `SET search_path` for
-- the function would cost more than the rest of it (47 us a call), so the services set it once per
-- session.
CREATE OR REPLACE FUNCTION users.add_website_project() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO users.project (website) VALUES (NEW.code);
    RETURN NULL;
END $$;
SELECT sitewire.keep_trigger('project', 'referential.website', 'AFTER INSERT',
                             'FOR EACH ROW EXECUTE FUNCTION users.add_website_project()');

CREATE OR REPLACE FUNCTION users.add_drupal_docroot_core_project() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO users.project (drupal_docroot_core) VALUES (NEW.code);
    RETURN NULL;
END $$;
SELECT sitewire.keep_trigger('project', 'referential.drupal_docroot_core', 'AFTER INSERT',
                             'FOR EACH ROW EXECUTE FUNCTION users.add_drupal_docroot_core_project()');

-- A project is deleted with its website or Drupal core, and never before it.
CREATE OR REPLACE FUNCTION users.keep_project() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM referential.website WHERE code = OLD.website)
       OR EXISTS (SELECT FROM referential.drupal_docroot_core WHERE code = OLD.drupal_docroot_core) THEN
        RAISE EXCEPTION USING ERRCODE = 'restrict_violation', SCHEMA = 'users', TABLE = 'project',
            CONSTRAINT = 'project__code__ref',
            MESSAGE = format('project "%s" exists as long as what it stands for', OLD.code),
            HINT = 'Delete the website or the core itself.';
    END IF;
    RETURN OLD;
END $$;
SELECT sitewire.keep_trigger('keep', 'users.project', 'BEFORE DELETE', 'FOR EACH ROW EXECUTE FUNCTION users.keep_project()');

-- The last active admin must stay one, so that somebody can always repair mistakes. The count takes
-- a lock, so that two transactions cannot remove the last two admins at once.
CREATE OR REPLACE FUNCTION users.keep_admin() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF OLD.is_admin AND OLD.active AND (TG_OP = 'DELETE' OR NOT (NEW.is_admin AND NEW.active)) THEN
        PERFORM pg_advisory_xact_lock(hashtext('users.keep_admin'));
        IF NOT EXISTS (SELECT FROM users."user" WHERE is_admin AND active AND email <> OLD.email) THEN
            PERFORM sitewire.fail('SW006', 'user.is_admin',
                format('%s is the last active admin: make another user an admin first', OLD.email));
        END IF;
    END IF;
    RETURN CASE TG_OP WHEN 'DELETE' THEN OLD ELSE NEW END;
END $$;
SELECT sitewire.keep_trigger('keep_admin', 'users."user"', 'BEFORE UPDATE OR DELETE',
                             'FOR EACH ROW EXECUTE FUNCTION users.keep_admin()');

-- Who made a row that gives rights, and whether it was an admin; callers cannot set it. What no
-- service did counts as an admin's. Anyone who changes more than the label becomes the maker, and
-- the row is an admin's if it was one before, or if the admin has changed what it gives. Foreign
-- keys only follow renames (their trigger is the outer one).
CREATE OR REPLACE FUNCTION users.keep_maker() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller text := users.believed_caller();
    by_admin boolean := caller IS NULL OR users.is_admin();
    book text[] := '{made_by,made_by_admin,created_at,updated_at,revision,label}';
    is_new boolean := TG_OP = 'INSERT';
BEGIN
    IF TG_OP = 'UPDATE' THEN
        NEW.made_by_admin := OLD.made_by_admin;
        IF pg_trigger_depth() > 1 OR current_setting('sitewire.keeping', true) = 'on' THEN -- users.offboard
            RETURN NEW;
        END IF;
        NEW.made_by := OLD.made_by;
        IF to_jsonb(NEW) - book = to_jsonb(OLD) - book THEN
            RETURN NEW;
        END IF;
        is_new := to_jsonb(NEW) - (book || 'expires_at'::text) <> to_jsonb(OLD) - (book || 'expires_at'::text);
    END IF;
    NEW.made_by := (SELECT u.email FROM users."user" u WHERE u.email = caller);
    NEW.made_by_admin := by_admin AND (is_new OR OLD.made_by_admin);
    RETURN NEW;
END $$;
SELECT sitewire.keep_trigger('maker', relation, 'BEFORE INSERT OR UPDATE', 'FOR EACH ROW EXECUTE FUNCTION users.keep_maker()')
FROM unnest('{users.access_right,users.group_member,users.grant}'::regclass[]) relation;

-- The constraints of a grant, in words.
CREATE OR REPLACE FUNCTION users.check_grant() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF num_nonnulls(NEW."user", NEW."group") <> 1 THEN
        PERFORM sitewire.fail('SW002', 'grant.user', 'a grant has one holder: a user or a group');
    ELSIF NEW.everything <> (NEW.organization = '' AND num_nonnulls(NEW.docroot, NEW.environment) = 0) THEN
        PERFORM sitewire.fail('SW002', 'grant.everything', CASE WHEN NEW.everything
            THEN 'a grant on everything has no organization, docroot or environment'
            ELSE 'a grant needs a scope: an organization, a docroot, an environment, or everything' END);
    END IF;
    RETURN NEW;
END $$;
SELECT sitewire.keep_trigger('check', 'users.grant', 'BEFORE INSERT OR UPDATE', 'FOR EACH ROW EXECUTE FUNCTION users.check_grant()');

-- --- Deployed versions ---

-- On a protected environment, deployed versions change only through deployments (their functions
-- run as the owner), or by an admin who gives a reason. A new row is no change: it tells what runs
-- there already.
CREATE OR REPLACE FUNCTION referential.keep_versions() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    field text;
BEGIN
    IF NOT pg_has_role(current_user, 'sitewire_service', 'usage')
       OR (SELECT rolsuper FROM pg_roles WHERE rolname = current_user)
       OR NOT (SELECT e.approvals > 0 FROM referential.environment e WHERE e.code = NEW.environment) THEN
        RETURN NEW;
    END IF;
    FOREACH field IN ARRAY TG_ARGV LOOP
        IF to_jsonb(NEW)->field = to_jsonb(OLD)->field THEN
            CONTINUE;
        ELSIF NOT users.is_admin() THEN
            PERFORM sitewire.fail('SW005', TG_TABLE_NAME || '.' || field, format(
                '%s is protected: its versions change only through deployments, or by an admin with a reason', NEW.environment));
        ELSIF coalesce(current_setting('sitewire.reason', true), '') = '' THEN
            PERFORM sitewire.fail('SW002', 'reason', format(
                '%s is protected: to change a version without a deployment, give a reason', NEW.environment));
        END IF;
    END LOOP;
    RETURN NEW;
END $$;
SELECT sitewire.keep_trigger('versions', relation, 'BEFORE UPDATE',
                             format('FOR EACH ROW EXECUTE FUNCTION referential.keep_versions(%s)', fields))
FROM (VALUES ('referential.website_deployed'::regclass, '''website_version'''),
             ('referential.docroot_environment', '''cms_version'', ''drupal_docroot_core_version''')) x (relation, fields);

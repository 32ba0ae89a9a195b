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

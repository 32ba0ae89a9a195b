-- Projects: what can be deployed. Exactly one for each website and for each Drupal docroot core, made, renamed and
-- removed with it, whoever changes it. The rest of the user package comes in later migrations.

CREATE SCHEMA users;

-- The code is derived from the row that the project stands for, so it follows a rename.
CREATE TABLE users.project (
    code text COLLATE "C" CONSTRAINT project__code__key PRIMARY KEY,
    kind text COLLATE "C" NOT NULL
        CONSTRAINT project__kind__choice CHECK (kind IN ('website', 'drupaldocrootcore')),
    website text COLLATE "C" CONSTRAINT project__website__unique UNIQUE
        CONSTRAINT project__website__ref REFERENCES referential.website ON UPDATE CASCADE ON DELETE CASCADE,
    drupal_docroot_core text COLLATE "C" CONSTRAINT project__drupal_docroot_core__unique UNIQUE
        CONSTRAINT project__drupal_docroot_core__ref
        REFERENCES referential.drupal_docroot_core ON UPDATE CASCADE ON DELETE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT project__kind__together CHECK (
        CASE kind WHEN 'website' THEN website IS NOT NULL AND drupal_docroot_core IS NULL
                  ELSE website IS NULL AND drupal_docroot_core IS NOT NULL END)
);

CREATE FUNCTION users.derive_project() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.kind := CASE WHEN NEW.website IS NOT NULL THEN 'website' ELSE 'drupaldocrootcore' END;
    NEW.code := NEW.kind || ':' || coalesce(NEW.website, NEW.drupal_docroot_core);
    RETURN NEW;
END $$;
-- Triggers fire in the order of their names: derive comes before touch.
CREATE TRIGGER derive BEFORE INSERT OR UPDATE ON users.project FOR EACH ROW EXECUTE FUNCTION users.derive_project();
CREATE TRIGGER touch BEFORE UPDATE ON users.project FOR EACH ROW EXECUTE FUNCTION sitewire.touch();

CREATE FUNCTION users.add_website_project() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO users.project (website) VALUES (NEW.code);
    RETURN NULL;
END $$;
CREATE TRIGGER project AFTER INSERT ON referential.website
    FOR EACH ROW EXECUTE FUNCTION users.add_website_project();

CREATE FUNCTION users.add_drupal_docroot_core_project() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO users.project (drupal_docroot_core) VALUES (NEW.code);
    RETURN NULL;
END $$;
CREATE TRIGGER project AFTER INSERT ON referential.drupal_docroot_core
    FOR EACH ROW EXECUTE FUNCTION users.add_drupal_docroot_core_project();

-- A project goes with what it stands for and never before.
CREATE FUNCTION users.keep_project() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF EXISTS (SELECT FROM referential.website WHERE code = OLD.website)
       OR EXISTS (SELECT FROM referential.drupal_docroot_core WHERE code = OLD.drupal_docroot_core) THEN
        RAISE EXCEPTION USING ERRCODE = 'restrict_violation', SCHEMA = 'users', TABLE = 'project',
            CONSTRAINT = 'project__code__ref',
            MESSAGE = format('project "%s" goes with what it stands for', OLD.code),
            HINT = 'Delete the website or the core itself.';
    END IF;
    RETURN OLD;
END $$;
CREATE TRIGGER keep BEFORE DELETE ON users.project FOR EACH ROW EXECUTE FUNCTION users.keep_project();

INSERT INTO users.project (website) SELECT code FROM referential.website;
INSERT INTO users.project (drupal_docroot_core) SELECT code FROM referential.drupal_docroot_core;

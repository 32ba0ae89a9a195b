-- Who may call: users, their keys, roles and access rights; and the roles that the services have in the database.
--
-- Statements raise, besides the states that 0001_sitewire.sql lists:
--
--   SW004  nobody knows the caller (UNAUTHENTICATED)
--   SW005  the caller may not do that (PERMISSION_DENIED)
--   SW006  it cannot be done as things are (FAILED_PRECONDITION); HINT is the field at fault

-- An e-mail address as people use them (RFC 5321 without quoting); of a local user the host may have one label.
CREATE FUNCTION sitewire.is_email(value text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT length(value) <= 254 AND value COLLATE "C" ~ '^[a-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&''*+/=?^_`{|}~-]+)*@[a-z0-9-]+(\.[a-z0-9-]+)*$'
$$;

-- A CurveZMQ public key (RFC 26): 32 bytes in Z85 (RFC 32).
CREATE FUNCTION sitewire.is_public_key(value text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT value COLLATE "C" ~ '^[0-9A-Za-z.:+=^!/*?&<>()@%$#{}[\]-]{40}$'
$$;

CREATE TABLE users.role (
    code text COLLATE "C" CONSTRAINT role__code__key PRIMARY KEY
        CONSTRAINT role__code__code CHECK (sitewire.is_code(code)),
    label text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT role__label__text CHECK (sitewire.is_text(label, 256)),
    permissions text[] COLLATE "C" NOT NULL DEFAULT '{}'
        CONSTRAINT role__permissions__choice
        CHECK (permissions <@ '{read,deploy,approve,manage}' AND cardinality(permissions) <= 4),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);

CREATE TABLE users."user" (
    email text COLLATE "C" CONSTRAINT user__email__key PRIMARY KEY
        CONSTRAINT user__email__email CHECK (sitewire.is_email(email)),
    first_name text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT user__first_name__text CHECK (sitewire.is_text(first_name, 256)),
    last_name text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT user__last_name__text CHECK (sitewire.is_text(last_name, 256)),
    company text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT user__company__text CHECK (sitewire.is_text(company, 256)),
    is_admin boolean NOT NULL DEFAULT false,
    active boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);

-- A project takes its access rights along when it goes.
CREATE TABLE users.access_right (
    project text COLLATE "C" NOT NULL
        CONSTRAINT access_right__project__ref REFERENCES users.project ON UPDATE CASCADE ON DELETE CASCADE,
    "user" text COLLATE "C" NOT NULL
        CONSTRAINT access_right__user__ref REFERENCES users."user" ON UPDATE CASCADE,
    role text COLLATE "C" NOT NULL
        CONSTRAINT access_right__role__ref REFERENCES users.role ON UPDATE CASCADE,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT access_right__role__key PRIMARY KEY (project, "user", role)
);
CREATE INDEX access_right_user ON users.access_right ("user");
CREATE INDEX access_right_role ON users.access_right (role);

CREATE TABLE users.key (
    public_key text COLLATE "C" CONSTRAINT key__public_key__key PRIMARY KEY
        CONSTRAINT key__public_key__public_key CHECK (sitewire.is_public_key(public_key)),
    "user" text COLLATE "C" NOT NULL
        CONSTRAINT key__user__ref REFERENCES users."user" ON UPDATE CASCADE,
    label text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT key__label__text CHECK (sitewire.is_text(label, 256)),
    expires_at timestamptz
        CONSTRAINT key__expires_at__range CHECK (sitewire.is_time(expires_at)),
    revoked_at timestamptz
        CONSTRAINT key__revoked_at__range CHECK (sitewire.is_time(revoked_at)),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);
CREATE INDEX key_user ON users.key ("user");

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['role', '"user"', 'access_right', 'key'] LOOP
        EXECUTE format('CREATE TRIGGER touch BEFORE UPDATE ON users.%s FOR EACH ROW EXECUTE FUNCTION sitewire.touch()',
                       name);
    END LOOP;
END $$;

-- Somebody can always put things right: the last active admin stays one. Counting takes the lock that makes it so.
CREATE FUNCTION users.keep_admin() RETURNS trigger LANGUAGE plpgsql AS $$
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
CREATE TRIGGER keep_admin BEFORE UPDATE OR DELETE ON users."user" FOR EACH ROW EXECUTE FUNCTION users.keep_admin();

-- Whose a key is cannot change, and a revoked one stays revoked: history would say otherwise.
CREATE FUNCTION users.keep_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.public_key <> OLD.public_key THEN
        PERFORM sitewire.fail('SW002', 'key.public_key', 'a key is what it is: create the other one');
    ELSIF NEW."user" <> OLD."user" AND EXISTS (SELECT FROM users."user" WHERE email = OLD."user") THEN
        PERFORM sitewire.fail('SW002', 'key.user', 'a key stays with its user: create another key');
    ELSIF OLD.revoked_at <= now() AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
        PERFORM sitewire.fail('SW002', 'key.revoked_at', 'a revoked key stays revoked: create another key');
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER keep BEFORE UPDATE ON users.key FOR EACH ROW EXECUTE FUNCTION users.keep_key();

-- Who comes with a key (or, without one, is vouched for by the file system), and why it is refused, if it is: the one
-- place that knows. Profiles: ADMIN may do everything, USER what its access rights say, NONE nothing.
CREATE FUNCTION users.identify(key text, email text, OUT "user" text, OUT profile text, OUT refused text,
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
                    WHEN identify.key = '' AND identify.email = '' THEN 'nobody vouches for the caller'
                    WHEN u.email IS NULL THEN format('there is no user "%s"', identify.email)
                    WHEN NOT u.active THEN format('the user %s is not active', u.email)
                    ELSE '' END;
END $$;

INSERT INTO users.role (code, label, permissions) VALUES
    ('Admin', 'Administrator', '{read,deploy,approve,manage}'),
    ('Owner', 'Owner of a project', '{read,deploy,approve,manage}'),
    ('External', 'External contributor: no deployments to protected environments', '{read,deploy}');
INSERT INTO users."user" (email, first_name, last_name, is_admin) VALUES
    ('admin@localhost', 'Local', 'Administrator', true);

-- Projects are made by triggers, for whoever may make what they stand for. Functions that run as their owner name everything
-- with its schema; a `SET search_path` of their own would cost more than all the rest of them (47 us a call), so the
-- services set it once for a session.
ALTER FUNCTION users.add_website_project() SECURITY DEFINER;
ALTER FUNCTION users.add_drupal_docroot_core_project() SECURITY DEFINER;

-- Each service logs in as a role of its own, without a password: how it proves itself is the cluster's affair
-- (pg_hba.conf). Roles belong to the whole cluster, so another database of it may have made them.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['sitewire_service', 'sitewire_referential', 'sitewire_user', 'sitewire_deployment'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I %s', name, CASE name WHEN 'sitewire_service' THEN 'NOLOGIN' ELSE 'LOGIN' END);
        END IF;
        IF name <> 'sitewire_service' AND NOT pg_has_role(name::regrole, 'sitewire_service', 'member') THEN
            EXECUTE format('GRANT sitewire_service TO %I', name);
        END IF;
    END LOOP;
END $$;

-- What every service needs: the shape of the schema, records of requests, and to see whom it serves.
GRANT USAGE ON SCHEMA sitewire, referential, users TO sitewire_service;
GRANT SELECT ON sitewire.migration, sitewire.schema, sitewire.setting TO sitewire_service;
GRANT SELECT, INSERT ON sitewire.request TO sitewire_service;
GRANT DELETE ON sitewire.request TO sitewire_service; -- the old ones
GRANT SELECT ON users.role, users."user", users.access_right, users.project, users.key TO sitewire_service;
-- And each its own tables.
GRANT SELECT, INSERT, UPDATE, DELETE ON ALL TABLES IN SCHEMA referential TO sitewire_referential;
GRANT SELECT ON ALL TABLES IN SCHEMA referential TO sitewire_user, sitewire_deployment;
GRANT INSERT, UPDATE, DELETE ON users.role, users."user", users.access_right, users.key TO sitewire_user;
-- What a renamed or deleted website does to its project is done by the foreign key, as the owner of the table.

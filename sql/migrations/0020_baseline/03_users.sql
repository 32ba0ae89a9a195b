-- Projects, users, their keys, roles and access rights, and the rules that say what each action
-- needs.

CREATE SCHEMA users;

-- What can be deployed: exactly one project for each website and each Drupal core. Triggers create,
-- rename and delete it together with that row. The code is derived, so it follows a rename.
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

-- The access rights of a project are deleted with it.
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

-- What an action on a row of a resource needs; any one of several rows is enough, and an admin
-- needs none. The rows come from sitewire.keep_resource (sql/schema/12_access.sql), which explains
-- the words.
CREATE TABLE users.rule (
    resource text COLLATE "C" NOT NULL,
    action   text COLLATE "C" NOT NULL CONSTRAINT rule__action__choice
        CHECK (action IN ('read', 'create', 'update', 'delete')),
    needs    text COLLATE "C" NOT NULL CONSTRAINT rule__needs__choice
        CHECK (needs IN ('profile', 'read', 'deploy', 'approve', 'manage', 'grant', 'manager', 'own', 'admin')),
    CONSTRAINT rule__needs__key PRIMARY KEY (resource, action, needs)
);

-- Grows with every change of rights. Sessions keep it to see whether the rights that they have read
-- are still current.
CREATE SEQUENCE users.rights_version;
SELECT nextval('users.rights_version');

INSERT INTO users.role (code, label, permissions) VALUES
    ('Admin', 'Administrator', '{read,deploy,approve,manage}'),
    ('Owner', 'Owner of a project', '{read,deploy,approve,manage}'),
    ('External', 'External contributor: no deployments to protected environments', '{read,deploy}');
INSERT INTO users."user" (email, first_name, last_name, is_admin) VALUES
    ('admin@localhost', 'Local', 'Administrator', true);

-- compatible
-- Groups, and grants: roles that hold for everything in a scope, today and tomorrow.

CREATE TABLE users."group" (
    code text COLLATE "C" CONSTRAINT group__code__key PRIMARY KEY
        CONSTRAINT group__code__code CHECK (sitewire.is_code(code)),
    label text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT group__label__text CHECK (sitewire.is_text(label, 256)),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);

CREATE TABLE users.group_member (
    "group" text COLLATE "C" NOT NULL
        CONSTRAINT group_member__group__ref REFERENCES users."group" ON UPDATE CASCADE,
    "user" text COLLATE "C" NOT NULL
        CONSTRAINT group_member__user__ref REFERENCES users."user" ON UPDATE CASCADE,
    made_by text COLLATE "C"
        CONSTRAINT group_member__made_by__ref REFERENCES users."user" ON UPDATE CASCADE ON DELETE SET NULL,
    made_by_admin boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT group_member__user__key PRIMARY KEY ("group", "user")
);
CREATE INDEX group_member_user ON users.group_member ("user");
CREATE INDEX group_member_made_by ON users.group_member (made_by) WHERE made_by IS NOT NULL;

-- The scope: everything, or what all fields that are set have in common.
CREATE TABLE users."grant" (
    code text COLLATE "C" CONSTRAINT grant__code__key PRIMARY KEY
        CONSTRAINT grant__code__code CHECK (sitewire.is_code(code)),
    role text COLLATE "C" NOT NULL
        CONSTRAINT grant__role__ref REFERENCES users.role ON UPDATE CASCADE,
    "user" text COLLATE "C"
        CONSTRAINT grant__user__ref REFERENCES users."user" ON UPDATE CASCADE,
    "group" text COLLATE "C"
        CONSTRAINT grant__group__ref REFERENCES users."group" ON UPDATE CASCADE,
    everything boolean NOT NULL DEFAULT false,
    organization text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT grant__organization__text CHECK (sitewire.is_text(organization, 256)),
    docroot text COLLATE "C"
        CONSTRAINT grant__docroot__ref REFERENCES referential.docroot ON UPDATE CASCADE,
    environment text COLLATE "C"
        CONSTRAINT grant__environment__ref REFERENCES referential.environment ON UPDATE CASCADE,
    expires_at timestamptz
        CONSTRAINT grant__expires_at__range CHECK (sitewire.is_time(expires_at)),
    made_by text COLLATE "C"
        CONSTRAINT grant__made_by__ref REFERENCES users."user" ON UPDATE CASCADE ON DELETE SET NULL,
    made_by_admin boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT grant__user__choice CHECK (num_nonnulls("user", "group") = 1),
    CONSTRAINT grant__everything__choice CHECK (everything = (organization = '' AND num_nonnulls(docroot, environment) = 0))
);
CREATE INDEX grant_role ON users."grant" (role);
CREATE INDEX grant_user ON users."grant" ("user") WHERE "user" IS NOT NULL;
CREATE INDEX grant_group ON users."grant" ("group") WHERE "group" IS NOT NULL;
CREATE INDEX grant_organization ON users."grant" (organization) WHERE organization <> '';
CREATE INDEX grant_docroot ON users."grant" (docroot) WHERE docroot IS NOT NULL;
CREATE INDEX grant_environment ON users."grant" (environment) WHERE environment IS NOT NULL;
CREATE INDEX grant_made_by ON users."grant" (made_by) WHERE made_by IS NOT NULL;

-- What a scope covers is found by these.
CREATE INDEX website_organization ON referential.website (organization) WHERE organization <> '';
CREATE INDEX website_deployed_environment ON referential.website_deployed (environment);

-- Its result has got a column.
DROP FUNCTION IF EXISTS users.holds(text, text, text);

-- compatible
-- Where a key came from, and what enrolling one needs (sql/schema/05_keys.sql).

-- A key that another key enrolled ends with it; one that replaced another has that one's parent.
ALTER TABLE users.key
    ADD COLUMN parent text COLLATE "C" CONSTRAINT key__parent__ref REFERENCES users.key,
    ADD COLUMN replaces text COLLATE "C" CONSTRAINT key__replaces__ref REFERENCES users.key
        CONSTRAINT key__replaces__unique UNIQUE;
CREATE INDEX key_parent ON users.key (parent);

-- One-time codes: the public keys of their temporary key pairs, hashed. Only functions reach it.
CREATE TABLE users.invitation (
    hash bytea CONSTRAINT invitation__hash__key PRIMARY KEY,
    "user" text COLLATE "C" NOT NULL
        CONSTRAINT invitation__user__ref REFERENCES users."user" ON UPDATE CASCADE ON DELETE CASCADE,
    label text COLLATE "C" NOT NULL DEFAULT '' CONSTRAINT invitation__label__text CHECK (sitewire.is_text(label, 256)),
    made_by text COLLATE "C" NOT NULL,
    made_at timestamptz NOT NULL DEFAULT now(),
    expires_at timestamptz NOT NULL,
    used_at timestamptz
);
CREATE INDEX invitation_user ON users.invitation ("user");
CREATE INDEX invitation_expires_at ON users.invitation (expires_at);

-- The secret half of the key that proofs of possession are encrypted for, which all instances of
-- the user service share, and the bounds of keys.
CREATE TABLE users.key_setting (
    one boolean CONSTRAINT key_setting__one__key PRIMARY KEY DEFAULT true CONSTRAINT key_setting__one__range CHECK (one),
    enrolment_secret bytea NOT NULL DEFAULT sha256(convert_to(gen_random_uuid()::text || gen_random_uuid() || gen_random_uuid(), 'UTF8')),
    keys_per_user integer NOT NULL DEFAULT 50 CONSTRAINT key_setting__keys_per_user__range CHECK (keys_per_user BETWEEN 1 AND 10000)
);
INSERT INTO users.key_setting DEFAULT VALUES;

-- Secrets of the registry: the basic auth password of a docroot environment, the private key of a
-- certificate. The service seals them before they come here. The master keys are in a file of the
-- service, never in the database.
--
-- A seal is bound to the column `id` of the row that the secret belongs to. Unlike a key it
-- survives renames, nobody chooses it, and no later row gets the same number.

-- `type` and `key` name the row that a secret belongs to. They are derived from the references, so
-- they follow renames.
CREATE TABLE referential.secret (
    id bigint GENERATED ALWAYS AS IDENTITY,
    docroot text COLLATE "C",
    environment text COLLATE "C",
    certificate text COLLATE "C"
        CONSTRAINT secret__certificate__ref REFERENCES referential.certificate ON UPDATE CASCADE ON DELETE CASCADE,
    type text COLLATE "C" NOT NULL GENERATED ALWAYS AS (
        CASE WHEN certificate IS NULL THEN 'DocrootEnvironment' ELSE 'Certificate' END) STORED,
    key text COLLATE "C" NOT NULL GENERATED ALWAYS AS (coalesce(certificate, docroot || '/' || environment)) STORED,
    field text COLLATE "C" NOT NULL,
    ciphertext bytea NOT NULL
        CONSTRAINT secret__ciphertext__range CHECK (octet_length(ciphertext) BETWEEN 1 AND 131072),
    key_id text COLLATE "C" NOT NULL
        CONSTRAINT secret__key_id__text CHECK (sitewire.is_text(key_id, 32)),
    set_at timestamptz NOT NULL DEFAULT now(),
    set_by text COLLATE "C"
        CONSTRAINT secret__set_by__ref REFERENCES users."user" ON UPDATE CASCADE ON DELETE SET NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT secret__field__key PRIMARY KEY (type, key, field),
    CONSTRAINT secret__id__unique UNIQUE (id),
    CONSTRAINT secret__environment__ref FOREIGN KEY (docroot, environment)
        REFERENCES referential.docroot_environment ON UPDATE CASCADE ON DELETE CASCADE,
    CONSTRAINT secret__certificate__together CHECK (
        num_nulls(docroot, environment) = CASE WHEN certificate IS NULL THEN 0 ELSE 2 END),
    CONSTRAINT secret__field__choice CHECK (
        field = CASE WHEN certificate IS NULL THEN 'basic_auth_password' ELSE 'private_key' END)
);
CREATE INDEX secret_environment ON referential.secret (docroot, environment) WHERE docroot IS NOT NULL;
CREATE INDEX secret_certificate ON referential.secret (certificate) WHERE certificate IS NOT NULL;
CREATE INDEX secret_set_by ON referential.secret (set_by) WHERE set_by IS NOT NULL;
CREATE INDEX secret_key_id ON referential.secret (key_id, id);

CREATE TYPE referential.sealed_secret AS (
    id bigint, type text, key text, field text, owner bigint, ciphertext bytea, key_id text, revision bigint);

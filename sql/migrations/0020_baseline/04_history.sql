-- History: every change of every row, whoever made it and however, with who, when and why. Only the
-- trigger `record` writes it and nobody can change it. Reads as of a time come from it, and a chain
-- of hashes proves that it is complete.

-- `at` is the start of the transaction, like `updated_at` of the row, so everything that a
-- transaction did has one time. Changes of one key are in the order of their ids: the second one
-- waited until the first one committed.
CREATE TABLE users.change (
    id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT change__id__key PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    actor       text COLLATE "C" NOT NULL,
    call_id     text COLLATE "C" NOT NULL DEFAULT '',
    request_id  text COLLATE "C" NOT NULL DEFAULT '',
    reason      text COLLATE "C" NOT NULL DEFAULT '',
    resource    text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    old_key     text COLLATE "C",
    operation   text COLLATE "C" NOT NULL
        CONSTRAINT change__operation__choice CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE', 'READ')),
    before      jsonb,
    after       jsonb,
    project     text COLLATE "C",
    -- The sealer asks which transactions are over, to seal changes in the order of commits.
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX change_key ON users.change (resource, key, id);
CREATE INDEX change_old_key ON users.change (resource, old_key, id) WHERE old_key IS NOT NULL;
CREATE INDEX change_at ON users.change USING brin (at);
CREATE INDEX change_transaction ON users.change (transaction);

-- Which resources are under history, and since when.
CREATE TABLE users.history (
    resource text COLLATE "C" CONSTRAINT history__resource__key PRIMARY KEY,
    since    timestamptz NOT NULL DEFAULT now()
);

-- The chain: every change once, in the order of commits. Each hash covers a change and the hash
-- before it, so nobody can alter or remove a change before a position whose hash somebody has kept.
-- Transactions below `horizon` were over when the row was sealed.
CREATE TABLE users.seal (
    position bigint CONSTRAINT seal__position__key PRIMARY KEY,
    change   bigint NOT NULL CONSTRAINT seal__change__unique UNIQUE,
    hash     bytea NOT NULL,
    horizon  xid8 NOT NULL
);

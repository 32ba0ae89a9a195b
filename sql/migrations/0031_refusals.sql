-- compatible
-- Refused calls, connections and registrations: who, what, why, from where. Equal ones of an hour
-- are one row with a count. sql/schema/04_refusals.sql bounds the rows.
CREATE TABLE users.refusal (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT refusal__id__key PRIMARY KEY,
    first_at timestamptz NOT NULL DEFAULT now(),
    last_at timestamptz NOT NULL DEFAULT now(),
    count bigint NOT NULL DEFAULT 1,
    caller text COLLATE "C" NOT NULL DEFAULT '',
    key text COLLATE "C" NOT NULL DEFAULT '',
    address text COLLATE "C" NOT NULL DEFAULT '',
    process text COLLATE "C" NOT NULL DEFAULT '',
    method text COLLATE "C" NOT NULL DEFAULT '',
    code text COLLATE "C" NOT NULL DEFAULT '',
    reason text COLLATE "C" NOT NULL DEFAULT '',
    hour timestamptz NOT NULL,
    fingerprint bytea NOT NULL,
    CONSTRAINT refusal__fingerprint__unique UNIQUE (hour, fingerprint)
);
CREATE INDEX refusal_last_at ON users.refusal (last_at);
CREATE INDEX refusal_caller ON users.refusal (hour, caller);

-- What a broker reports (RecordRefusals).
CREATE TYPE users.refusal_report AS (caller text, key text, address text, method text, code text, reason text, count bigint);

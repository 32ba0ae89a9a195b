-- What every schema of sitewire shares: records of the store, and the rules that tables name in their checks.
--
-- A constraint is named <table>__<field>__<rule>. The store turns a violation into a status with the field at fault
-- and the remedy, by the name alone, so a rule is one of these:
--
--   key       the key is taken (ALREADY_EXISTS)
--   unique    the value is taken by another row (ALREADY_EXISTS)
--   ref       no such row, or the row is referred to (FAILED_PRECONDITION); of several fields, the most telling
--   code      1 to 128 characters of A-Z a-z 0-9 . _ : -
--   host      host name, lower case (RFC 1123)
--   domain    domain name of two labels or more, lower case; underscores are allowed (RFC 2181)
--   url       scheme://..., or user@host:path as git has it; at most 2048 characters
--   path      relative to a folder, without `..`; at most 1024 characters
--   login     at most 128 characters, no space and no colon
--   text      within its length, no control characters
--   pem       PEM text, at most 256 KiB
--   address   one IP address, no network
--   range     a number or time within its bounds
--   together  fields that are set all or none
--   within    a domain that lies in the one named
--   choice    one of a few words
--
-- All other rules than key, unique and ref answer INVALID_ARGUMENT. Rules for texts let the empty one pass where the
-- field is optional. Statements raise these states of their own:
--
--   SW001  the row's revision is not the expected one (ABORTED); DETAIL is the current one
--   SW002  an argument is wrong (INVALID_ARGUMENT); HINT is the field at fault
--   SW003  no such thing (NOT_FOUND); HINT is the field at fault

-- Idempotency: what was answered to a mutation that carried a request_id.
CREATE TABLE sitewire.request (
    request_id   text COLLATE "C" CONSTRAINT request__request_id__key PRIMARY KEY,
    method       text NOT NULL,
    request_hash bytea NOT NULL,
    caller       text NOT NULL DEFAULT '',
    reply        jsonb,
    at           timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX request_at ON sitewire.request (at);

-- Values that all instances of the services share.
CREATE TABLE sitewire.setting (
    name  text COLLATE "C" CONSTRAINT setting__name__key PRIMARY KEY,
    value bytea NOT NULL
);
-- Authenticates page tokens. Two random UUIDs are 32 bytes, 244 bits of them random.
INSERT INTO sitewire.setting
VALUES ('page_token_key', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

-- What a program must know before it works with this schema: the version applied last, and the newest one that older
-- programs do not work with (the others are marked `-- compatible`). A program that knows versions minimum to maximum
-- works if version >= minimum and required <= maximum.
CREATE VIEW sitewire.schema AS
SELECT coalesce(max(version), 0) AS version,
       coalesce(max(version) FILTER (WHERE NOT compatible), 0) AS required
FROM sitewire.migration;

-- Ends the statement with a state of its own (see above). Returns text only so that it fits any expression.
CREATE FUNCTION sitewire.fail(state text, field text, message text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = state, HINT = field, MESSAGE = message;
END $$;

-- The revision after an update: `SET revision = sitewire.next_revision(revision, :expected)`. NULL expects nothing.
CREATE FUNCTION sitewire.next_revision(current bigint, expected bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF expected <> current THEN
        RAISE EXCEPTION USING ERRCODE = 'SW001', DETAIL = current::text,
            MESSAGE = format('the revision is %s, not %s', current, expected);
    END IF;
    RETURN current + 1;
END $$;

-- BEFORE UPDATE of every table with a revision: it grows by one with each change and stays where nothing changes,
-- whoever updates and whatever they set. Needs no column names: the bookkeeping columns are put back, then rows compared.
CREATE FUNCTION sitewire.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.created_at := OLD.created_at;
    NEW.updated_at := OLD.updated_at;
    NEW.revision := OLD.revision;
    IF NEW IS DISTINCT FROM OLD THEN
        NEW.updated_at := now();
        NEW.revision := OLD.revision + 1;
    END IF;
    RETURN NEW;
END $$;

-- The rules. They are plain SQL, so PostgreSQL inlines them.

CREATE FUNCTION sitewire.is_code(value text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT length(value) <= 128 AND value COLLATE "C" ~ '^[A-Za-z0-9._:-]+$'
$$;

-- Labels are 1 to 63 characters and neither begin nor end with a hyphen. The last one is no number, as that would be
-- an IP address.
CREATE FUNCTION sitewire.is_host(value text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT length(value) <= 253 AND value COLLATE "C" ~ '^[a-z0-9.-]+$'
       AND value COLLATE "C" !~ '(^|\.)[.-]|[.-]$|-\.|[^.]{64}|(^|\.)[0-9]+$'
$$;

CREATE FUNCTION sitewire.is_domain(value text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT length(value) <= 253 AND value COLLATE "C" ~ '^[a-z0-9._-]+\.[a-z0-9-]+$'
       AND value COLLATE "C" !~ '(^|\.)[.-]|[.-]$|-\.|[^.]{64}|(^|\.)[0-9]+$'
$$;

CREATE FUNCTION sitewire.is_text(value text, most integer) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT length(value) <= most AND value COLLATE "C" !~ '[\x01-\x1F\x7F\u0080-\u009F]'
$$;

CREATE FUNCTION sitewire.is_url(value text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT length(value) <= 2048
       AND value COLLATE "C" ~ '^([A-Za-z][A-Za-z0-9+.-]*://|[A-Za-z0-9._-]+@[A-Za-z0-9.-]+:)[^\x01-\x20\x7F]+$'
$$;

CREATE FUNCTION sitewire.is_path(value text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT length(value) <= 1024 AND value COLLATE "C" !~ '^/|(^|/)\.\.(/|$)|[\x01-\x1F\x7F]'
$$;

CREATE FUNCTION sitewire.is_login(value text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT length(value) <= 128 AND value COLLATE "C" !~ '[\x01-\x20:\x7F]'
$$;

CREATE FUNCTION sitewire.is_pem(value text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT length(value) <= 262144 AND value COLLATE "C" ~ '^\s*-----BEGIN [A-Z0-9 ]+-----'
$$;

CREATE FUNCTION sitewire.is_address(value inet) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT masklen(value) = CASE family(value) WHEN 4 THEN 32 ELSE 128 END
$$;

-- What a protobuf Timestamp can say: the years 1 to 9999, never infinity.
CREATE FUNCTION sitewire.is_time(value timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT value >= timestamptz '0001-01-01 00:00:00+00' AND value < timestamptz '10000-01-01 00:00:00+00'
$$;

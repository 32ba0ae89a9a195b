-- replaces 0020_deployment_scale b7bf5633b48088e71334d178facfd9ac29a4cc4415c86aff19bd14d36d849a80
--
-- The tables as of schema version 20, by subject. A database that was migrated to version 20 by the
-- twenty migrations before this baseline has the same tables; the line above names the last of them
-- (its SHA-256), and such a database goes on with version 21.
--
-- This file: the rules that CHECK constraints use, and the tables that all services share.
-- 02_registry.sql: what exists. 03_users.sql: projects, users and their rights. 04_history.sql:
-- every change, and the chain of hashes. 05_deployments.sql: deployments, what they ran, and their
-- events. 06_secrets.sql: sealed passwords and private keys. Functions, views, triggers, policies
-- and grants are in sql/schema.
--
-- The functions here belong to the tables, because CHECK constraints name them: rows that were
-- checked by an older version of a rule are not checked again. So a rule changes with a numbered
-- migration, which deals with the rows that exist.
--
-- A constraint is named <table>__<field>__<rule>. From that name alone the store makes a status,
-- the field at fault and a remedy (src/store/pg/sqlstate.c). The rules are:
--
--   key         the key is taken (ALREADY_EXISTS)
--   unique      another row has this value (ALREADY_EXISTS)
--   ref         there is no such row, or other rows refer to this one (FAILED_PRECONDITION); if the
--               key has several fields, the constraint names the most telling one
--   code        1 to 128 characters of A-Z a-z 0-9 . _ : -
--   host        a host name, lower case (RFC 1123)
--   domain      a domain name of two or more labels, lower case; underscores are allowed (RFC 2181)
--   url         scheme://..., or user@host:path as in git; at most 2048 characters
--   path        relative, without `..`; at most 1024 characters
--   login       at most 128 characters, no spaces, no colons
--   text        within its length, no control characters
--   pem         PEM text, at most 256 KiB
--   email       an e-mail address, lower case
--   public_key  a CURVE public key in Z85
--   address     one IP address, not a network
--   range       a number or time within its bounds
--   together    fields that are set all or none
--   within      a domain that lies in the given one
--   choice      one of a few words
--
-- All rules except key, unique and ref answer INVALID_ARGUMENT. Rules for text accept the empty
-- string where the field is optional. They are plain SQL, so PostgreSQL inlines them.

CREATE FUNCTION sitewire.is_code(value text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT length(value) <= 128 AND value COLLATE "C" ~ '^[A-Za-z0-9._:-]+$'
$$;

-- Labels have 1 to 63 characters and neither begin nor end with a hyphen. The last label is not a
-- number, because the name would then be an IP address.
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

-- The range of a protobuf Timestamp: the years 1 to 9999, not infinity.
CREATE FUNCTION sitewire.is_time(value timestamptz) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT value >= timestamptz '0001-01-01 00:00:00+00' AND value < timestamptz '10000-01-01 00:00:00+00'
$$;

-- An e-mail address without quoting (RFC 5321). The host of a local user may be a single label.
CREATE FUNCTION sitewire.is_email(value text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT length(value) <= 254 AND value COLLATE "C" ~ '^[a-z0-9!#$%&''*+/=?^_`{|}~-]+(\.[a-z0-9!#$%&''*+/=?^_`{|}~-]+)*@[a-z0-9-]+(\.[a-z0-9-]+)*$'
$$;

-- A CurveZMQ public key (RFC 26): 32 bytes in Z85 (RFC 32).
CREATE FUNCTION sitewire.is_public_key(value text) RETURNS boolean LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT value COLLATE "C" ~ '^[0-9A-Za-z.:+=^!/*?&<>()@%$#{}[\]-]{40}$'
$$;

-- The reply to each mutation that carried a request_id, so that a repeated request is answered
-- without running again.
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
-- Authenticates page tokens. Two random UUIDs are 32 bytes, of which 244 bits are random.
INSERT INTO sitewire.setting
VALUES ('page_token_key', decode(replace(gen_random_uuid()::text || gen_random_uuid()::text, '-', ''), 'hex'));

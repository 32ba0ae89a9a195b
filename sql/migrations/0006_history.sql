-- History: every change of every row, by whatever path it came, with who, when and why. Nothing but the trigger `record` writes
-- it, and nobody changes it. From it comes what any row was as of a time, and a chain of hashes shows that it is whole.

-- A change counts from the beginning of its transaction, as `updated_at` of the row does, so that all that a transaction did counts
-- from the same moment. Two changes of one key are in the order of their ids: the second waited for the first to commit.
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
    -- Of the transaction: who seals rows in the order of commits asks which are over.
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX change_key ON users.change (resource, key, id);
CREATE INDEX change_old_key ON users.change (resource, old_key, id) WHERE old_key IS NOT NULL;
CREATE INDEX change_at ON users.change USING brin (at);
CREATE INDEX change_transaction ON users.change (transaction);

-- What is under history, and since when.
CREATE TABLE users.history (
    resource text COLLATE "C" CONSTRAINT history__resource__key PRIMARY KEY,
    since    timestamptz NOT NULL DEFAULT now()
);

-- The caller whom history believes: who logs in as a service says on whose behalf (sitewire.enter). NULL for everybody else, who
-- is who has logged in, whatever the session claims.
CREATE FUNCTION users.believed_caller() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN current_setting('is_superuser') = 'off' AND pg_has_role(session_user, 'sitewire_service', 'member')
                THEN nullif(current_setting('sitewire.user', true), '') END
$$;

-- Arguments: the resource's name and the columns of its key. What a secret is, even sealed, is no history. Runs as its owner,
-- as services may not write history.
CREATE FUNCTION users.record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller text := users.believed_caller();
    old_row jsonb;
    new_row jsonb;
    old_name text;
    new_name text;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        old_row := to_jsonb(OLD) - 'ciphertext';
        old_name := old_row->>TG_ARGV[1];
        FOR i IN 2 .. TG_NARGS - 1 LOOP
            old_name := old_name || '/' || (old_row->>TG_ARGV[i]);
        END LOOP;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        new_row := to_jsonb(NEW) - 'ciphertext';
        new_name := new_row->>TG_ARGV[1];
        FOR i IN 2 .. TG_NARGS - 1 LOOP
            new_name := new_name || '/' || (new_row->>TG_ARGV[i]);
        END LOOP;
    END IF;
    INSERT INTO users.change (actor, call_id, request_id, reason, resource, key, old_key, operation, before, after, project)
    VALUES (coalesce(caller, 'psql:' || session_user),
            coalesce(CASE WHEN caller IS NOT NULL THEN current_setting('sitewire.call_id', true) END, ''),
            coalesce(CASE WHEN caller IS NOT NULL THEN current_setting('sitewire.request_id', true) END, ''),
            coalesce(current_setting('sitewire.reason', true), ''), -- a person at psql may give one, too
            TG_ARGV[0], coalesce(new_name, old_name), nullif(old_name, coalesce(new_name, old_name)), TG_OP, old_row, new_row,
            users.project_of(TG_ARGV[0], coalesce(new_row, old_row)));
    RETURN NULL;
END $$;

-- Writes down that the caller reads what is nobody's to see. Functions of the schema's owner call it.
CREATE FUNCTION users.record_read(resource text, key text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO users.change (actor, call_id, request_id, reason, resource, key, operation)
    SELECT coalesce(users.believed_caller(), 'psql:' || session_user),
           coalesce(current_setting('sitewire.call_id', true), ''), coalesce(current_setting('sitewire.request_id', true), ''),
           coalesce(current_setting('sitewire.reason', true), ''), resource, key, 'READ'
$$;
REVOKE EXECUTE ON FUNCTION users.record_read(text, text) FROM PUBLIC;

-- Puts a table under history, and what it holds already into it.
CREATE FUNCTION sitewire.keep_history(relation regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    resource text := (SELECT sitewire.resource_of(relname) FROM pg_class WHERE oid = relation);
    keys text[] := (SELECT array_agg(a.attname ORDER BY k.n)
                    FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, n), pg_attribute a
                    WHERE i.indrelid = relation AND i.indisprimary AND a.attrelid = relation AND a.attnum = k.attnum);
    arguments text := (SELECT string_agg(quote_literal(word), ', ') FROM unnest(ARRAY[resource] || keys) word);
BEGIN
    EXECUTE format('CREATE TRIGGER record AFTER INSERT OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION users.record(%s)',
                   relation, arguments);
    EXECUTE format('CREATE TRIGGER record_update AFTER UPDATE ON %s FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) '
                   'EXECUTE FUNCTION users.record(%s)', relation, arguments);
    EXECUTE format('INSERT INTO users.change (at, actor, resource, key, operation, after, project) '
                   'SELECT t.updated_at, ''migration'', $1, (SELECT string_agg(to_jsonb(t)->>k, ''/'' ORDER BY n) '
                   'FROM unnest($2) WITH ORDINALITY x (k, n)), ''INSERT'', to_jsonb(t), users.project_of($1, to_jsonb(t)) '
                   'FROM %s t', relation) USING resource, keys;
    INSERT INTO users.history (resource) VALUES (resource);
END $$;

SELECT sitewire.keep_history(oid) FROM pg_class
WHERE relkind = 'r' AND (relnamespace = 'referential'::regnamespace
    OR oid IN ('users.role'::regclass, 'users."user"'::regclass, 'users.project'::regclass, 'users.access_right'::regclass,
               'users.key'::regclass));

-- --- The chain ---

-- Every change once, in the order of commits: each hash covers a change and the hash before it, so nothing can be altered or
-- removed before a position whose hash somebody has kept. Transactions below `horizon` were over when that was sealed.
CREATE TABLE users.seal (
    position bigint CONSTRAINT seal__position__key PRIMARY KEY,
    change   bigint NOT NULL CONSTRAINT seal__change__unique UNIQUE,
    hash     bytea NOT NULL,
    horizon  xid8 NOT NULL
);

-- What is hashed: the values of a change, each as its length in bytes, `:` and its text, or `-` for NULL, with commas in between.
-- `sitewire audit verify` makes the same of what it reads (docs/history.md).
CREATE FUNCTION users.text_of(c users.change) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT string_agg(coalesce(octet_length(v) || ':' || v, '-'), ',' ORDER BY n)
    FROM unnest(ARRAY[c.id::text, to_char(c.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), c.actor, c.call_id,
                      c.request_id, c.reason, c.resource, c.key, c.old_key, c.operation, c.before::text, c.after::text,
                      c.project, c.transaction::text]) WITH ORDINALITY x (v, n)
$$;

-- Seals what is committed and not sealed yet; returns how much. sitewire-user runs it again and again; of several at once, one
-- works. It waits for nobody and nobody waits for it: what commits later is sealed later. What was sealed before is known by
-- the transactions alone: a snapshot that has sealed all it saw leaves nothing behind of transactions that were over then.
-- In a copy of the database in another cluster, transactions may have smaller numbers: then everything is looked at once.
CREATE FUNCTION users.seal_changes() RETURNS integer
LANGUAGE plpgsql SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    most CONSTANT integer := 10000; -- at a time
    head users.seal;
    one record;
    sealed integer := 0;
BEGIN
    IF NOT pg_try_advisory_xact_lock(hashtext('users.seal')) THEN
        RETURN 0;
    END IF;
    SELECT * INTO head FROM users.seal ORDER BY position DESC LIMIT 1;
    head.position := coalesce(head.position, 0);
    head.hash := coalesce(head.hash, decode(repeat('00', 32), 'hex'));
    IF head.horizon IS NULL OR head.horizon > pg_snapshot_xmax(pg_current_snapshot()) THEN
        head.horizon := '0';
    END IF;
    FOR one IN
        SELECT l.change, CASE WHEN count(*) OVER () < most THEN l.xmin ELSE head.horizon END AS horizon
        FROM (SELECT c AS change, (SELECT pg_snapshot_xmin(pg_current_snapshot())) AS xmin FROM users.change c
              WHERE c.transaction >= head.horizon AND NOT EXISTS (SELECT FROM users.seal s WHERE s.change = c.id)
              ORDER BY c.id LIMIT most) l
        ORDER BY (l.change).id
    LOOP
        head.position := head.position + 1;
        head.hash := sha256(head.hash || convert_to(users.text_of(one.change), 'UTF8'));
        INSERT INTO users.seal VALUES (head.position, (one.change).id, head.hash, one.horizon);
        sealed := sealed + 1;
    END LOOP;
    RETURN sealed;
END $$;
REVOKE EXECUTE ON FUNCTION users.seal_changes() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION users.seal_changes() TO sitewire_user;

-- Not even its owner changes history by mistake.
CREATE FUNCTION users.keep_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sitewire.fail('SW006', '', 'history is permanent');
    RETURN NULL;
END $$;
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON users.change FOR EACH ROW EXECUTE FUNCTION users.keep_change();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON users.change FOR EACH STATEMENT EXECUTE FUNCTION users.keep_change();
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON users.seal FOR EACH ROW EXECUTE FUNCTION users.keep_change();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON users.seal FOR EACH STATEMENT EXECUTE FUNCTION users.keep_change();

-- --- What a caller may read ---

-- What a row is called today whose key was `key` when the change `since` was made: renamings have been followed.
CREATE FUNCTION users.name_now(resource text, key text, since bigint) RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    name text := name_now.key;
    last bigint := since;
BEGIN
    LOOP
        SELECT c.key, c.id INTO key, last FROM users.change c
        WHERE c.resource = name_now.resource AND c.old_key = name AND c.id > last ORDER BY c.id LIMIT 1;
        IF NOT FOUND THEN
            RETURN name;
        END IF;
        name := key;
    END LOOP;
END $$;

-- Who may read a row may read its history: the rules of action `read` in 0005_rights.sql, on the project or user that a row
-- belonged to, by the name that it has today.
CREATE POLICY read ON users.change FOR SELECT TO sitewire_service
    USING (users.is_admin()
        OR CASE WHEN resource IN ('User', 'AccessRight', 'Key')
                     AND users.name_now('User', users.owner_of(resource, coalesce(after, before)), id) = users.me() THEN true
                WHEN resource = 'User' THEN users.may_manage(NULL)
                WHEN resource = 'AccessRight' THEN users.may_manage(users.name_now('Project', project, id))
                WHEN resource = 'Secret' THEN users.may_read_secret(users.name_now('Secret', key, id))
                WHEN project IS NOT NULL THEN users.may_read(users.name_now('Project', project, id))
                ELSE resource = 'Domain' OR EXISTS (SELECT FROM users.rule r
                    WHERE r.resource = change.resource AND r.action = 'read' AND r.needs = 'profile') END);
ALTER TABLE users.change ENABLE ROW LEVEL SECURITY;
GRANT SELECT ON users.change TO sitewire_service;
INSERT INTO users.rule VALUES ('Change', 'read', 'read');

-- --- As of a time ---

-- The changes that made the rows of a resource what they were, of those whose keys lie between two texts (NULL: no bound). It
-- looks at all changes, whoever calls: what a caller may not read of the last one must not show as the one before. A plan for
-- one key is none for all, so each call has its own.
CREATE FUNCTION users.latest(resource text, read_time timestamptz, first text, last text) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan ROWS 100
AS $$
DECLARE
    since timestamptz := (SELECT h.since FROM users.history h WHERE h.resource = latest.resource);
BEGIN
    IF since IS NULL OR read_time < since THEN
        PERFORM sitewire.fail('SW006', 'read_time', format('the history of %s begins at %s: nobody knows what was before',
            resource, coalesce(to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'no time')));
    END IF;
    RETURN QUERY
    SELECT l.id FROM (
        SELECT DISTINCT ON (k.key) k.id, k.gone FROM (
            SELECT c.key, c.id, c.after IS NULL AS gone FROM users.change c
            WHERE c.resource = latest.resource AND c.at <= read_time AND c.operation <> 'READ'
              AND (first IS NULL OR c.key >= first) AND (last IS NULL OR c.key <= last)
            UNION ALL -- a renaming leaves nothing under the old key
            SELECT c.old_key, c.id, true FROM users.change c
            WHERE c.resource = latest.resource AND c.at <= read_time AND c.old_key IS NOT NULL
              AND (first IS NULL OR c.old_key >= first) AND (last IS NULL OR c.old_key <= last)) k
        ORDER BY k.key, k.id DESC) l
    WHERE NOT l.gone;
END $$;

-- The rows themselves, as JSON: those that the caller may read.
CREATE FUNCTION sitewire.as_of(resource text, read_time timestamptz, first text, last text) RETURNS SETOF jsonb
LANGUAGE sql STABLE AS $$
    SELECT c.after FROM users.latest(resource, read_time, first, last) l (id) JOIN users.change c ON c.id = l.id
$$;
REVOKE EXECUTE ON FUNCTION users.name_now(text, text, bigint), users.latest(text, timestamptz, text, text) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION users.name_now(text, text, bigint), users.latest(text, timestamptz, text, text) TO sitewire_service;

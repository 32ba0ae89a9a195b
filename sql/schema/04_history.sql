-- History: the triggers that record every change, the chain of hashes over it, and reads as of a
-- time.

-- --- Recording ---

-- The caller that history records. The role of a service says on whose behalf it works
-- (sitewire.enter). NULL for any other role: then history records the role that logged in, whatever
-- the session claims.
CREATE OR REPLACE FUNCTION users.believed_caller() RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN current_setting('is_superuser') = 'off' AND pg_has_role(session_user, 'sitewire_service', 'member')
                THEN nullif(current_setting('sitewire.user', true), '') END
$$;

-- The trigger that records a change. Arguments: the name of the resource, the columns that history
-- must not keep, and the columns of the key. Runs as its owner, because services may not write
-- history.
CREATE OR REPLACE FUNCTION users.record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller text := users.believed_caller();
    hidden text[] := TG_ARGV[1];
    old_row jsonb;
    new_row jsonb;
    old_name text;
    new_name text;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        old_row := to_jsonb(OLD) - hidden;
        old_name := old_row->>TG_ARGV[2];
        FOR i IN 3 .. TG_NARGS - 1 LOOP
            old_name := old_name || '/' || (old_row->>TG_ARGV[i]);
        END LOOP;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        new_row := to_jsonb(NEW) - hidden;
        new_name := new_row->>TG_ARGV[2];
        FOR i IN 3 .. TG_NARGS - 1 LOOP
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

-- The trigger before a TRUNCATE, with the same arguments: records the deletion of each row.
CREATE OR REPLACE FUNCTION users.record_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller text := users.believed_caller();
BEGIN
    EXECUTE format('INSERT INTO users.change (actor, call_id, request_id, reason, resource, key, operation, before, project) '
                   'SELECT $1, $2, $3, $4, $5, (SELECT string_agg(to_jsonb(t)->>k, ''/'' ORDER BY n) '
                   'FROM unnest($6) WITH ORDINALITY x (k, n)), ''DELETE'', to_jsonb(t) - $7, '
                   'users.project_of($5, to_jsonb(t)) FROM %s t', TG_RELID::regclass)
    USING coalesce(caller, 'psql:' || session_user),
          coalesce(CASE WHEN caller IS NOT NULL THEN current_setting('sitewire.call_id', true) END, ''),
          coalesce(CASE WHEN caller IS NOT NULL THEN current_setting('sitewire.request_id', true) END, ''),
          coalesce(current_setting('sitewire.reason', true), ''), TG_ARGV[0], TG_ARGV[2:TG_NARGS - 1], TG_ARGV[1]::text[];
    RETURN NULL;
END $$;

-- Records that the caller has read a secret. Functions of the schema's owner call it.
CREATE OR REPLACE FUNCTION users.record_read(resource text, key text) RETURNS void LANGUAGE sql AS $$
    INSERT INTO users.change (actor, call_id, request_id, reason, resource, key, operation)
    SELECT coalesce(users.believed_caller(), 'psql:' || session_user),
           coalesce(current_setting('sitewire.call_id', true), ''), coalesce(current_setting('sitewire.request_id', true), ''),
           coalesce(current_setting('sitewire.reason', true), ''), resource, key, 'READ'
$$;

-- Prevents that even the owner changes history by mistake.
CREATE OR REPLACE FUNCTION users.keep_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sitewire.fail('SW006', '', 'history is permanent');
    RETURN NULL;
END $$;
SELECT sitewire.keep_trigger('keep', relation, 'BEFORE UPDATE OR DELETE', 'FOR EACH ROW EXECUTE FUNCTION users.keep_change()'),
       sitewire.keep_trigger('keep_all', relation, 'BEFORE TRUNCATE', 'FOR EACH STATEMENT EXECUTE FUNCTION users.keep_change()')
FROM unnest('{users.change,users.seal,users.history}'::regclass[]) relation;

-- --- The chain ---

-- What is hashed: the values of a change, each as its length in bytes, `:` and its text, or `-` for
-- NULL, separated by commas. `sitewire audit verify` builds the same from what it reads
-- (docs/history.md).
CREATE OR REPLACE FUNCTION users.text_of(c users.change) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT string_agg(coalesce(octet_length(v) || ':' || v, '-'), ',' ORDER BY n)
    FROM unnest(ARRAY[c.id::text, to_char(c.at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), c.actor, c.call_id,
                      c.request_id, c.reason, c.resource, c.key, c.old_key, c.operation, c.before::text, c.after::text,
                      c.project, c.transaction::text]) WITH ORDINALITY x (v, n)
$$;

-- Seals the changes that are committed and not sealed yet, and returns their number. sitewire-user
-- runs it every second; if several instances do, one works. It waits for no transaction, and no
-- transaction waits for it: what commits later is sealed later. Transaction numbers show what was
-- sealed before, because a run seals everything that its snapshot sees. In a copy of the database
-- in another cluster, transactions may have smaller numbers; then all changes are checked once.
CREATE OR REPLACE FUNCTION users.seal_changes() RETURNS integer
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

-- --- What a caller may read ---

-- The key of today of a row whose key was `key` at the time of the change `since`. Follows renames.
CREATE OR REPLACE FUNCTION users.name_now(resource text, key text, since bigint) RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
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

-- Whether the caller may also read the row as it was before a change that moved it to another
-- project. The names of projects are followed from before the transaction, which may have renamed
-- one.
CREATE OR REPLACE FUNCTION users.may_read_origin(resource text, before jsonb, after jsonb, transaction xid8) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    IF NOT users.is_moved(resource, before, after) THEN
        RETURN true;
    END IF;
    RETURN users.may_read(users.name_now('Project', users.project_of(resource, before),
        (SELECT min(c.id) - 1 FROM users.change c WHERE c.transaction = may_read_origin.transaction)));
END $$;

-- --- As of a time ---

-- The changes that made the rows of a resource as they were at a time, for keys between two texts
-- (NULL: no bound). It reads all changes, whoever calls: if the caller may not read a version, the
-- version before it must not appear instead. Each call is planned anew, because a plan for one key
-- does not suit all keys.
CREATE OR REPLACE FUNCTION users.latest(resource text, read_time timestamptz, first text, last text) RETURNS SETOF bigint
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp SET plan_cache_mode = force_custom_plan ROWS 100
AS $$
DECLARE
    since timestamptz := (SELECT h.since FROM users.history h WHERE h.resource = latest.resource);
BEGIN
    IF since IS NULL OR read_time < since THEN
        PERFORM sitewire.fail('SW006', 'read_time', format('the history of %s begins at %s: nothing older is known',
            resource, coalesce(to_char(since AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), 'no time')));
    END IF;
    RETURN QUERY
    SELECT l.id FROM (
        SELECT DISTINCT ON (k.key) k.id, k.gone FROM (
            SELECT c.key, c.id, c.after IS NULL AS gone FROM users.change c
            WHERE c.resource = latest.resource AND c.at <= read_time AND c.operation <> 'READ'
              AND (first IS NULL OR c.key >= first) AND (last IS NULL OR c.key <= last)
            UNION ALL -- a rename leaves nothing under the old key
            SELECT c.old_key, c.id, true FROM users.change c
            WHERE c.resource = latest.resource AND c.at <= read_time AND c.old_key IS NOT NULL
              AND (first IS NULL OR c.old_key >= first) AND (last IS NULL OR c.old_key <= last)) k
        ORDER BY k.key, k.id DESC) l
    WHERE NOT l.gone;
END $$;

-- The rows, as JSON, that the caller may read. Reads of the past follow the rules of the rows, so
-- this does not apply the policy of users.change, which binds services only.
CREATE OR REPLACE FUNCTION sitewire.as_of(resource text, read_time timestamptz, first text, last text) RETURNS SETOF jsonb
LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT c.after FROM users.latest(resource, read_time, first, last) l (id) JOIN users.change c ON c.id = l.id
    WHERE users.is_admin() OR current_setting('is_superuser') = 'on' OR NOT pg_has_role(session_user, 'sitewire_service', 'member')
       OR users.may_read_version(c.resource, c.key, c.after, c.project, c.id)
$$;

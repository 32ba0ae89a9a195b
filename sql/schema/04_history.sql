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

-- The trigger before a change is written: the permanent numbers of the row and of its project. The
-- number of a row is the id of the change that made it, so a row that is made later under the same
-- name has another one.
CREATE OR REPLACE FUNCTION users.number_row() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    last users.change; -- of the same row
BEGIN
    IF NEW.operation <> 'INSERT' THEN
        SELECT c.row_id, c.project, c.project_row INTO last.row_id, last.project, last.project_row FROM users.change c
        WHERE c.resource = NEW.resource AND c.key = coalesce(NEW.old_key, NEW.key) ORDER BY c.id DESC LIMIT 1;
    END IF;
    NEW.row_id := coalesce(last.row_id, NEW.id);
    NEW.project_row := CASE WHEN NEW.project IS NULL THEN NULL
                            WHEN NEW.resource = 'Project' THEN NEW.row_id
                            WHEN NEW.project = last.project THEN last.project_row
                            -- The rename of a project may be recorded after those of its rows.
                            ELSE coalesce(users.live_row('Project', NEW.project), last.project_row) END;
    RETURN NEW;
END $$;
SELECT sitewire.keep_trigger('number_row', 'users.change', 'BEFORE INSERT', 'FOR EACH ROW EXECUTE FUNCTION users.number_row()');

-- The number of the row that has this name, as far as history tells; NULL if there is none.
CREATE OR REPLACE FUNCTION users.live_row(resource text, key text) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
DECLARE
    last users.change;
BEGIN
    SELECT c.id, c.row_id, c.operation INTO last.id, last.row_id, last.operation FROM users.change c
    WHERE c.resource = live_row.resource AND c.key = live_row.key ORDER BY c.id DESC LIMIT 1;
    RETURN CASE WHEN last.operation <> 'DELETE'
                     AND NOT EXISTS (SELECT FROM users.change c WHERE c.resource = live_row.resource
                                     AND c.old_key = live_row.key AND c.id > last.id) THEN last.row_id END;
END $$;

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

-- The last position of the chain as POSITION:HASH, and the time; no row before the first one.
CREATE OR REPLACE FUNCTION users.seal_head() RETURNS TABLE (head text, at text) LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT s.position || ':' || encode(s.hash, 'hex'), to_char(now() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"')
    FROM users.seal s ORDER BY s.position DESC LIMIT 1
$$;

-- --- What a caller may read ---

-- The name that a row has today, by its permanent number; NULL if it was deleted. So who gets a
-- name later does not get the past of the row that had it before.
CREATE OR REPLACE FUNCTION users.name_of_row(number bigint) RETURNS text LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT CASE WHEN c.operation <> 'DELETE' THEN c.key END FROM users.change c
            WHERE c.row_id = number ORDER BY c.id DESC LIMIT 1);
END $$;

-- The number of the row that had this name at the time of a change; NULL if there was none.
CREATE OR REPLACE FUNCTION users.row_at(resource text, key text, change bigint) RETURNS bigint LANGUAGE plpgsql STABLE
SECURITY DEFINER AS $$
DECLARE
    last users.change;
BEGIN
    SELECT c.id, c.row_id, c.operation INTO last.id, last.row_id, last.operation FROM users.change c
    WHERE c.resource = row_at.resource AND c.key = row_at.key AND c.id <= row_at.change ORDER BY c.id DESC LIMIT 1;
    RETURN CASE WHEN last.id = row_at.change
                     OR last.operation <> 'DELETE'
                        AND NOT EXISTS (SELECT FROM users.change c WHERE c.resource = row_at.resource AND c.old_key = row_at.key
                                        AND c.id > last.id AND c.id <= row_at.change) THEN last.row_id END;
END $$;

-- Whether the caller, who is not an admin, may read or manage a project with this number today. A
-- project that was deleted has no readers, whoever has its name now.
CREATE OR REPLACE FUNCTION users.may_read_row(project_row bigint) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    project text := users.name_of_row(project_row);
BEGIN
    RETURN project IS NOT NULL AND users.may_read(project);
END $$;
CREATE OR REPLACE FUNCTION users.may_manage_row(project_row bigint) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    project text := users.name_of_row(project_row);
BEGIN
    RETURN project IS NOT NULL AND users.may_manage(project);
END $$;

-- Whether the caller may read the domain that had this name at the time of a change, or could read
-- it if it still existed.
CREATE OR REPLACE FUNCTION users.may_read_domain(fqdn text, change bigint) RETURNS boolean LANGUAGE plpgsql STABLE
SECURITY DEFINER AS $$
DECLARE
    last users.change;
BEGIN
    SELECT c.project, c.project_row INTO last.project, last.project_row FROM users.change c
    WHERE c.row_id = users.row_at('Domain', fqdn, change) ORDER BY c.id DESC LIMIT 1;
    RETURN FOUND AND (last.project IS NULL OR users.may_read_row(last.project_row));
END $$;

-- Whether the caller may read a secret with this permanent number, or could read it if it still
-- existed. A secret stays with the row that it was set for, and has its first name at its first
-- change.
CREATE OR REPLACE FUNCTION users.may_read_secret_row(number bigint) RETURNS boolean LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    part text[] := (SELECT regexp_match(c.key, '^([^/]*)/(.*)/([^/]*)$') FROM users.change c WHERE c.id = number);
    owner text := users.name_of_row(users.row_at(part[1], part[2], number));
BEGIN
    RETURN owner IS NOT NULL AND users.may_read_secret(concat_ws('/', part[1], owner, part[3]));
END $$;

-- Whether the caller may also read the row as it was before a change that moved it to another
-- project.
CREATE OR REPLACE FUNCTION users.may_read_origin(resource text, before jsonb, after jsonb, row_id bigint, id bigint) RETURNS boolean
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    last users.change;
BEGIN
    IF NOT users.is_moved(resource, before, after) THEN
        RETURN true;
    END IF;
    SELECT c.project, c.project_row INTO last.project, last.project_row FROM users.change c
    WHERE c.row_id = may_read_origin.row_id AND c.id < may_read_origin.id AND c.operation <> 'READ' ORDER BY c.id DESC LIMIT 1;
    RETURN FOUND AND (last.project IS NULL OR users.may_read_row(last.project_row));
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
    WHERE sitewire.require_service(as_of.resource)
      AND (users.is_admin() OR current_setting('is_superuser') = 'on' OR NOT pg_has_role(session_user, 'sitewire_service', 'member')
           OR users.may_read_version(c.resource, c.after, c.project, c.row_id, c.project_row, c.id))
$$;

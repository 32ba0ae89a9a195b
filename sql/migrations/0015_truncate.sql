-- compatible
-- TRUNCATE, which fires no trigger of a row, leaves a change for each row as well: whoever empties a table by hand shows in history,
-- and what was there before is found as of then.

-- Before a table is emptied. Arguments as of users.record.
CREATE FUNCTION users.record_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller text := users.believed_caller();
BEGIN
    EXECUTE format('INSERT INTO users.change (actor, call_id, request_id, reason, resource, key, operation, before, project) '
                   'SELECT $1, $2, $3, $4, $5, (SELECT string_agg(to_jsonb(t)->>k, ''/'' ORDER BY n) '
                   'FROM unnest($6) WITH ORDINALITY x (k, n)), ''DELETE'', to_jsonb(t) - ''ciphertext'', '
                   'users.project_of($5, to_jsonb(t)) FROM %s t', TG_RELID::regclass)
    USING coalesce(caller, 'psql:' || session_user),
          coalesce(CASE WHEN caller IS NOT NULL THEN current_setting('sitewire.call_id', true) END, ''),
          coalesce(CASE WHEN caller IS NOT NULL THEN current_setting('sitewire.request_id', true) END, ''),
          coalesce(current_setting('sitewire.reason', true), ''), TG_ARGV[0], TG_ARGV[1:TG_NARGS - 1];
    RETURN NULL;
END $$;

CREATE FUNCTION sitewire.keep_truncate(relation regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    arguments text := (
        SELECT quote_literal(sitewire.resource_of(c.relname)) || string_agg(', ' || quote_literal(a.attname), '' ORDER BY k.n)
        FROM pg_class c, pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, n), pg_attribute a
        WHERE c.oid = relation AND i.indrelid = relation AND i.indisprimary AND a.attrelid = relation AND a.attnum = k.attnum
        GROUP BY c.relname);
BEGIN
    EXECUTE format('CREATE TRIGGER record_truncate BEFORE TRUNCATE ON %s FOR EACH STATEMENT '
                   'EXECUTE FUNCTION users.record_truncate(%s)', relation, arguments);
END $$;

SELECT sitewire.keep_truncate(tgrelid) FROM pg_trigger WHERE tgname = 'record' AND tgfoid = 'users.record'::regproc;
REVOKE EXECUTE ON FUNCTION users.record_truncate() FROM PUBLIC;

-- As in 0006_history.sql, and for TRUNCATE.
CREATE OR REPLACE FUNCTION sitewire.keep_history(relation regclass) RETURNS void LANGUAGE plpgsql AS $$
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
    PERFORM sitewire.keep_truncate(relation);
    INSERT INTO users.history (resource) VALUES (resource);
END $$;

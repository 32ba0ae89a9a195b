-- compatible
-- What could still be changed by hand without a trace: a deployment together with its lease, the rules of rights, events.

-- As in 0008_deployment_states.sql, but what is no news is only that a service has renewed a lease, and nothing else with it.
DROP TRIGGER record_update ON deployment.deployment;
CREATE TRIGGER record_update AFTER UPDATE ON deployment.deployment FOR EACH ROW
    WHEN (OLD IS DISTINCT FROM NEW
          AND (OLD.lease_until IS NOT DISTINCT FROM NEW.lease_until OR OLD.status <> NEW.status OR users.believed_caller() IS NULL
               OR to_jsonb(OLD) - '{lease_until,updated_at,revision}'::text[]
                  IS DISTINCT FROM to_jsonb(NEW) - '{lease_until,updated_at,revision}'::text[]))
    EXECUTE FUNCTION users.record('Deployment', 'id');

-- The rules say who may do what, so who changes one is known. Admins read it, as changes of a resource `Rule`.
CREATE TRIGGER record AFTER INSERT OR DELETE ON users.rule FOR EACH ROW
    EXECUTE FUNCTION users.record('Rule', 'resource', 'action', 'needs');
CREATE TRIGGER record_update AFTER UPDATE ON users.rule FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW)
    EXECUTE FUNCTION users.record('Rule', 'resource', 'action', 'needs');
SELECT sitewire.keep_truncate('users.rule');
INSERT INTO users.change (actor, resource, key, operation, after)
SELECT 'migration', 'Rule', concat_ws('/', r.resource, r.action, r.needs), 'INSERT', to_jsonb(r) FROM users.rule r;
INSERT INTO users.history (resource) VALUES ('Rule');

-- Since when there is history is history, too.
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON users.history FOR EACH ROW EXECUTE FUNCTION users.keep_change();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON users.history FOR EACH STATEMENT EXECUTE FUNCTION users.keep_change();

-- Events stay as they were told; a project that is renamed takes them along (deployment.rename_events).
CREATE FUNCTION deployment.keep_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sitewire.fail('SW006', '', 'events stay as they were told');
    RETURN NULL;
END $$;
REVOKE EXECUTE ON FUNCTION deployment.keep_event() FROM PUBLIC;
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON deployment.event FOR EACH ROW WHEN (pg_trigger_depth() = 0)
    EXECUTE FUNCTION deployment.keep_event();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON deployment.event FOR EACH STATEMENT EXECUTE FUNCTION deployment.keep_event();
CREATE TRIGGER fixed_all BEFORE TRUNCATE ON deployment.transition FOR EACH STATEMENT EXECUTE FUNCTION deployment.keep_words();

-- As in 0015_truncate.sql, and without output: that somebody emptied it shows, not what it was.
CREATE OR REPLACE FUNCTION users.record_truncate() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller text := users.believed_caller();
BEGIN
    EXECUTE format('INSERT INTO users.change (actor, call_id, request_id, reason, resource, key, operation, before, project) '
                   'SELECT $1, $2, $3, $4, $5, (SELECT string_agg(to_jsonb(t)->>k, ''/'' ORDER BY n) '
                   'FROM unnest($6) WITH ORDINALITY x (k, n)), ''DELETE'', to_jsonb(t) - ''{ciphertext,bytes}''::text[], '
                   'users.project_of($5, to_jsonb(t)) FROM %s t', TG_RELID::regclass)
    USING coalesce(caller, 'psql:' || session_user),
          coalesce(CASE WHEN caller IS NOT NULL THEN current_setting('sitewire.call_id', true) END, ''),
          coalesce(CASE WHEN caller IS NOT NULL THEN current_setting('sitewire.request_id', true) END, ''),
          coalesce(current_setting('sitewire.reason', true), ''), TG_ARGV[0], TG_ARGV[1:TG_NARGS - 1];
    RETURN NULL;
END $$;
SELECT sitewire.keep_truncate('deployment.deployment_log');

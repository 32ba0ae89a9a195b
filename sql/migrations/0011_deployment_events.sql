-- How events come from the outbox to those who watch: numbered in an order that everybody sees, published, and told again by
-- their heads. deployment.relay does it, as one statement for many events; sitewire-deployment runs it (src/service/relay.c).

-- The last event of each project.
CREATE TABLE deployment.event_head (
    project text COLLATE "C" CONSTRAINT event_head__project__key PRIMARY KEY,
    position bigint NOT NULL CONSTRAINT event_head__position__unique UNIQUE,
    project_sequence bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- The last position given, and whose turn it is: a backend, for as long as it says so again. One that is gone, or silent for
-- longer, is followed by another. Of transactions before `since`, all of which are over, nothing is left.
CREATE TABLE deployment.relay (
    one boolean CONSTRAINT relay__one__key PRIMARY KEY DEFAULT true
        CONSTRAINT relay__one__choice CHECK (one),
    position bigint NOT NULL DEFAULT 0,
    since xid8 NOT NULL DEFAULT '0',
    holder integer NOT NULL DEFAULT 0,
    until timestamptz NOT NULL DEFAULT '-infinity'
) WITH (fillfactor = 50);
INSERT INTO deployment.relay DEFAULT VALUES;

ALTER TABLE deployment.outbox SET (autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 20000);

CREATE FUNCTION deployment.relay_key() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT hashtextextended('deployment.relay', 0)
$$;

-- Numbers up to `most` events, and answers them: what is to be published once this is committed. After a second also the heads
-- of those projects in which something happened lately, as kind `head`. The last row has no position; its project_sequence is 1 if
-- more events wait, 0 if not. No row at all: another one relays, and was told if somebody has woken this one.
--
-- A run takes all events that its snapshot sees, by id. So what was committed before a run began is never numbered after what was
-- committed later; and whatever writes events of a deployment locks the deployment first, so of one deployment ids grow with
-- commits. What was taken leaves dead rows until the next vacuum: `since` keeps them from being passed again and again.
--
-- Plans are made while the tables are empty, and kept: without the setting they read whole tables, however long these become.
CREATE FUNCTION deployment.relay(woken boolean, most integer)
RETURNS TABLE ("position" bigint, project text, project_sequence bigint, deployment bigint, kind text, at timestamptz,
               payload text, previous_position bigint)
LANGUAGE plpgsql SECURITY DEFINER SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    mine boolean := pg_try_advisory_xact_lock(deployment.relay_key());
    last deployment.relay;
    running xid8 := pg_snapshot_xmin(pg_current_snapshot());
    moved bigint;
BEGIN
    SELECT * INTO last FROM deployment.relay;
    IF NOT mine OR last.holder <> pg_backend_pid() AND last.until > clock_timestamp()
                   AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = last.holder) THEN
        IF woken THEN
            PERFORM pg_notify('deployment_outbox', '');
        END IF;
        RETURN;
    END IF;
    IF last.holder <> pg_backend_pid() THEN
        -- Restored from a dump, the numbers of transactions are another cluster's.
        UPDATE deployment.outbox SET transaction = '0' WHERE transaction >= pg_snapshot_xmax(pg_current_snapshot());
        last.since := '0';
    END IF;
    RETURN QUERY
    WITH due AS MATERIALIZED (
        SELECT o.ctid AS place, o.* FROM deployment.outbox o
        WHERE o.transaction >= last.since ORDER BY o.id LIMIT most
    ), gone AS (
        DELETE FROM deployment.outbox WHERE ctid = ANY (ARRAY(SELECT d.place FROM due d))
    ), placed AS (
        SELECT d.*, last.position + row_number() OVER (ORDER BY d.id) AS position FROM due d
    ), numbered AS MATERIALIZED (
        SELECT p.position, p.project, coalesce(h.project_sequence, 0) + row_number() OVER w AS project_sequence, p.deployment, p.kind,
               p.at, p.payload, coalesce(lag(p.position) OVER w, h.position, 0) AS previous_position
        FROM placed p LEFT JOIN deployment.event_head h ON h.project = p.project
        WINDOW w AS (PARTITION BY p.project ORDER BY p.position)
    ), heads AS (
        INSERT INTO deployment.event_head AS h (project, position, project_sequence)
        SELECT n.project, max(n.position), max(n.project_sequence) FROM numbered n GROUP BY n.project
        ON CONFLICT (project) DO UPDATE
        SET position = excluded.position, project_sequence = excluded.project_sequence, at = excluded.at
    ), kept AS (
        INSERT INTO deployment.event (position, project, project_sequence, deployment, kind, at, payload, previous_position)
        SELECT * FROM numbered n ORDER BY n.position
    )
    SELECT * FROM numbered n ORDER BY n.position;
    GET DIAGNOSTICS moved = ROW_COUNT;
    IF last.holder <> pg_backend_pid() OR last.until < clock_timestamp() + interval '2200 ms' THEN
        RETURN QUERY SELECT h.position, h.project, h.project_sequence, NULL::bigint, 'head', h.at, NULL, NULL::bigint
                     FROM deployment.event_head h WHERE h.at > clock_timestamp() - interval '10 s' ORDER BY h.position;
        last.until := clock_timestamp() + interval '3 s';
    ELSIF moved = 0 THEN
        last.until := NULL;
    END IF;
    IF last.until IS NOT NULL THEN
        last.since := CASE WHEN moved < most THEN running ELSE last.since END;
        UPDATE deployment.relay SET position = last.position + moved, since = last.since, holder = pg_backend_pid(),
                                    until = last.until;
    END IF;
    RETURN QUERY
    SELECT NULL::bigint, NULL, EXISTS (SELECT FROM deployment.outbox o WHERE o.transaction >= last.since)::integer::bigint,
           NULL::bigint, NULL, NULL::timestamptz, NULL, NULL::bigint;
END $$;

-- The events of a project follow its new name, and go on where they were.
CREATE FUNCTION deployment.rename_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(deployment.relay_key());
    -- Of one that had that name before.
    DELETE FROM deployment.event_head WHERE project = NEW.code;
    DELETE FROM deployment.event WHERE project = NEW.code;
    UPDATE deployment.outbox SET project = NEW.code WHERE project = OLD.code;
    UPDATE deployment.event_head SET project = NEW.code WHERE project = OLD.code;
    UPDATE deployment.event SET project = NEW.code WHERE project = OLD.code;
    RETURN NULL;
END $$;
CREATE TRIGGER rename_events AFTER UPDATE ON users.project FOR EACH ROW WHEN (OLD.code <> NEW.code)
    EXECUTE FUNCTION deployment.rename_events();

-- --- Rights ---

-- All that a user may read, no admin, for the broker: which events it may be sent.
CREATE FUNCTION users.readable(email text) RETURNS text[] LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT coalesce(array_agg(DISTINCT a.project ORDER BY a.project), '{}')
            FROM users.access_right a JOIN users.role r ON r.code = a.role
            WHERE a."user" = email AND 'read' = ANY (r.permissions));
END $$;
REVOKE EXECUTE ON FUNCTION users.readable(text), deployment.relay(boolean, integer), deployment.rename_events(),
    deployment.relay_key() FROM PUBLIC;
GRANT EXECUTE ON FUNCTION users.readable(text) TO sitewire_user;
GRANT EXECUTE ON FUNCTION deployment.relay(boolean, integer) TO sitewire_deployment;

ALTER TABLE deployment.event_head ENABLE ROW LEVEL SECURITY;
CREATE POLICY read ON deployment.event_head FOR SELECT TO sitewire_service
    USING (users.is_admin() OR users.may_read(project));
GRANT SELECT ON deployment.event_head TO sitewire_service;

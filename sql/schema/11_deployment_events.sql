-- The way of events from the outbox to subscribers: they are numbered, in one order for everybody,
-- and then published. One statement, deployment.relay, numbers many events; sitewire-deployment
-- runs it (src/service/relay.c).

CREATE OR REPLACE FUNCTION deployment.relay_key() RETURNS bigint LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT hashtextextended('deployment.relay', 0)
$$;

-- Numbers up to `most` events and returns them; they are published after the commit. Once a second
-- it also returns the last event of each project with recent events, as kind `head`; at first those
-- of the last 1,000 events, whatever the clock says. The last row
-- has no position; its project_sequence is 1 if more events wait, otherwise 0. Without any row,
-- another session is relaying; this one has notified it, if it was woken itself.
--
-- A run takes all events that its snapshot sees, by id. So an event that was committed before a run
-- began is never numbered after one that was committed later. Everything that writes events of a
-- deployment locks the deployment first, so its event ids grow in the order of the commits.
-- Numbered events leave dead rows until the next vacuum; `since` avoids reading these again and
-- again.
--
-- Query plans are made while the tables are empty, and kept. Without this setting they would read
-- whole tables, however long these become.
CREATE OR REPLACE FUNCTION deployment.relay(woken boolean, most integer)
RETURNS TABLE ("position" bigint, project text, project_sequence bigint, deployment bigint, kind text, at timestamptz,
               payload text, previous_position bigint)
LANGUAGE plpgsql SECURITY DEFINER SET enable_seqscan = off AS $$
#variable_conflict use_column
DECLARE
    mine boolean := pg_try_advisory_xact_lock(deployment.relay_key());
    last deployment.relay;
    running xid8 := pg_snapshot_xmin(pg_current_snapshot());
    moved bigint;
    fresh boolean; -- this session begins to relay
BEGIN
    SELECT * INTO last FROM deployment.relay;
    IF last.until > clock_timestamp() + interval '3 s' THEN -- by the clock of another server
        last.holder := 0;
        last.until := NULL;
    END IF;
    IF NOT mine OR last.holder <> pg_backend_pid() AND last.until > clock_timestamp()
                   AND EXISTS (SELECT FROM pg_stat_activity a WHERE a.pid = last.holder) THEN
        IF woken THEN
            PERFORM pg_notify('deployment_outbox', '');
        END IF;
        RETURN;
    END IF;
    fresh := last.holder <> pg_backend_pid();
    IF fresh THEN
        -- After a restore from a dump, the stored transaction numbers are from another cluster.
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
    IF fresh OR last.until < clock_timestamp() + interval '2200 ms' THEN
        RETURN QUERY SELECT h.position, h.project, h.project_sequence, NULL::bigint, 'head', h.at, NULL, NULL::bigint
                     FROM deployment.event_head h
                     WHERE h.at > clock_timestamp() - interval '10 s' AND h.at < clock_timestamp() + interval '10 s'
                        OR fresh AND h.position > last.position - 1000 ORDER BY h.position;
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

-- When a project is renamed, its events get the new name, and the numbers go on.
CREATE OR REPLACE FUNCTION deployment.rename_events() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(deployment.relay_key());
    -- The events of an earlier project with that name.
    DELETE FROM deployment.event_head WHERE project = NEW.code;
    DELETE FROM deployment.event WHERE project = NEW.code;
    UPDATE deployment.outbox SET project = NEW.code WHERE project = OLD.code;
    UPDATE deployment.event_head SET project = NEW.code WHERE project = OLD.code;
    UPDATE deployment.event SET project = NEW.code WHERE project = OLD.code;
    RETURN NULL;
END $$;
SELECT sitewire.keep_trigger('rename_events', 'users.project', 'AFTER UPDATE',
                             'FOR EACH ROW WHEN (OLD.code <> NEW.code) EXECUTE FUNCTION deployment.rename_events()');

-- Events do not change, except that a renamed project takes them along.
CREATE OR REPLACE FUNCTION deployment.keep_event() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sitewire.fail('SW006', '', 'events cannot be changed');
    RETURN NULL;
END $$;
SELECT sitewire.keep_trigger('keep', 'deployment.event', 'BEFORE UPDATE OR DELETE',
                             'FOR EACH ROW WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION deployment.keep_event()'),
       sitewire.keep_trigger('keep_all', 'deployment.event', 'BEFORE TRUNCATE',
                             'FOR EACH STATEMENT EXECUTE FUNCTION deployment.keep_event()');

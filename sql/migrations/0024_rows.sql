-- compatible
-- The past belongs to the row and not to its name. `row_id` is the permanent number of a row: the
-- id of the change that made it. It stays when the row is renamed, and a row that is made later
-- under the same name has another one. `project_row` is that number of the project that the row
-- belonged to. Both follow from the other columns, so the chain of hashes does not contain them,
-- and older seals stay valid; `sitewire audit verify` computes them again. New changes get theirs
-- by a trigger (sql/schema/04_history.sql).
ALTER TABLE users.change ADD COLUMN row_id bigint, ADD COLUMN project_row bigint;
ALTER TABLE users.change DISABLE TRIGGER USER; -- it refuses changes of history

-- A span is the time during which a row had one name. It begins with an INSERT or a rename. A span
-- that begins with a rename continues the last span of the old name.
WITH RECURSIVE span AS MATERIALIZED (
    SELECT c.id, coalesce(max(c.id) FILTER (WHERE c.operation = 'INSERT' OR c.old_key IS NOT NULL) OVER name,
                          min(c.id) OVER name) AS begun
    FROM users.change c WINDOW name AS (PARTITION BY c.resource, c.key ORDER BY c.id)
), continued AS MATERIALIZED (
    SELECT r.id AS begun, s.begun AS previous
    FROM users.change r
    JOIN LATERAL (SELECT c.id FROM users.change c WHERE c.resource = r.resource AND c.key = r.old_key AND c.id < r.id
                  ORDER BY c.id DESC LIMIT 1) o ON true
    JOIN span s ON s.id = o.id
    WHERE r.old_key IS NOT NULL
), life AS (
    SELECT DISTINCT s.begun, s.begun AS row_id FROM span s WHERE NOT EXISTS (SELECT FROM continued x WHERE x.begun = s.begun)
    UNION ALL SELECT x.begun, l.row_id FROM life l JOIN continued x ON x.previous = l.begun
)
UPDATE users.change c SET row_id = l.row_id FROM span s JOIN life l ON l.begun = s.begun WHERE s.id = c.id;

ALTER TABLE users.change ALTER COLUMN row_id SET NOT NULL;
CREATE INDEX change_row ON users.change (row_id, id);

-- The project that had the name: the one that lived under it at that moment; or the one that left
-- the name in the same transaction, because a cascade is recorded after what caused it; or the one
-- that got the name in the same transaction.
UPDATE users.change c SET project_row = CASE WHEN c.resource = 'Project' THEN c.row_id ELSE coalesce(
    (SELECT CASE WHEN p.transaction = c.transaction
                   OR p.operation <> 'DELETE'
                      AND NOT EXISTS (SELECT FROM users.change a WHERE a.resource = 'Project' AND a.old_key = c.project
                                      AND a.id > p.id AND a.id < c.id)
                 THEN p.row_id END
     FROM users.change p WHERE p.resource = 'Project' AND p.key = c.project AND p.id < c.id ORDER BY p.id DESC LIMIT 1),
    (SELECT p.row_id FROM users.change p
     WHERE p.resource = 'Project' AND p.key = c.project AND p.id > c.id AND p.transaction = c.transaction
     ORDER BY p.id LIMIT 1)) END
WHERE c.project IS NOT NULL;

ALTER TABLE users.change ENABLE TRIGGER USER;

-- For changes that later migrations make, before the files in sql/schema are applied.
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
CREATE TRIGGER number_row BEFORE INSERT ON users.change FOR EACH ROW EXECUTE FUNCTION users.number_row();

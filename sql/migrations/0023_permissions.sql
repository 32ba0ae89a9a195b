-- compatible
-- The permissions run, command and override; the role Runner; robots; and who made an access right.

SELECT set_config('sitewire.reason', 'sql/migrations/0023_permissions.sql', true);

ALTER TABLE users.role DROP CONSTRAINT role__permissions__choice, ADD CONSTRAINT role__permissions__choice
    CHECK (permissions <@ '{read,deploy,command,approve,manage,run,override}' AND cardinality(permissions) <= 7);
ALTER TABLE users.rule DROP CONSTRAINT rule__needs__choice, ADD CONSTRAINT rule__needs__choice
    CHECK (needs IN ('profile', 'read', 'deploy', 'command', 'approve', 'manage', 'run', 'override', 'grant', 'member',
                     'scope', 'manager', 'own', 'admin'));

-- `deploy` used to include commands of one's own. `run` is given to nobody.
UPDATE users.role r SET permissions = ARRAY(
    SELECT p FROM unnest('{read,deploy,command,approve,manage,override}'::text[]) WITH ORDINALITY x (p, n)
    WHERE p = ANY (r.permissions) OR p = 'command' OR p = 'override' AND r.code = 'Admin' ORDER BY n)
WHERE 'deploy' = ANY (r.permissions);
INSERT INTO users.role (code, label, permissions) VALUES
    ('Runner', 'Runner of deployments: for robots', '{read,run}') ON CONFLICT DO NOTHING;

ALTER TABLE users."user" ADD COLUMN kind text COLLATE "C" NOT NULL DEFAULT 'PERSON'
    CONSTRAINT user__kind__choice CHECK (kind IN ('PERSON', 'ROBOT'));

-- Who made a right, and whether it was an admin; NULL: nobody known to sitewire. Rows that exist
-- already count as made by an admin. A trigger sets both (05_users.sql).
ALTER TABLE users.access_right
    ADD COLUMN made_by text COLLATE "C"
        CONSTRAINT access_right__made_by__ref REFERENCES users."user" ON UPDATE CASCADE ON DELETE SET NULL,
    ADD COLUMN made_by_admin boolean NOT NULL DEFAULT true;
ALTER TABLE users.access_right ALTER COLUMN made_by_admin SET DEFAULT false;
CREATE INDEX access_right_made_by ON users.access_right (made_by) WHERE made_by IS NOT NULL;

-- compatible
-- Limits for the output of deployments, what each project has stored on a day, and who removed
-- output (sql/schema/10_deployment_output.sql).

CREATE TABLE deployment.output_limit (
    code text COLLATE "C" DEFAULT 'default' CONSTRAINT output_limit__code__key PRIMARY KEY
        CONSTRAINT output_limit__code__choice CHECK (code = 'default'),
    deployment_bytes bigint NOT NULL DEFAULT 67108864
        CONSTRAINT output_limit__deployment_bytes__range CHECK (deployment_bytes >= 0),
    deployment_chunks integer NOT NULL DEFAULT 100000
        CONSTRAINT output_limit__deployment_chunks__range CHECK (deployment_chunks >= 0),
    project_day_bytes bigint NOT NULL DEFAULT 1073741824
        CONSTRAINT output_limit__project_day_bytes__range CHECK (project_day_bytes >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);
INSERT INTO deployment.output_limit DEFAULT VALUES;

-- The room for output that the deployments of a project have taken on a day (UTC), in bytes.
CREATE TABLE deployment.output_usage (
    project text COLLATE "C" NOT NULL
        CONSTRAINT output_usage__project__ref REFERENCES users.project ON UPDATE CASCADE ON DELETE CASCADE,
    day date NOT NULL,
    bytes bigint NOT NULL,
    CONSTRAINT output_usage__day__key PRIMARY KEY (project, day)
) WITH (fillfactor = 50);

-- Of the last chunk of a deployment: how many chunks and events its output has so far, the offset
-- up to which events have announced it (NULL: all of it), and the time of the next event
-- (deployment.announce_output).
ALTER TABLE deployment.deployment_log
    ADD COLUMN number integer NOT NULL DEFAULT 0,
    ADD COLUMN announced bigint,
    ADD COLUMN announce_at timestamptz NOT NULL DEFAULT '-infinity';

ALTER TABLE deployment.deployment
    ADD COLUMN output_removed_at timestamptz,
    ADD COLUMN output_remover text COLLATE "C"
        CONSTRAINT deployment__output_remover__ref REFERENCES users."user" ON UPDATE CASCADE,
    ADD CONSTRAINT deployment__output_remover__together CHECK (
        num_nonnulls(output_removed_at, output_remover) IN (0, 2) AND (output_removed_at IS NULL OR finished_at IS NOT NULL));
CREATE INDEX deployment_output_remover ON deployment.deployment (output_remover) WHERE output_remover IS NOT NULL;

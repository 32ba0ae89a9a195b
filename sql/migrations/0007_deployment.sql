-- Deployments: what was asked for, what ran, what it said, and what came of it. Which states there are, and which moves
-- between them, is kept by the trigger `state`: there is no way around it, at psql neither. What the methods do is in
-- the next migration.

CREATE SCHEMA deployment;

-- --- Words ---

CREATE TABLE deployment.deployment_status (
    code text COLLATE "C" CONSTRAINT deployment_status__code__key PRIMARY KEY
        CONSTRAINT deployment_status__code__code CHECK (sitewire.is_code(code)),
    label text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT deployment_status__label__text CHECK (sitewire.is_text(label, 256)),
    enabled boolean NOT NULL DEFAULT true,
    rank integer NOT NULL DEFAULT 0
        CONSTRAINT deployment_status__rank__range CHECK (rank >= 0),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);

CREATE TABLE deployment.deployment_type (
    code text COLLATE "C" CONSTRAINT deployment_type__code__key PRIMARY KEY
        CONSTRAINT deployment_type__code__code CHECK (sitewire.is_code(code)),
    label text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT deployment_type__label__text CHECK (sitewire.is_text(label, 256)),
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);

CREATE TABLE deployment.deployment_step (
    code text COLLATE "C" CONSTRAINT deployment_step__code__key PRIMARY KEY
        CONSTRAINT deployment_step__code__code CHECK (sitewire.is_code(code)),
    label text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT deployment_step__label__text CHECK (sitewire.is_text(label, 256)),
    rank integer NOT NULL DEFAULT 0
        CONSTRAINT deployment_step__rank__range CHECK (rank >= 0),
    enabled boolean NOT NULL DEFAULT true,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1
);

INSERT INTO deployment.deployment_status (code, label, rank) VALUES
    ('REQUESTED', 'Requested', 1), ('ACCEPTED', 'Accepted', 2), ('IN_PROGRESS', 'In progress', 3),
    ('DONE', 'Done', 4), ('FAILED', 'Failed', 5), ('ABORTED', 'Aborted', 6);
INSERT INTO deployment.deployment_type (code, label) VALUES
    ('WEBSITE', 'Website'), ('DRUPALDOCROOTCORE', 'Drupal core of a docroot'), ('CORE', 'CMS of a docroot');
INSERT INTO deployment.deployment_step (code, label, rank) VALUES
    ('PREDEPLOYMENT', 'Before', 1), ('DEPLOYMENT', 'Deployment', 2), ('POST', 'After', 3);

-- The moves. IN_PROGRESS to ACCEPTED takes a lost lease, too, and a request that says RETRY.
CREATE TABLE deployment.transition (
    "from" text COLLATE "C" NOT NULL
        CONSTRAINT transition__from__ref REFERENCES deployment.deployment_status,
    "to" text COLLATE "C" NOT NULL
        CONSTRAINT transition__to__ref REFERENCES deployment.deployment_status,
    CONSTRAINT transition__to__key PRIMARY KEY ("from", "to")
);
CREATE INDEX transition_to ON deployment.transition ("to");
INSERT INTO deployment.transition VALUES
    ('REQUESTED', 'ACCEPTED'), ('REQUESTED', 'ABORTED'),
    ('ACCEPTED', 'IN_PROGRESS'), ('ACCEPTED', 'ABORTED'),
    ('IN_PROGRESS', 'DONE'), ('IN_PROGRESS', 'FAILED'), ('IN_PROGRESS', 'ABORTED'), ('IN_PROGRESS', 'ACCEPTED');

-- --- Deployments ---

CREATE TABLE deployment.deployment (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT deployment__id__key PRIMARY KEY,
    project text COLLATE "C" NOT NULL
        CONSTRAINT deployment__project__ref REFERENCES users.project ON UPDATE CASCADE,
    type text COLLATE "C" NOT NULL
        CONSTRAINT deployment__type__ref REFERENCES deployment.deployment_type,
    docroot text COLLATE "C" NOT NULL,
    environment text COLLATE "C" NOT NULL,
    version text COLLATE "C" NOT NULL
        CONSTRAINT deployment__version__text CHECK (version <> '' AND sitewire.is_text(version, 128)),
    status text COLLATE "C" NOT NULL DEFAULT 'REQUESTED'
        CONSTRAINT deployment__status__ref REFERENCES deployment.deployment_status,
    requester text COLLATE "C" NOT NULL
        CONSTRAINT deployment__requester__ref REFERENCES users."user" ON UPDATE CASCADE,
    approver text COLLATE "C"
        CONSTRAINT deployment__approver__ref REFERENCES users."user" ON UPDATE CASCADE,
    reason text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT deployment__reason__text CHECK (sitewire.is_text(reason, 1000)),
    requested_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    accepted_at timestamptz,
    started_at timestamptz,
    finished_at timestamptz,
    runner text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT deployment__runner__code CHECK (runner = '' OR sitewire.is_code(runner)),
    runner_user text COLLATE "C"
        CONSTRAINT deployment__runner_user__ref REFERENCES users."user" ON UPDATE CASCADE,
    lease_until timestamptz,
    fence bigint NOT NULL DEFAULT 0,
    rollback_of bigint
        CONSTRAINT deployment__rollback_of__ref REFERENCES deployment.deployment ON DELETE SET NULL,
    failure text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT deployment__failure__text CHECK (length(failure) <= 4000),
    on_lost_lease text COLLATE "C" NOT NULL DEFAULT 'FAIL'
        CONSTRAINT deployment__on_lost_lease__choice CHECK (on_lost_lease IN ('FAIL', 'RETRY')),
    plan_hash text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT deployment__plan_hash__text CHECK (sitewire.is_text(plan_hash, 64)),
    replaces text COLLATE "C" NOT NULL DEFAULT '',
    queue bigint,
    aborter text COLLATE "C"
        CONSTRAINT deployment__aborter__ref REFERENCES users."user" ON UPDATE CASCADE,
    abort_reason text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT deployment__abort_reason__text CHECK (sitewire.is_text(abort_reason, 1000)),
    abort_requested_at timestamptz,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT deployment__environment__ref FOREIGN KEY (docroot, environment)
        REFERENCES referential.docroot_environment ON UPDATE CASCADE,
    -- Somebody is responsible for what runs, for a time that ends.
    CONSTRAINT deployment__runner__together CHECK (
        CASE status WHEN 'IN_PROGRESS' THEN runner <> '' AND runner_user IS NOT NULL AND lease_until IS NOT NULL AND fence > 0
                    ELSE lease_until IS NULL END),
    CONSTRAINT deployment__queue__together CHECK (status = 'REQUESTED' OR status = 'ABORTED' OR queue IS NOT NULL),
    CONSTRAINT deployment__finished_at__together CHECK (
        (status IN ('DONE', 'FAILED', 'ABORTED')) = (finished_at IS NOT NULL)),
    CONSTRAINT deployment__approver__choice CHECK (approver <> requester)
);
-- One at a time for each docroot environment, whatever its type.
CREATE UNIQUE INDEX deployment__environment__unique ON deployment.deployment (docroot, environment)
    WHERE status = 'IN_PROGRESS';
CREATE INDEX deployment_target ON deployment.deployment (docroot, environment, queue);
CREATE INDEX deployment_project ON deployment.deployment (project, id);
CREATE INDEX deployment_queue ON deployment.deployment (queue) WHERE status = 'ACCEPTED';
CREATE INDEX deployment_active ON deployment.deployment (docroot, environment, queue)
    WHERE status IN ('ACCEPTED', 'IN_PROGRESS');
CREATE INDEX deployment_lease ON deployment.deployment (lease_until) WHERE status = 'IN_PROGRESS';
CREATE INDEX deployment_of_status ON deployment.deployment (status, id);
CREATE INDEX deployment_of_type ON deployment.deployment (type);
CREATE INDEX deployment_requester ON deployment.deployment (requester);
CREATE INDEX deployment_approver ON deployment.deployment (approver) WHERE approver IS NOT NULL;
CREATE INDEX deployment_runner_user ON deployment.deployment (runner_user) WHERE runner_user IS NOT NULL;
CREATE INDEX deployment_aborter ON deployment.deployment (aborter) WHERE aborter IS NOT NULL;
CREATE INDEX deployment_rollback_of ON deployment.deployment (rollback_of) WHERE rollback_of IS NOT NULL;

-- The order of acceptance.
CREATE SEQUENCE deployment.queue;

CREATE TABLE deployment.deployment_command (
    deployment bigint NOT NULL
        CONSTRAINT deployment_command__deployment__ref REFERENCES deployment.deployment ON DELETE CASCADE,
    number integer NOT NULL
        CONSTRAINT deployment_command__number__range CHECK (number BETWEEN 1 AND 200),
    step text COLLATE "C" NOT NULL
        CONSTRAINT deployment_command__step__ref REFERENCES deployment.deployment_step,
    argv text[] COLLATE "C" NOT NULL DEFAULT '{}'
        CONSTRAINT deployment_command__argv__range
        CHECK (cardinality(argv) <= 256 AND array_position(argv, NULL) IS NULL AND octet_length(argv::text) <= 131072),
    shell text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT deployment_command__shell__range CHECK (octet_length(shell) <= 65536),
    timeout_s integer NOT NULL DEFAULT 3600
        CONSTRAINT deployment_command__timeout_s__range CHECK (timeout_s BETWEEN 1 AND 86400),
    retries integer NOT NULL DEFAULT 0
        CONSTRAINT deployment_command__retries__range CHECK (retries BETWEEN 0 AND 10),
    continue_on_failure boolean NOT NULL DEFAULT false,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT deployment_command__number__key PRIMARY KEY (deployment, number),
    CONSTRAINT deployment_command__argv__together CHECK ((argv = '{}') <> (shell = '') AND argv[1] IS DISTINCT FROM '')
);
CREATE INDEX deployment_command_step ON deployment.deployment_command (step);

CREATE TABLE deployment.deployment_command_result (
    deployment bigint NOT NULL,
    command integer NOT NULL,
    attempt integer NOT NULL
        CONSTRAINT deployment_command_result__attempt__range CHECK (attempt >= 1),
    started_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    finished_at timestamptz,
    exit_code integer,
    signal integer,
    timed_out boolean NOT NULL DEFAULT false,
    stdout_bytes bigint NOT NULL DEFAULT 0
        CONSTRAINT deployment_command_result__stdout_bytes__range CHECK (stdout_bytes >= 0),
    stderr_bytes bigint NOT NULL DEFAULT 0
        CONSTRAINT deployment_command_result__stderr_bytes__range CHECK (stderr_bytes >= 0),
    truncated boolean NOT NULL DEFAULT false,
    failure text COLLATE "C" NOT NULL DEFAULT ''
        CONSTRAINT deployment_command_result__failure__text CHECK (length(failure) <= 1000),
    runner text COLLATE "C" NOT NULL DEFAULT '',
    fence bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT deployment_command_result__attempt__key PRIMARY KEY (deployment, command, attempt),
    CONSTRAINT deployment_command_result__command__ref FOREIGN KEY (deployment, command)
        REFERENCES deployment.deployment_command ON DELETE CASCADE,
    -- Over or not; and what is over ended somehow.
    CONSTRAINT deployment_command_result__finished_at__together CHECK (
        CASE WHEN finished_at IS NULL THEN num_nonnulls(exit_code, signal) = 0 AND NOT timed_out AND failure = ''
             ELSE exit_code IS NOT NULL OR signal IS NOT NULL OR timed_out OR failure <> '' END)
);
-- One at a time.
CREATE UNIQUE INDEX deployment_command_result__finished_at__unique
    ON deployment.deployment_command_result (deployment) WHERE finished_at IS NULL;

-- Output is not compressed on its way: it is written once, quickly, and mostly read soon.
CREATE TABLE deployment.deployment_log (
    deployment bigint NOT NULL,
    "offset" bigint NOT NULL
        CONSTRAINT deployment_log__offset__range CHECK ("offset" >= 0),
    command integer NOT NULL,
    attempt integer NOT NULL,
    stream text COLLATE "C" NOT NULL
        CONSTRAINT deployment_log__stream__choice CHECK (stream IN ('stdout', 'stderr')),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    bytes bytea NOT NULL
        CONSTRAINT deployment_log__bytes__range CHECK (octet_length(bytes) BETWEEN 1 AND 1048576),
    fence bigint NOT NULL,
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT deployment_log__offset__key PRIMARY KEY (deployment, "offset"),
    CONSTRAINT deployment_log__attempt__ref FOREIGN KEY (deployment, command, attempt)
        REFERENCES deployment.deployment_command_result ON DELETE CASCADE
);
CREATE INDEX deployment_log_attempt ON deployment.deployment_log (deployment, command, attempt);
ALTER TABLE deployment.deployment_log ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- --- Events ---

-- What happened, written by the transaction in which it did. The relay moves it to deployment.published, in the order of
-- commits: first those of all transactions that are older than any that runs (pg_snapshot_xmin), by transaction and id.
-- For one deployment that is the order in which things happened, as each method locks its row before it writes anything.
CREATE TABLE deployment.outbox (
    id bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT outbox__id__key PRIMARY KEY,
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    project text COLLATE "C" NOT NULL,
    deployment bigint NOT NULL,
    kind text COLLATE "C" NOT NULL
        CONSTRAINT outbox__kind__choice CHECK (kind IN ('state', 'command', 'log')),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    payload text NOT NULL,
    log_offset bigint -- of a log: its chunk
);

CREATE TABLE deployment.published (
    position bigint CONSTRAINT published__position__key PRIMARY KEY,
    project text COLLATE "C" NOT NULL,
    project_sequence bigint NOT NULL,
    deployment bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    payload text NOT NULL,
    log_offset bigint,
    CONSTRAINT published__project_sequence__key UNIQUE (project, project_sequence)
);
CREATE INDEX published_deployment ON deployment.published (deployment, position);

-- As the API shows them. Output is stored once, as the log.
CREATE VIEW deployment.event WITH (security_invoker = true) AS
SELECT p.position, p.project, p.project_sequence, p.deployment, p.kind, p.at, p.payload, l.bytes AS output,
       p.at AS created_at, p.at AS updated_at, bigint '1' AS revision
FROM deployment.published p
LEFT JOIN deployment.deployment_log l ON l.deployment = p.deployment AND l."offset" = p.log_offset;

-- --- What a plan is ---

CREATE TYPE deployment.fact AS (name text, value text);

-- What will be there when the turn of a deployment comes: what the last one before it brings, or what is there.
CREATE FUNCTION deployment.version_before(d deployment.deployment, kind text) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    version text;
BEGIN
    SELECT o.version INTO version FROM deployment.deployment o
    WHERE o.docroot = d.docroot AND o.environment = d.environment AND o.status IN ('ACCEPTED', 'IN_PROGRESS')
      AND o.type = kind AND (kind <> 'WEBSITE' OR o.project = d.project) AND (d.queue IS NULL OR o.queue < d.queue)
    ORDER BY o.queue DESC LIMIT 1;
    IF FOUND THEN
        RETURN version;
    ELSIF kind = 'WEBSITE' THEN
        RETURN coalesce((SELECT w.website_version FROM referential.website_deployed w
                         WHERE 'website:' || w.website = d.project AND w.docroot = d.docroot
                           AND w.environment = d.environment), '');
    END IF;
    RETURN coalesce((SELECT CASE kind WHEN 'CORE' THEN e.cms_version ELSE e.drupal_docroot_core_version END
                     FROM referential.docroot_environment e
                     WHERE e.docroot = d.docroot AND e.environment = d.environment), '');
END $$;

-- The registry's rows about the target, as they will be.
CREATE FUNCTION deployment.target_of(d deployment.deployment) RETURNS jsonb LANGUAGE plpgsql STABLE AS $$
DECLARE
    book text[] := '{created_at,updated_at,revision}';
BEGIN
    RETURN jsonb_strip_nulls((SELECT jsonb_build_object(
        'environment', to_jsonb(e) - book,
        'docroot', to_jsonb(r) - book,
        'docroot_environment', to_jsonb(t) - book || jsonb_build_object(
            'cms_version', deployment.version_before(d, 'CORE'),
            'drupal_docroot_core_version', deployment.version_before(d, 'DRUPALDOCROOTCORE')),
        'servers', (SELECT coalesce(jsonb_agg(s.server ORDER BY s.server), '[]')
                    FROM referential.docroot_environment_server s
                    WHERE s.docroot = d.docroot AND s.environment = d.environment))
        FROM referential.docroot_environment t
        JOIN referential.environment e ON e.code = t.environment
        JOIN referential.docroot r ON r.code = t.docroot
        WHERE t.docroot = d.docroot AND t.environment = d.environment)
    || (SELECT jsonb_build_object('website', to_jsonb(w) - book, 'drupal_docroot_core', to_jsonb(c) - book)
        FROM users.project p LEFT JOIN referential.website w ON w.code = p.website
        LEFT JOIN referential.drupal_docroot_core c ON c.code = p.drupal_docroot_core
        WHERE p.code = d.project)
    || jsonb_build_object('version', deployment.version_before(d, d.type)));
END $$;

-- All that a plan says, of which an approver approves the hash. jsonb has one spelling for each value.
CREATE FUNCTION deployment.hash_of(d deployment.deployment) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN encode(sha256(convert_to(jsonb_build_object(
        'project', d.project, 'type', d.type, 'docroot', d.docroot, 'environment', d.environment, 'version', d.version,
        'on_lost_lease', d.on_lost_lease, 'requester', d.requester, 'rollback_of', d.rollback_of,
        'commands', (SELECT jsonb_agg(to_jsonb(c) - '{deployment,created_at,updated_at,revision}'::text[] ORDER BY c.number)
                     FROM deployment.deployment_command c WHERE c.deployment = d.id),
        'target', deployment.target_of(d))::text, 'UTF8')), 'hex');
END $$;

-- Why a deployment that was accepted must not run any more; NULL if it may.
CREATE FUNCTION deployment.void_of(d deployment.deployment) RETURNS text LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF NOT (SELECT e.protected FROM referential.environment e WHERE e.code = d.environment) THEN
        RETURN NULL;
    ELSIF d.approver IS NULL THEN
        RETURN format('the environment %s is protected now, and nobody has approved this: request it again', d.environment);
    ELSIF deployment.hash_of(d) <> d.plan_hash THEN
        RETURN format('the plan is not the one any more that %s approved: request it again', d.approver);
    END IF;
    RETURN NULL;
END $$;

-- --- States ---

-- A reference that a renaming changes: what it named is gone by that name.
CREATE FUNCTION deployment.keep_references(old jsonb, new jsonb) RETURNS void LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF old->>'project' <> new->>'project' AND EXISTS (SELECT FROM users.project WHERE code = old->>'project')
       OR (old->>'docroot', old->>'environment') <> (new->>'docroot', new->>'environment')
           AND EXISTS (SELECT FROM referential.docroot_environment e
                       WHERE (e.docroot, e.environment) = (old->>'docroot', old->>'environment'))
       OR old->>'requester' <> new->>'requester' AND EXISTS (SELECT FROM users."user" WHERE email = old->>'requester') THEN
        PERFORM sitewire.fail('SW006', 'status', 'what was asked for stays as it is: request another deployment');
    END IF;
END $$;

-- A move into a state: what it takes, and what it sets. The caller has locked the row.
CREATE FUNCTION deployment.accept(old deployment.deployment, INOUT d deployment.deployment) LANGUAGE plpgsql AS $$
BEGIN
    IF old.status = 'IN_PROGRESS' THEN
        IF d.on_lost_lease <> 'RETRY' OR old.lease_until >= clock_timestamp() THEN
            PERFORM sitewire.fail('SW006', 'status', 'what is IN_PROGRESS is claimed again only where the request says RETRY, '
                                                     'and after its lease was lost');
        END IF;
        d.lease_until := NULL;
        RETURN;
    END IF;
    -- The queue of a target has one order, also for those that come at the same time.
    PERFORM pg_advisory_xact_lock(hashtextextended(format('deployment %s/%s', d.docroot, d.environment), 0));
    d.queue := nextval('deployment.queue');
    d.accepted_at := clock_timestamp();
    IF (SELECT e.protected FROM referential.environment e WHERE e.code = d.environment) THEN
        IF d.approver IS NULL THEN
            PERFORM sitewire.fail('SW006', 'status', format('%s is protected: somebody other than %s must approve this',
                                                            d.environment, d.requester));
        ELSIF deployment.hash_of(d) <> d.plan_hash THEN
            PERFORM sitewire.fail('SW007', 'plan_hash', 'the plan is another one now: read it again, and decide again');
        END IF;
    END IF;
END $$;

CREATE FUNCTION deployment.take(old deployment.deployment, INOUT d deployment.deployment) LANGUAGE plpgsql AS $$
DECLARE
    first bigint;
BEGIN
    SELECT o.id INTO first FROM deployment.deployment o
    WHERE o.docroot = d.docroot AND o.environment = d.environment AND o.status IN ('ACCEPTED', 'IN_PROGRESS')
      AND o.queue < d.queue
    ORDER BY o.queue LIMIT 1;
    IF FOUND THEN
        PERFORM sitewire.fail('SW006', 'status', format('deployment %s comes first on %s/%s', first, d.docroot,
                                                        d.environment));
    ELSIF deployment.void_of(d) IS NOT NULL THEN
        PERFORM sitewire.fail('SW006', 'status', deployment.void_of(d));
    END IF;
    d.fence := old.fence + 1;
    d.started_at := clock_timestamp();
    d.replaces := deployment.version_before(d, d.type);
END $$;

CREATE FUNCTION deployment.finish(old deployment.deployment, INOUT d deployment.deployment) LANGUAGE plpgsql AS $$
DECLARE
    left_over integer;
BEGIN
    IF d.status = 'DONE' THEN
        SELECT c.number INTO left_over FROM deployment.deployment_command c
        WHERE c.deployment = d.id AND NOT EXISTS (
            SELECT FROM deployment.deployment_command_result r
            WHERE r.deployment = d.id AND r.command = c.number AND r.finished_at IS NOT NULL
              AND (c.continue_on_failure OR r.exit_code = 0 AND NOT r.timed_out))
        ORDER BY c.number LIMIT 1;
        IF FOUND THEN
            PERFORM sitewire.fail('SW006', 'outcome', format('command %s of deployment %s has not succeeded', left_over, d.id));
        END IF;
    END IF;
    d.finished_at := clock_timestamp();
    d.lease_until := NULL;
END $$;

CREATE FUNCTION deployment.keep_state() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    -- Set by the moves and the methods; all else is what was asked for.
    moving text[] := '{status,approver,accepted_at,started_at,finished_at,runner,runner_user,lease_until,fence,failure,'
                     'plan_hash,replaces,queue,aborter,abort_reason,abort_requested_at,updated_at,revision,created_at}';
    renamed text[] := '{project,docroot,environment,requester,approver,runner_user,aborter,rollback_of}';
    old_row jsonb;
    new_row jsonb;
    over text[] := '{DONE,FAILED,ABORTED}';
BEGIN
    IF TG_OP = 'INSERT' THEN
        IF NEW.status <> 'REQUESTED' OR NEW.fence <> 0 OR NEW.queue IS NOT NULL OR NEW.approver IS NOT NULL THEN
            PERFORM sitewire.fail('SW006', 'status', 'a deployment begins as REQUESTED');
        END IF;
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' THEN
        IF OLD.status <> ALL (over) THEN
            PERFORM sitewire.fail('SW006', 'id', format('deployment %s is %s: abort it first', OLD.id, OLD.status));
        END IF;
        RETURN OLD;
    END IF;
    old_row := to_jsonb(OLD);
    new_row := to_jsonb(NEW);
    IF old_row - moving - renamed IS DISTINCT FROM new_row - moving - renamed
       OR OLD.rollback_of <> NEW.rollback_of OR OLD.rollback_of IS NULL AND NEW.rollback_of IS NOT NULL THEN
        PERFORM sitewire.fail('SW006', 'status', 'what was asked for stays as it is: request another deployment');
    END IF;
    PERFORM deployment.keep_references(old_row, new_row);
    IF NEW.status <> OLD.status THEN
        IF NOT EXISTS (SELECT FROM deployment.transition t WHERE t."from" = OLD.status AND t."to" = NEW.status) THEN
            PERFORM sitewire.fail('SW006', 'status', format('deployment %s is %s: it cannot become %s', OLD.id, OLD.status,
                                                            NEW.status));
        END IF;
        NEW.fence := OLD.fence;
        NEW.queue := OLD.queue;
        NEW := CASE NEW.status WHEN 'ACCEPTED' THEN deployment.accept(OLD, NEW)
                               WHEN 'IN_PROGRESS' THEN deployment.take(OLD, NEW)
                               ELSE deployment.finish(OLD, NEW) END;
    ELSIF OLD.status = ANY (over) THEN
        IF old_row - renamed - '{updated_at,revision}'::text[] IS DISTINCT FROM new_row - renamed - '{updated_at,revision}'::text[]
        THEN
            PERFORM sitewire.fail('SW006', 'status', format('deployment %s is %s: it stays as it is', OLD.id, OLD.status));
        END IF;
    ELSIF (NEW.fence, NEW.runner, NEW.started_at, NEW.accepted_at, NEW.replaces) IS DISTINCT FROM
          (OLD.fence, OLD.runner, OLD.started_at, OLD.accepted_at, OLD.replaces) OR NEW.queue IS DISTINCT FROM OLD.queue
          OR NEW.plan_hash <> OLD.plan_hash AND OLD.status <> 'REQUESTED' THEN
        PERFORM sitewire.fail('SW006', 'status', 'these are set by a change of status only');
    ELSIF NEW.lease_until IS DISTINCT FROM OLD.lease_until AND OLD.lease_until < clock_timestamp() THEN
        PERFORM sitewire.fail('SW007', 'fence', format('the lease of deployment %s ran out', OLD.id));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER state BEFORE INSERT OR UPDATE OR DELETE ON deployment.deployment
    FOR EACH ROW EXECUTE FUNCTION deployment.keep_state();

-- What follows from a change of state: the attempt under way is over, the registry says what runs there now, and those who
-- watch are told.
CREATE FUNCTION deployment.follow_state() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'UPDATE' AND OLD.status = 'IN_PROGRESS' AND NEW.status <> 'IN_PROGRESS' THEN
        UPDATE deployment.deployment_command_result r
        SET finished_at = clock_timestamp(), failure = CASE
            WHEN OLD.lease_until < clock_timestamp() THEN format('the runner %s was lost', OLD.runner)
            ELSE format('not over when the deployment was %s', NEW.status) END
        WHERE r.deployment = NEW.id AND r.finished_at IS NULL;
    END IF;
    IF TG_OP = 'UPDATE' AND NEW.status = 'DONE' AND OLD.status <> 'DONE' THEN
        IF NEW.type = 'WEBSITE' THEN
            INSERT INTO referential.website_deployed AS w (website, docroot, environment, website_version)
            SELECT p.website, NEW.docroot, NEW.environment, NEW.version FROM users.project p WHERE p.code = NEW.project
            ON CONFLICT (website, docroot, environment) DO UPDATE SET website_version = excluded.website_version;
        ELSE
            UPDATE referential.docroot_environment e
            SET cms_version = CASE NEW.type WHEN 'CORE' THEN NEW.version ELSE e.cms_version END,
                drupal_docroot_core_version = CASE NEW.type WHEN 'DRUPALDOCROOTCORE' THEN NEW.version
                                                            ELSE e.drupal_docroot_core_version END
            WHERE e.docroot = NEW.docroot AND e.environment = NEW.environment;
        END IF;
    END IF;
    IF TG_OP = 'INSERT' OR NEW.status <> OLD.status OR NEW.abort_requested_at IS DISTINCT FROM OLD.abort_requested_at THEN
        INSERT INTO deployment.outbox (project, deployment, kind, payload)
        VALUES (NEW.project, NEW.id, 'state', jsonb_strip_nulls(jsonb_build_object(
            'from', CASE WHEN TG_OP = 'UPDATE' THEN OLD.status END, 'status', NEW.status,
            'by', nullif(current_setting('sitewire.user', true), ''),
            'approver', CASE WHEN NEW.status = 'ACCEPTED' THEN NEW.approver END,
            'runner', nullif(NEW.runner, ''), 'failure', nullif(NEW.failure, ''),
            'abort', CASE WHEN NEW.status = 'IN_PROGRESS' AND NEW.abort_requested_at IS NOT NULL THEN true END))::text);
    END IF;
    RETURN NULL;
END $$;
CREATE TRIGGER follow AFTER INSERT OR UPDATE ON deployment.deployment
    FOR EACH ROW EXECUTE FUNCTION deployment.follow_state();

-- What hangs on a deployment is added while it may be, and goes with it only.
CREATE FUNCTION deployment.keep_command() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' AND EXISTS (SELECT FROM deployment.deployment d WHERE d.id = NEW.deployment AND d.status = 'REQUESTED'
                                    AND d.plan_hash = '') THEN
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM deployment.deployment d WHERE d.id = OLD.deployment) THEN
        RETURN OLD;
    END IF;
    PERFORM sitewire.fail('SW006', 'commands', 'the commands of a deployment stay as they were asked for');
    RETURN NULL;
END $$;
CREATE TRIGGER state BEFORE INSERT OR UPDATE OR DELETE ON deployment.deployment_command
    FOR EACH ROW EXECUTE FUNCTION deployment.keep_command();

-- Results and output come from who holds the deployment. What nobody holds any more is ended as a failure.
CREATE FUNCTION deployment.keep_result() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    held boolean;
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM deployment.deployment d WHERE d.id = OLD.deployment) THEN
            PERFORM sitewire.fail('SW006', 'deployment', 'results and output go with their deployment only');
        END IF;
        RETURN OLD;
    END IF;
    held := EXISTS (SELECT FROM deployment.deployment d WHERE d.id = NEW.deployment AND d.status = 'IN_PROGRESS'
                    AND d.fence = NEW.fence AND d.lease_until >= clock_timestamp());
    IF TG_OP = 'UPDATE' THEN
        IF to_jsonb(OLD)->'finished_at' IS DISTINCT FROM 'null'::jsonb
           OR (NEW.deployment, NEW.command, NEW.attempt, NEW.started_at, NEW.fence, NEW.runner) IS DISTINCT FROM
              (OLD.deployment, OLD.command, OLD.attempt, OLD.started_at, OLD.fence, OLD.runner) THEN
            PERFORM sitewire.fail('SW006', 'attempt', 'a result stays as it is');
        END IF;
        held := held OR NEW.exit_code IS NULL AND NEW.failure <> ''
                AND NOT EXISTS (SELECT FROM deployment.deployment d WHERE d.id = NEW.deployment AND d.status = 'IN_PROGRESS'
                                AND d.fence = NEW.fence);
    END IF;
    IF NOT held THEN
        PERFORM sitewire.fail('SW007', 'fence', format('deployment %s is not held with fence %s', NEW.deployment, NEW.fence));
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER state BEFORE INSERT OR UPDATE OR DELETE ON deployment.deployment_command_result
    FOR EACH ROW EXECUTE FUNCTION deployment.keep_result();

CREATE FUNCTION deployment.follow_result() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO deployment.outbox (project, deployment, kind, payload)
    SELECT d.project, d.id, 'command', jsonb_strip_nulls(
        jsonb_build_object('command', NEW.command, 'attempt', NEW.attempt, 'step', c.step)
        || CASE WHEN NEW.finished_at IS NULL THEN '{}' ELSE jsonb_build_object(
            'finished_at', to_char(NEW.finished_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'),
            'exit_code', NEW.exit_code, 'signal', NEW.signal, 'timed_out', nullif(NEW.timed_out, false),
            'failure', nullif(NEW.failure, ''), 'stdout_bytes', NEW.stdout_bytes, 'stderr_bytes', NEW.stderr_bytes,
            'truncated', nullif(NEW.truncated, false)) END)::text
    FROM deployment.deployment d JOIN deployment.deployment_command c ON c.deployment = d.id AND c.number = NEW.command
    WHERE d.id = NEW.deployment;
    RETURN NULL;
END $$;
CREATE TRIGGER follow AFTER INSERT OR UPDATE ON deployment.deployment_command_result
    FOR EACH ROW EXECUTE FUNCTION deployment.follow_result();

CREATE FUNCTION deployment.keep_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    IF TG_OP = 'INSERT' AND EXISTS (SELECT FROM deployment.deployment d WHERE d.id = NEW.deployment
            AND d.status = 'IN_PROGRESS' AND d.fence = NEW.fence AND d.lease_until >= clock_timestamp()) THEN
        RETURN NEW;
    ELSIF TG_OP = 'DELETE' AND NOT EXISTS (SELECT FROM deployment.deployment d WHERE d.id = OLD.deployment) THEN
        RETURN OLD;
    ELSIF TG_OP = 'INSERT' THEN
        PERFORM sitewire.fail('SW007', 'fence', format('deployment %s is not held with fence %s', NEW.deployment, NEW.fence));
    END IF;
    PERFORM sitewire.fail('SW006', 'deployment', 'output stays as it is, and goes with its deployment only');
    RETURN NULL;
END $$;
CREATE TRIGGER state BEFORE INSERT OR UPDATE OR DELETE ON deployment.deployment_log
    FOR EACH ROW EXECUTE FUNCTION deployment.keep_log();

CREATE FUNCTION deployment.follow_log() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    INSERT INTO deployment.outbox (project, deployment, kind, payload, log_offset)
    SELECT d.project, d.id, 'log', format('{"command":%s,"attempt":%s,"stream":"%s","offset":%s,"size":%s}', NEW.command,
                                          NEW.attempt, NEW.stream, NEW."offset", octet_length(NEW.bytes)), NEW."offset"
    FROM deployment.deployment d WHERE d.id = NEW.deployment;
    RETURN NULL;
END $$;
CREATE TRIGGER follow AFTER INSERT ON deployment.deployment_log
    FOR EACH ROW EXECUTE FUNCTION deployment.follow_log();

-- --- Rights ---

-- Fixed words and moves: the words may be changed, by admins, but nobody adds or removes one.
CREATE FUNCTION deployment.keep_words() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sitewire.fail('SW006', '', 'what there is is fixed: it can be changed, not added to or removed');
    RETURN NULL;
END $$;

DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY '{deployment_status,deployment_type,deployment_step,deployment,deployment_command,
                            deployment_command_result,deployment_log}'::text[] LOOP
        EXECUTE format('CREATE TRIGGER touch BEFORE UPDATE ON deployment.%s FOR EACH ROW EXECUTE FUNCTION sitewire.touch()',
                       name);
    END LOOP;
    FOREACH name IN ARRAY '{deployment_status,deployment_type,deployment_step,deployment}'::text[] LOOP
        EXECUTE format('CREATE TRIGGER guard BEFORE INSERT OR UPDATE OR DELETE ON deployment.%s FOR EACH ROW '
                       'WHEN (current_setting(''sitewire.admin'', true) IS DISTINCT FROM ''on'') '
                       'EXECUTE FUNCTION users.guard(%L)', name, sitewire.resource_of(name));
    END LOOP;
    FOREACH name IN ARRAY '{deployment_status,deployment_type,deployment_step,transition}'::text[] LOOP
        EXECUTE format('CREATE TRIGGER words AFTER INSERT OR DELETE ON deployment.%s '
                       'FOR EACH ROW EXECUTE FUNCTION deployment.keep_words()', name);
    END LOOP;
END $$;
CREATE TRIGGER fixed AFTER UPDATE ON deployment.transition FOR EACH ROW EXECUTE FUNCTION deployment.keep_words();

INSERT INTO users.rule
SELECT resource, action, CASE action WHEN 'read' THEN 'profile' ELSE 'admin' END
FROM unnest('{DeploymentStatus,DeploymentType,DeploymentStep}'::text[]) resource, unnest('{read,update}'::text[]) action;
INSERT INTO users.rule VALUES
    ('Deployment', 'read', 'read'),
    ('Deployment', 'create', 'deploy'),
    ('Deployment', 'delete', 'admin'),
    ('DeploymentCommand', 'read', 'read'),
    ('DeploymentCommandResult', 'read', 'read'),
    ('DeploymentLog', 'read', 'read');

CREATE FUNCTION deployment.project_of(id bigint) RETURNS text LANGUAGE plpgsql STABLE PARALLEL SAFE SECURITY DEFINER AS $$
BEGIN
    RETURN (SELECT d.project FROM deployment.deployment d WHERE d.id = project_of.id);
END $$;
-- As in 0005_rights.sql, and what belongs to a deployment.
CREATE OR REPLACE FUNCTION users.project_of(resource text, "row" jsonb) RETURNS text LANGUAGE sql STABLE PARALLEL SAFE AS $$
    SELECT CASE resource
        WHEN 'Website' THEN 'website:' || ("row"->>'code')
        WHEN 'DrupalDocrootCore' THEN 'drupaldocrootcore:' || ("row"->>'code')
        WHEN 'WebsiteDeployed' THEN 'website:' || ("row"->>'website')
        WHEN 'Domain' THEN 'website:' || ("row"->>'website')
        WHEN 'Project' THEN "row"->>'code'
        WHEN 'AccessRight' THEN "row"->>'project'
        WHEN 'Deployment' THEN "row"->>'project'
        WHEN 'DeploymentCommand' THEN deployment.project_of(("row"->>'deployment')::bigint)
        WHEN 'DeploymentCommandResult' THEN deployment.project_of(("row"->>'deployment')::bigint)
        WHEN 'DeploymentLog' THEN deployment.project_of(("row"->>'deployment')::bigint)
    END
$$;

ALTER TABLE deployment.deployment ENABLE ROW LEVEL SECURITY;
ALTER TABLE deployment.deployment_command ENABLE ROW LEVEL SECURITY;
ALTER TABLE deployment.deployment_command_result ENABLE ROW LEVEL SECURITY;
ALTER TABLE deployment.deployment_log ENABLE ROW LEVEL SECURITY;
ALTER TABLE deployment.published ENABLE ROW LEVEL SECURITY;
CREATE POLICY read ON deployment.deployment FOR SELECT TO sitewire_service
    USING (users.is_admin() OR users.may_read(project));
CREATE POLICY "delete" ON deployment.deployment FOR DELETE TO sitewire_service USING (true);
CREATE POLICY read ON deployment.deployment_command FOR SELECT TO sitewire_service
    USING (users.is_admin() OR users.may_read(deployment.project_of(deployment)));
CREATE POLICY read ON deployment.deployment_command_result FOR SELECT TO sitewire_service
    USING (users.is_admin() OR users.may_read(deployment.project_of(deployment)));
CREATE POLICY read ON deployment.deployment_log FOR SELECT TO sitewire_service
    USING (users.is_admin() OR users.may_read(deployment.project_of(deployment)));
CREATE POLICY read ON deployment.published FOR SELECT TO sitewire_service
    USING (users.is_admin() OR users.may_read(project));

-- The service writes through the methods only, which are in the next migration.
GRANT USAGE ON SCHEMA deployment TO sitewire_service;
GRANT SELECT ON deployment.deployment_status, deployment.deployment_type, deployment.deployment_step, deployment.transition,
    deployment.deployment, deployment.deployment_command, deployment.deployment_command_result, deployment.deployment_log,
    deployment.published, deployment.event TO sitewire_service;
GRANT INSERT, UPDATE ON deployment.deployment_status, deployment.deployment_type, deployment.deployment_step
    TO sitewire_deployment;
GRANT DELETE ON deployment.deployment TO sitewire_deployment;
REVOKE EXECUTE ON FUNCTION deployment.project_of(bigint) FROM PUBLIC;
GRANT EXECUTE ON FUNCTION deployment.project_of(bigint) TO sitewire_service;

SELECT sitewire.keep_history(format('deployment.%s', name)::regclass)
FROM unnest('{deployment_status,deployment_type,deployment_step,deployment,deployment_command,
              deployment_command_result}'::text[]) name;
-- That a lease was renewed is no news.
DROP TRIGGER record_update ON deployment.deployment;
CREATE TRIGGER record_update AFTER UPDATE ON deployment.deployment FOR EACH ROW
    WHEN (OLD IS DISTINCT FROM NEW AND (OLD.lease_until IS NOT DISTINCT FROM NEW.lease_until OR OLD.status <> NEW.status))
    EXECUTE FUNCTION users.record('Deployment', 'id');

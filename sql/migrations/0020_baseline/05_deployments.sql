-- Deployments: what was requested, what ran, what it printed, how it ended, and the events about
-- it.

CREATE SCHEMA deployment;

-- --- Statuses, types, steps ---

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

-- The allowed changes of status. IN_PROGRESS to ACCEPTED also needs a lost lease and a request that
-- says RETRY.
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
    -- A running deployment has a responsible runner, for a limited time.
    CONSTRAINT deployment__runner__together CHECK (
        CASE status WHEN 'IN_PROGRESS' THEN runner <> '' AND runner_user IS NOT NULL AND lease_until IS NOT NULL AND fence > 0
                    ELSE lease_until IS NULL END),
    CONSTRAINT deployment__queue__together CHECK (status = 'REQUESTED' OR status = 'ABORTED' OR queue IS NOT NULL),
    CONSTRAINT deployment__finished_at__together CHECK (
        (status IN ('DONE', 'FAILED', 'ABORTED')) = (finished_at IS NOT NULL)),
    CONSTRAINT deployment__approver__choice CHECK (approver <> requester),
    -- A deployment that is only requested has been neither approved, started nor aborted.
    CONSTRAINT deployment__status__together CHECK (
        status <> 'REQUESTED' OR num_nonnulls(approver, accepted_at, started_at, runner_user, aborter, abort_requested_at) = 0
                                 AND concat(runner, failure, replaces, abort_reason) = '')
);
-- Only one deployment runs on a docroot environment at a time, whatever its type.
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
    -- An attempt that is not over has no outcome; one that is over has at least one.
    CONSTRAINT deployment_command_result__finished_at__together CHECK (
        CASE WHEN finished_at IS NULL THEN num_nonnulls(exit_code, signal) = 0 AND NOT timed_out AND failure = ''
             ELSE exit_code IS NOT NULL OR signal IS NOT NULL OR timed_out OR failure <> '' END)
);
-- Only one attempt runs at a time.
CREATE UNIQUE INDEX deployment_command_result__finished_at__unique
    ON deployment.deployment_command_result (deployment) WHERE finished_at IS NULL;

-- Output is stored uncompressed: it is written once and mostly read soon afterwards.
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

-- Events, written by the transaction in which they happened. deployment.relay moves them to
-- deployment.event.
CREATE TABLE deployment.outbox (
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id(),
    id bigint GENERATED ALWAYS AS IDENTITY,
    project text COLLATE "C" NOT NULL,
    deployment bigint NOT NULL,
    kind text COLLATE "C" NOT NULL
        CONSTRAINT outbox__kind__choice CHECK (kind IN ('state', 'command', 'log')),
    at timestamptz NOT NULL DEFAULT clock_timestamp(),
    payload text NOT NULL,
    CONSTRAINT outbox__id__key PRIMARY KEY (transaction, id)
);

CREATE TABLE deployment.event (
    position bigint CONSTRAINT event__position__key PRIMARY KEY,
    project text COLLATE "C" NOT NULL,
    project_sequence bigint NOT NULL,
    deployment bigint NOT NULL,
    kind text COLLATE "C" NOT NULL,
    at timestamptz NOT NULL,
    payload text NOT NULL,
    previous_position bigint NOT NULL, -- of the previous event of the project; 0 for the first
    created_at timestamptz NOT NULL GENERATED ALWAYS AS (at) STORED,
    updated_at timestamptz NOT NULL GENERATED ALWAYS AS (at) STORED,
    revision bigint NOT NULL GENERATED ALWAYS AS (1) STORED,
    CONSTRAINT event__project_sequence__key UNIQUE (project, project_sequence)
);
CREATE INDEX event_deployment ON deployment.event (deployment, position);

-- The last event of each project.
CREATE TABLE deployment.event_head (
    project text COLLATE "C" CONSTRAINT event_head__project__key PRIMARY KEY,
    position bigint NOT NULL CONSTRAINT event_head__position__unique UNIQUE,
    project_sequence bigint NOT NULL,
    at timestamptz NOT NULL DEFAULT clock_timestamp()
) WITH (fillfactor = 50);

-- The last position given, and the database session that relays until `until`, which it renews.
-- When it is gone, or has not renewed in time, another one takes over. The outbox holds nothing
-- from transactions before `since`, all of which are over.
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

-- --- What the methods take and return ---

CREATE TYPE deployment.fact AS (name text, value text);
CREATE TYPE deployment.command AS (
    step text, argv text[], shell text, timeout_s integer, retries integer, continue_on_failure boolean);
CREATE TYPE deployment.log_chunk AS (command integer, attempt integer, stream text, "offset" bigint, bytes bytea);
CREATE TYPE deployment.plan AS (
    deployment deployment.deployment, plan_hash text, commands deployment.deployment_command[], needs_approval boolean,
    behind bigint[], rights_used text[], facts deployment.fact[], target text);
CREATE TYPE deployment.claim AS (
    deployment deployment.deployment, fence bigint, lease_until timestamptz, commands deployment.deployment_command[],
    facts deployment.fact[], results deployment.deployment_command_result[], log_offset bigint, lease_ms integer);
CREATE TYPE deployment.lease AS (lease_until timestamptz, abort boolean, abort_reason text);

-- compatible
-- An environment says how many approvals a deployment needs there, and how long one counts.
-- Approvals are rows of their own.

SELECT set_config('sitewire.reason', 'sql/migrations/0026_approvals.sql', true);

-- Programs of earlier versions still write `protected`; the trigger `derive`
-- (sql/schema/07_deployment_plans.sql) keeps both alike. A later version drops it.
ALTER TABLE referential.environment
    ADD COLUMN approvals integer NOT NULL DEFAULT 0
        CONSTRAINT environment__approvals__range CHECK (approvals BETWEEN 0 AND 20),
    ADD COLUMN approval_expires integer NOT NULL DEFAULT 604800
        CONSTRAINT environment__approval_expires__range CHECK (approval_expires BETWEEN 60 AND 31536000);
UPDATE referential.environment SET approvals = 1 WHERE protected;

CREATE TABLE deployment.deployment_approval (
    deployment bigint NOT NULL
        CONSTRAINT deployment_approval__deployment__ref REFERENCES deployment.deployment ON DELETE CASCADE,
    approver text COLLATE "C" NOT NULL
        CONSTRAINT deployment_approval__approver__ref REFERENCES users."user" ON UPDATE CASCADE,
    plan_hash text COLLATE "C" NOT NULL
        CONSTRAINT deployment_approval__plan_hash__text CHECK (sitewire.is_text(plan_hash, 64)),
    approved_at timestamptz NOT NULL DEFAULT clock_timestamp(),
    created_at timestamptz NOT NULL DEFAULT now(),
    updated_at timestamptz NOT NULL DEFAULT now(),
    revision bigint NOT NULL DEFAULT 1,
    CONSTRAINT deployment_approval__approver__key PRIMARY KEY (deployment, approver)
);
CREATE INDEX deployment_approval_approver ON deployment.deployment_approval (approver);
INSERT INTO deployment.deployment_approval (deployment, approver, plan_hash, approved_at)
SELECT d.id, d.approver, d.plan_hash, coalesce(d.accepted_at, now()) FROM deployment.deployment d WHERE d.approver IS NOT NULL;

-- What a plan says about its approvals (deployment.plan_of).
ALTER TYPE deployment.plan ADD ATTRIBUTE approvals_needed integer, ADD ATTRIBUTE approvals deployment.deployment_approval[],
    ADD ATTRIBUTE obstacles text[];

-- What makes a deployment legitimate: a requester who is active and entitled, and, on a protected
-- environment, enough approvals that count. It is checked when the deployment is accepted, and
-- again when a runner claims it.

-- An environment is protected if deployments there need approval. Programs of schema version 25 and
-- before know `protected` only.
CREATE OR REPLACE FUNCTION referential.derive_environment() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF TG_OP = 'INSERT' AND NEW.protected AND NEW.approvals = 0
       OR TG_OP = 'UPDATE' AND NEW.approvals = OLD.approvals AND NEW.protected <> OLD.protected THEN
        NEW.approvals := NEW.protected::integer;
    END IF;
    NEW.protected := NEW.approvals > 0;
    RETURN NEW;
END $$;
SELECT sitewire.keep_trigger('derive', 'referential.environment', 'BEFORE INSERT OR UPDATE',
                             'FOR EACH ROW EXECUTE FUNCTION referential.derive_environment()');

-- Approvals are given while a deployment is requested, and deleted only with it. An approver who
-- approves again replaces the earlier approval. A rename of an approver changes the name alone.
CREATE OR REPLACE FUNCTION deployment.keep_approval() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment;
BEGIN
    IF TG_OP = 'DELETE' THEN
        IF EXISTS (SELECT FROM deployment.deployment x WHERE x.id = OLD.deployment) THEN
            PERFORM sitewire.fail('SW006', 'deployment', 'approvals are deleted only with their deployment');
        END IF;
        RETURN OLD;
    ELSIF TG_OP = 'UPDATE' AND NEW.approver <> OLD.approver
          AND (NEW.deployment, NEW.plan_hash, NEW.approved_at) = (OLD.deployment, OLD.plan_hash, OLD.approved_at)
          AND NOT EXISTS (SELECT FROM users."user" u WHERE u.email = OLD.approver) THEN
        RETURN NEW;
    END IF;
    SELECT * INTO d FROM deployment.deployment x WHERE x.id = NEW.deployment;
    IF d.status <> 'REQUESTED' OR TG_OP = 'UPDATE' AND (NEW.deployment, NEW.approver) <> (OLD.deployment, OLD.approver) THEN
        PERFORM sitewire.fail('SW006', 'deployment', format('deployment %s is %s: its approvals cannot be changed', d.id, d.status));
    ELSIF NEW.approver = d.requester THEN
        PERFORM sitewire.fail('SW006', 'approver', format('%s requested it: somebody else must approve it', d.requester));
    END IF;
    RETURN NEW;
END $$;
SELECT sitewire.keep_trigger('state', 'deployment.deployment_approval', 'BEFORE INSERT OR UPDATE OR DELETE',
                             'FOR EACH ROW EXECUTE FUNCTION deployment.keep_approval()');

-- Whether a user has `approve` by rights that admins alone made, on all that the deployment
-- concerns.
CREATE OR REPLACE FUNCTION deployment.approves_by_admins(email text, d deployment.deployment) RETURNS boolean
LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN NOT EXISTS (SELECT FROM unnest(deployment.projects_of(d)) project
                       WHERE NOT users.approval_chain(email, project, d.environment));
END $$;

-- The reason why an approval of the plan `hash` does not count now, or NULL.
CREATE OR REPLACE FUNCTION deployment.approval_flaw(a deployment.deployment_approval, d deployment.deployment, hash text)
RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    ends_at timestamptz := a.approved_at + interval '1 second' *
                           (SELECT e.approval_expires FROM referential.environment e WHERE e.code = d.environment);
    lacks text;
BEGIN
    IF a.plan_hash <> hash THEN
        RETURN format('%s approved another plan', a.approver);
    ELSIF ends_at < clock_timestamp() THEN
        RETURN format('the approval of %s has expired on %s', a.approver,
                      to_char(ends_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS"Z"'));
    ELSIF NOT EXISTS (SELECT FROM users."user" u WHERE u.email = a.approver AND u.active) THEN
        RETURN format('%s, who approved it, is not active', a.approver);
    END IF;
    lacks := (deployment.rights_of(a.approver, deployment.projects_of(d), '{approve}', d.environment)).lacks;
    IF lacks IS NOT NULL THEN
        RETURN format('%s, who approved it, does not have %s', a.approver, lacks);
    ELSIF NOT deployment.approves_by_admins(a.approver, d) THEN
        RETURN format('%s, who approved it, has approve only by rights that others than admins gave', a.approver);
    END IF;
    RETURN NULL;
END $$;

-- How many approvals of the plan `hash` count now, and why others do not.
CREATE OR REPLACE FUNCTION deployment.count_approvals(d deployment.deployment, hash text, OUT counted integer, OUT flaws text[])
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT count(*) FILTER (WHERE x.flaw IS NULL), coalesce(array_agg(x.flaw ORDER BY x.approver) FILTER (WHERE x.flaw IS NOT NULL), '{}')
    INTO counted, flaws
    FROM (SELECT a.approver, deployment.approval_flaw(a, d, hash) AS flaw
          FROM deployment.deployment_approval a WHERE a.deployment = d.id) x;
END $$;

CREATE OR REPLACE FUNCTION deployment.approvals_needed(d deployment.deployment) RETURNS integer LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN (SELECT e.approvals FROM referential.environment e WHERE e.code = d.environment);
END $$;

-- The reasons why a deployment that waits must not run as it is. That a requested one lacks
-- approvals is none.
CREATE OR REPLACE FUNCTION deployment.obstacles_of(d deployment.deployment) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    found text[] := '{}';
    needed integer := deployment.approvals_needed(d);
    lacks text;
    hash text;
    counted integer;
    flaws text[];
BEGIN
    IF NOT EXISTS (SELECT FROM users."user" u WHERE u.email = d.requester AND u.active) THEN
        found := ARRAY[format('%s, who requested it, is not active', d.requester)];
    ELSE
        lacks := (deployment.rights_of(d.requester, deployment.projects_of(d), deployment.needs_of(d), d.environment)).lacks;
        IF lacks IS NOT NULL THEN
            found := ARRAY[format('%s, who requested it, does not have %s', d.requester, lacks)];
        END IF;
    END IF;
    IF needed = 0 THEN
        RETURN found;
    END IF;
    hash := deployment.hash_of(d);
    SELECT c.counted, c.flaws INTO counted, flaws FROM deployment.count_approvals(d, hash) c;
    IF d.status = 'REQUESTED' THEN
        RETURN found || flaws;
    ELSIF d.approver IS NULL THEN
        RETURN found || format('the environment %s is protected now, and nobody has approved this', d.environment);
    ELSIF hash <> d.plan_hash THEN
        RETURN found || format('the plan is no longer the one that %s approved', d.approver);
    ELSIF counted < needed THEN
        RETURN found || format('%s of %s approvals count', counted, needed) || flaws;
    END IF;
    RETURN found;
END $$;

-- The same as one text for an accepted deployment, or NULL if it may run. The text is stored, so it
-- names no project that its readers may not read.
CREATE OR REPLACE FUNCTION deployment.void_of(d deployment.deployment) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    found text[] := deployment.obstacles_of(d);
    why text := left(array_to_string(found, '; '), 3900) || ': request it again';
    other text;
BEGIN
    IF found = '{}' THEN
        RETURN NULL;
    END IF;
    FOREACH other IN ARRAY array_remove(deployment.projects_of(d), d.project) LOOP
        why := replace(why, ' ' || other, ' another project there');
    END LOOP;
    RETURN why;
END $$;

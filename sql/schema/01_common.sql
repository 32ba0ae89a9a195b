-- What all other files use: the roles of the services, errors, revisions, and the view by which
-- programs check the version of the schema.
--
-- The files in this folder hold everything of the schema that is not a table: functions, views,
-- triggers, policies and grants, each once and in its final form. `sitewire migrate` applies all of
-- them, in order and in one transaction, whenever one of them differs from what was applied last.
-- So:
--
--   * Functions are written as CREATE OR REPLACE FUNCTION. To change the name of an argument or the
--     type of the result, put a DROP FUNCTION IF EXISTS before it.
--   * Triggers and policies go through sitewire.keep_trigger and sitewire.keep_policy, which change
--     nothing, and lock nothing, if the same trigger or policy exists already.
--   * sitewire.sweep (at the end of 12_access.sql) drops every function, view, trigger and policy
--     in the schemas of sitewire that these files no longer define. Keep nothing of your own in
--     these schemas.
--   * Programs of the previous version keep running while the files are applied. A change that they
--     cannot work with also needs a numbered migration that is not marked `-- compatible`.
--
-- Functions end a statement with one of these states; HINT is the field at fault:
--
--   SW001  the row's revision is not the expected one (ABORTED); DETAIL is the current one
--   SW002  an argument is wrong (INVALID_ARGUMENT)
--   SW003  something does not exist (NOT_FOUND)
--   SW004  the caller is unknown (UNAUTHENTICATED)
--   SW005  the caller is not allowed to do this (PERMISSION_DENIED)
--   SW006  the current state does not allow this (FAILED_PRECONDITION)
--   SW007  something has changed in the meantime: the plan, the fence (ABORTED)
--   SW008  a limit is reached (RESOURCE_EXHAUSTED)

-- Each service logs in as a role of its own, without a password: pg_hba.conf decides how it proves
-- its identity. Roles belong to the whole cluster, so another database may have created them
-- already.
DO $$
DECLARE
    name text;
BEGIN
    FOREACH name IN ARRAY ARRAY['sitewire_service', 'sitewire_referential', 'sitewire_user', 'sitewire_deployment'] LOOP
        IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = name) THEN
            EXECUTE format('CREATE ROLE %I %s', name, CASE name WHEN 'sitewire_service' THEN 'NOLOGIN' ELSE 'LOGIN' END);
        END IF;
        IF name <> 'sitewire_service' AND NOT pg_has_role(name::regrole, 'sitewire_service', 'member') THEN
            EXECUTE format('GRANT sitewire_service TO %I', name);
        END IF;
    END LOOP;
END $$;

-- What a program must know before it works with this schema: the newest version, and the newest one
-- that older programs do not work with (the others are marked `-- compatible`). A program that
-- knows the versions minimum to maximum works if version >= minimum and required <= maximum.
CREATE OR REPLACE VIEW sitewire.schema AS
SELECT coalesce(max(version), 0) AS version,
       coalesce(max(version) FILTER (WHERE NOT compatible), 0) AS required
FROM sitewire.migration;

-- The service whose login this session has, by the name in the names of its methods; NULL if it is
-- no login of a service. A login may be a role of its own that is a member of a service's role.
CREATE OR REPLACE FUNCTION sitewire.service_of_login() RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN pg_has_role(session_user, 'sitewire_referential', 'member') THEN 'referential'
                WHEN pg_has_role(session_user, 'sitewire_user', 'member') THEN 'user'
                WHEN pg_has_role(session_user, 'sitewire_deployment', 'member') THEN 'deployment' END
$$;

-- Values that all instances of a service share: the key of its page tokens. Each service sees a key
-- of its own, which does not tell the keys of the others.
CREATE OR REPLACE VIEW sitewire.setting WITH (security_barrier) AS
SELECT s.name, sha256(s.value || convert_to(sitewire.service_of_login(), 'UTF8')) AS value
FROM sitewire.stored_setting s WHERE s.name = 'page_token_key';

-- Ends the statement with one of the states above. Returns text only so that it fits into any
-- expression.
CREATE OR REPLACE FUNCTION sitewire.fail(state text, field text, message text) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = state, HINT = field, MESSAGE = message;
END $$;

-- The revision after an update: `SET revision = sitewire.next_revision(revision, :expected)`. With
-- NULL, any current revision is accepted.
CREATE OR REPLACE FUNCTION sitewire.next_revision(current bigint, expected bigint) RETURNS bigint LANGUAGE plpgsql IMMUTABLE AS $$
BEGIN
    IF expected <> current THEN
        RAISE EXCEPTION USING ERRCODE = 'SW001', DETAIL = current::text,
            MESSAGE = format('the revision is %s, not %s', current, expected);
    END IF;
    RETURN current + 1;
END $$;

-- BEFORE UPDATE of every table with a revision: the revision grows by one with each change, and
-- stays if nothing changes, whatever the statement sets. It needs no column names: it restores the
-- bookkeeping columns and then compares the rows.
CREATE OR REPLACE FUNCTION sitewire.touch() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    NEW.created_at := OLD.created_at;
    NEW.updated_at := OLD.updated_at;
    NEW.revision := OLD.revision;
    IF NEW IS DISTINCT FROM OLD THEN
        NEW.updated_at := now();
        NEW.revision := OLD.revision + 1;
    END IF;
    RETURN NEW;
END $$;

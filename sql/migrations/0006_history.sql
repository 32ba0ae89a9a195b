-- History: every change of every row, by whatever path it came, with who, when and why. Nothing but the trigger `record` writes
-- it, and nobody changes it.

CREATE TABLE users.change (
    id          bigint GENERATED ALWAYS AS IDENTITY CONSTRAINT change__id__key PRIMARY KEY,
    at          timestamptz NOT NULL DEFAULT now(),
    actor       text COLLATE "C" NOT NULL,
    call_id     text COLLATE "C" NOT NULL DEFAULT '',
    request_id  text COLLATE "C" NOT NULL DEFAULT '',
    reason      text COLLATE "C" NOT NULL DEFAULT '',
    resource    text COLLATE "C" NOT NULL,
    key         text COLLATE "C" NOT NULL,
    old_key     text COLLATE "C",
    operation   text COLLATE "C" NOT NULL
        CONSTRAINT change__operation__choice CHECK (operation IN ('INSERT', 'UPDATE', 'DELETE', 'READ')),
    before      jsonb,
    after       jsonb,
    project     text COLLATE "C",
    -- Of the transaction: who seals rows in the order of commits asks which are over.
    transaction xid8 NOT NULL DEFAULT pg_current_xact_id()
);
CREATE INDEX change_key ON users.change (resource, key, id);
CREATE INDEX change_old_key ON users.change (resource, old_key, id) WHERE old_key IS NOT NULL;
CREATE INDEX change_at ON users.change USING brin (at);

-- Arguments: the resource's name and the columns of its key. Runs as its owner, as services may not write history. Who logs in as
-- a service says on whose behalf (sitewire.enter); everybody else is who has logged in, whatever the session claims.
CREATE FUNCTION users.record() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller text := nullif(current_setting('sitewire.user', true), '');
    old_row jsonb;
    new_row jsonb;
    old_name text;
    new_name text;
BEGIN
    IF TG_OP <> 'INSERT' THEN
        old_row := to_jsonb(OLD);
        old_name := old_row->>TG_ARGV[1];
        FOR i IN 2 .. TG_NARGS - 1 LOOP
            old_name := old_name || '/' || (old_row->>TG_ARGV[i]);
        END LOOP;
    END IF;
    IF TG_OP <> 'DELETE' THEN
        new_row := to_jsonb(NEW);
        new_name := new_row->>TG_ARGV[1];
        FOR i IN 2 .. TG_NARGS - 1 LOOP
            new_name := new_name || '/' || (new_row->>TG_ARGV[i]);
        END LOOP;
    END IF;
    IF current_setting('is_superuser') = 'on' OR NOT pg_has_role(session_user, 'sitewire_service', 'member') THEN
        caller := NULL;
    END IF;
    INSERT INTO users.change (actor, call_id, request_id, reason, resource, key, old_key, operation, before, after, project)
    VALUES (coalesce(caller, 'psql:' || session_user),
            coalesce(CASE WHEN caller IS NOT NULL THEN current_setting('sitewire.call_id', true) END, ''),
            coalesce(CASE WHEN caller IS NOT NULL THEN current_setting('sitewire.request_id', true) END, ''),
            coalesce(current_setting('sitewire.reason', true), ''), -- a person at psql may give one, too
            TG_ARGV[0], coalesce(new_name, old_name), nullif(old_name, coalesce(new_name, old_name)), TG_OP, old_row, new_row,
            users.project_of(TG_ARGV[0], coalesce(new_row, old_row)));
    RETURN NULL;
END $$;

-- Puts a table under history, and what it holds already into it.
CREATE FUNCTION sitewire.keep_history(relation regclass) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    resource text := (SELECT sitewire.resource_of(relname) FROM pg_class WHERE oid = relation);
    keys text[] := (SELECT array_agg(a.attname ORDER BY k.n)
                    FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, n), pg_attribute a
                    WHERE i.indrelid = relation AND i.indisprimary AND a.attrelid = relation AND a.attnum = k.attnum);
    arguments text := (SELECT string_agg(quote_literal(word), ', ') FROM unnest(ARRAY[resource] || keys) word);
BEGIN
    EXECUTE format('CREATE TRIGGER record AFTER INSERT OR DELETE ON %s FOR EACH ROW EXECUTE FUNCTION users.record(%s)',
                   relation, arguments);
    EXECUTE format('CREATE TRIGGER record_update AFTER UPDATE ON %s FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW) '
                   'EXECUTE FUNCTION users.record(%s)', relation, arguments);
    EXECUTE format('INSERT INTO users.change (at, actor, resource, key, operation, after, project) '
                   'SELECT t.updated_at, ''migration'', $1, (SELECT string_agg(to_jsonb(t)->>k, ''/'' ORDER BY n) '
                   'FROM unnest($2) WITH ORDINALITY x (k, n)), ''INSERT'', to_jsonb(t), users.project_of($1, to_jsonb(t)) '
                   'FROM %s t', relation) USING resource, keys;
END $$;

SELECT sitewire.keep_history(oid) FROM pg_class
WHERE relkind = 'r' AND (relnamespace = 'referential'::regnamespace
    OR oid IN ('users.role'::regclass, 'users."user"'::regclass, 'users.project'::regclass, 'users.access_right'::regclass,
               'users.key'::regclass));

-- Not even its owner changes history by mistake.
CREATE FUNCTION users.keep_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sitewire.fail('SW006', '', 'history is permanent');
    RETURN NULL;
END $$;
CREATE TRIGGER keep BEFORE UPDATE OR DELETE ON users.change FOR EACH ROW EXECUTE FUNCTION users.keep_change();
CREATE TRIGGER keep_all BEFORE TRUNCATE ON users.change FOR EACH STATEMENT EXECUTE FUNCTION users.keep_change();

-- Who may read a row may read its history: a project's as the project, the registry's that belongs to none like the registry. What
-- is about people and their keys is for admins, a project's access rights for who manages them.
ALTER TABLE users.change ENABLE ROW LEVEL SECURITY;
CREATE POLICY read ON users.change FOR SELECT TO sitewire_service
    USING (users.is_admin()
        OR CASE WHEN resource = 'AccessRight' THEN users.may_manage(project)
                WHEN project IS NOT NULL THEN users.may_read(project)
                ELSE resource = 'Domain' OR EXISTS (SELECT FROM users.rule r
                    WHERE r.resource = change.resource AND r.action = 'read' AND r.needs = 'profile') END);
GRANT SELECT ON users.change TO sitewire_service;
INSERT INTO users.rule VALUES ('Change', 'read', 'read');

-- Registration of resources, and access to their rows by key. Resources are guarded by default: one
-- call of sitewire.keep_resource attaches everything that a resource's table must have (its duties,
-- 02_duties.sql). Every list of resources is read from sitewire.resource; 02_derived.sql generates
-- functions from it.

-- --- Names ---

-- The name of a table's resource: `WebsiteDeployed` for website_deployed.
CREATE OR REPLACE FUNCTION sitewire.resource_of("table" name) RETURNS text LANGUAGE sql IMMUTABLE PARALLEL SAFE AS $$
    SELECT replace(initcap(replace("table", '_', ' ')), ' ', '')
$$;

CREATE OR REPLACE FUNCTION sitewire.name_of(relation regclass) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT format('%I.%I', n.nspname, c.relname)
    FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = relation
$$;

-- The columns of a table's primary key, in order.
CREATE OR REPLACE FUNCTION sitewire.keys_of(relation regclass) RETURNS text[] LANGUAGE sql STABLE AS $$
    SELECT coalesce(array_agg(a.attname::text ORDER BY k.n), '{}')
    FROM pg_index i, unnest(i.indkey) WITH ORDINALITY k (attnum, n), pg_attribute a
    WHERE i.indrelid = relation AND i.indisprimary AND a.attrelid = relation AND a.attnum = k.attnum
$$;

-- Fills in a template such as `'website:' || {code}`: each {column} becomes a column or, with
-- `json_row`, a value of a JSON row.
CREATE OR REPLACE FUNCTION sitewire.fill(template text, json_row text DEFAULT NULL) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(template, '\{([a-z_0-9]+)\}',
                          CASE WHEN json_row IS NULL THEN '"\1"' ELSE format('(%s->>''\1'')', json_row) END, 'g')
$$;

CREATE OR REPLACE FUNCTION sitewire.columns_in(template text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(DISTINCT m[1]), '{}') FROM regexp_matches(template, '\{([a-z_0-9]+)\}', 'g') m
$$;

-- --- Triggers and policies ---

-- Makes a trigger. Its comment holds the statement that made it, so the same call again changes
-- nothing. sitewire.sweep drops the triggers that its transaction did not ask for.
CREATE OR REPLACE FUNCTION sitewire.keep_trigger(name text, relation regclass, timing text, action text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    definition text := format('CREATE TRIGGER %I %s ON %s %s', name, timing, sitewire.name_of(relation), action);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgname = name
                   AND obj_description(t.oid, 'pg_trigger') = definition AND sitewire.is_intact('pg_trigger', t.oid)) THEN
        IF EXISTS (SELECT FROM pg_trigger x WHERE x.tgrelid = relation AND x.tgname = name) THEN
            EXECUTE format('DROP TRIGGER %I ON %s', name, sitewire.name_of(relation));
        END IF;
        EXECUTE definition;
        PERFORM sitewire.record_definition('pg_trigger', t.oid) FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgname = name;
    END IF;
    EXECUTE format('COMMENT ON TRIGGER %I ON %s IS %L', name, sitewire.name_of(relation), definition);
END $$;

-- Makes a policy for the services in the same way, on a table with row level security.
CREATE OR REPLACE FUNCTION sitewire.keep_policy(name text, relation regclass, command text, condition text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    definition text := format('CREATE POLICY %I ON %s FOR %s TO sitewire_service %s (%s)', name, sitewire.name_of(relation),
                              command, CASE command WHEN 'INSERT' THEN 'WITH CHECK' ELSE 'USING' END, condition);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = relation AND p.polname = name
                   AND obj_description(p.oid, 'pg_policy') = definition AND sitewire.is_intact('pg_policy', p.oid)) THEN
        IF EXISTS (SELECT FROM pg_policy x WHERE x.polrelid = relation AND x.polname = name) THEN
            EXECUTE format('DROP POLICY %I ON %s', name, sitewire.name_of(relation));
        END IF;
        EXECUTE definition;
        PERFORM sitewire.record_definition('pg_policy', p.oid) FROM pg_policy p WHERE p.polrelid = relation AND p.polname = name;
    END IF;
    EXECUTE format('COMMENT ON POLICY %I ON %s IS %L', name, sitewire.name_of(relation), definition);
END $$;

-- --- Registration ---

-- Makes a table a resource: registers it and attaches all duties. `relation` has a primary key and
-- the columns created_at, updated_at and revision. Calling it again changes what differs.
-- Arguments:
--
--   service     the role of the service that serves the table
--   privileges  what this role may do to the table itself; rows may also be written by functions
--   read, create, update, delete
--               what the action requires: words joined with `|`; one of them is enough. An
--               admin needs none of them. NULL: admins only. The words are:
--                 profile  any user with a profile
--                 read, deploy, approve, manage
--                          this permission on the row's project; to move a row, on both
--                          projects; for a secret, on every project that it serves
--                 command, run, override
--                          these permissions, in the same way
--                 grant    manage, and every permission of the role in the row; for a grant or a
--                          membership, on its whole scope (03_grants.sql)
--                 scope    manage on the whole scope of a grant or of a group's grants
--                 member   the caller is a member of the group in the row
--                 manager  manage on any project
--                 own      the row is about the caller
--                 admin    the caller is an admin
--   project     template of the code of the project that a row belongs to, over its columns
--               (`'website:' || {website}`); NULL: its rows belong to no project
--   projects    instead of `project`: a function that takes the row as JSON and returns all
--               projects whose rights apply
--   owner       template of the user that a row is about
--   visible     SQL condition under which a caller who is not an admin may read a row, if it
--               differs from what follows from `read`, `project` and `owner`
--   past        the same for a version of the row in history: a template over that version
--               (`version`), its `project`, the permanent numbers of the row (`row_id`) and of its
--               project (`project_row`), and the `id` of the change
--   serves      a resource and the columns that hold its key: what stops working when the row is
--               deleted (Referential.ListImpact); for a link, the side that runs on the others
--   secret      the name of the secret that a row may have (06_secrets.sql)
--   listing     a view that is served instead of the table; then only the owner can read the table
--   hidden      columns that history does not keep
--   quiet       columns whose changes history does not record, if a call of a service changes only
--               them (such as the end of a lease)
--   exempt      duties that do not apply: timestamps, guard, history, as-of
CREATE OR REPLACE FUNCTION sitewire.keep_resource(
    relation regclass, service regrole, privileges text[] DEFAULT '{SELECT,INSERT,UPDATE,DELETE}',
    read text DEFAULT 'admin', "create" text DEFAULT 'admin', "update" text DEFAULT 'admin', "delete" text DEFAULT 'admin',
    project text DEFAULT NULL, projects text DEFAULT NULL, owner text DEFAULT NULL, visible text DEFAULT NULL,
    past text DEFAULT NULL, serves text[] DEFAULT NULL, secret text DEFAULT NULL, listing regclass DEFAULT NULL,
    hidden text[] DEFAULT '{}', quiet text[] DEFAULT '{}', exempt text[] DEFAULT '{}') RETURNS void LANGUAGE plpgsql AS $$
#variable_conflict use_variable
DECLARE
    r sitewire.resource;
BEGIN
    r := ROW((SELECT sitewire.resource_of(c.relname) FROM pg_class c WHERE c.oid = relation), sitewire.name_of(relation),
             sitewire.name_of(listing), service::text, privileges, project, projects, owner, visible, past, serves, secret,
             hidden, quiet, exempt);
    PERFORM sitewire.check_registration(r);
    DELETE FROM sitewire.resource x WHERE x.name = r.name;
    INSERT INTO sitewire.resource SELECT r.*;
    PERFORM sitewire.keep_rules(r.name, ARRAY[['read', read], ['create', "create"], ['update', "update"], ['delete', "delete"]]);
    IF coalesce(current_setting('sitewire.derives_later', true), '') = '' THEN
        PERFORM sitewire.derive();
    END IF;
    IF 'timestamps' <> ALL (exempt) THEN
        PERFORM sitewire.keep_trigger('touch', relation, 'BEFORE UPDATE', 'FOR EACH ROW EXECUTE FUNCTION sitewire.touch()');
    END IF;
    IF 'guard' <> ALL (exempt) THEN
        PERFORM sitewire.keep_trigger('guard', relation, 'BEFORE INSERT OR UPDATE OR DELETE',
            format('FOR EACH ROW WHEN (current_setting(''sitewire.admin'', true) IS DISTINCT FROM ''on'') '
                   'EXECUTE FUNCTION users.guard(%L)', r.name));
    END IF;
    PERFORM sitewire.keep_policies(r, read);
    IF 'history' <> ALL (exempt) THEN
        PERFORM sitewire.keep_history(relation, hidden, quiet);
    END IF;
    PERFORM sitewire.keep_grants(r);
END $$;

-- Refuses a wrong registration, and says what is wrong with it.
CREATE OR REPLACE FUNCTION sitewire.check_registration(r sitewire.resource) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    wrong text;
BEGIN
    SELECT c INTO wrong
    FROM unnest(sitewire.columns_in(concat(r.project, r.owner, r.past)) || r.hidden || r.quiet || r.serves[2:]
                || CASE WHEN 'timestamps' = ANY (r.exempt) THEN '{}' ELSE '{created_at,updated_at,revision}'::text[] END) c
    WHERE NOT EXISTS (SELECT FROM pg_attribute a WHERE a.attrelid = r.relation::regclass AND a.attname = c
                      AND a.attnum > 0 AND NOT a.attisdropped)
    LIMIT 1;
    IF FOUND THEN
        RAISE EXCEPTION '% has no column "%"', r.relation, wrong;
    ELSIF sitewire.keys_of(r.relation::regclass) = '{}' THEN
        RAISE EXCEPTION '% has no primary key', r.relation;
    ELSIF NOT r.exempt <@ '{timestamps,guard,history,as-of}' THEN
        RAISE EXCEPTION '%: only timestamps, guard, history and as-of can be exempted', r.relation;
    ELSIF NOT pg_has_role(r.service, 'sitewire_service', 'member') THEN
        RAISE EXCEPTION '%: % is not the role of a service', r.relation, r.service;
    END IF;
END $$;

-- Sets the rules of a resource; `wanted` holds pairs of an action and what it needs. Unchanged
-- rules stay, because history records changes of rules.
CREATE OR REPLACE FUNCTION sitewire.keep_rules(of_resource text, wanted text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    rules users.rule[] := (
        SELECT coalesce(array_agg(ROW(of_resource, wanted[i][1], needs)::users.rule), '{}')
        FROM generate_subscripts(wanted, 1) i, unnest(string_to_array(wanted[i][2], '|')) needs);
BEGIN
    DELETE FROM users.rule x WHERE x.resource = of_resource AND x <> ALL (rules);
    INSERT INTO users.rule SELECT (x).* FROM unnest(rules) x ON CONFLICT DO NOTHING;
END $$;

-- Row level security: `read` decides which rows exist for a caller. Changes of rows that the caller
-- can read are left to the trigger `guard`, which can say why it refuses one.
CREATE OR REPLACE FUNCTION sitewire.keep_policies(r sitewire.resource, read text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    relation regclass := r.relation;
BEGIN
    IF NOT (SELECT c.relrowsecurity FROM pg_class c WHERE c.oid = relation) THEN
        EXECUTE format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', r.relation);
    END IF;
    IF r.listing IS NOT NULL THEN
        RETURN; -- no policy: even a grant by mistake would show nothing
    END IF;
    PERFORM sitewire.keep_policy('read', relation, 'SELECT', sitewire.read_condition(r, read));
    PERFORM sitewire.keep_policy(CASE privilege WHEN 'INSERT' THEN 'create' ELSE lower(privilege) END, relation, privilege, 'true')
    FROM unnest(r.privileges) privilege WHERE privilege <> 'SELECT';
END $$;

CREATE OR REPLACE FUNCTION sitewire.read_condition(r sitewire.resource, read text) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT CASE WHEN 'profile' = ANY (words) THEN 'true' ELSE concat_ws(' OR ', 'users.is_admin()', coalesce(r.visible, (
        SELECT string_agg(CASE word WHEN 'own' THEN format('%s = users.me()', sitewire.fill(r.owner))
                                    WHEN 'manager' THEN '(SELECT users.may_manage(NULL))'
                                    WHEN 'manage' THEN format('users.may_manage(%s)', sitewire.fill(r.project))
                                    WHEN 'read' THEN format('users.may_read(%s)', sitewire.fill(r.project))
                                    WHEN 'member' THEN format('users.is_member(%s)', CASE r.name WHEN 'Group' THEN 'code' ELSE '"group"' END)
                                    WHEN 'scope' THEN format('users.may_manage_scope(%L, to_jsonb(%I.*))', r.name,
                                                             split_part(replace(r.relation, '"', ''), '.', 2)) END, ' OR ' ORDER BY n)
        FROM unnest(words) WITH ORDINALITY w (word, n)))) END
    FROM string_to_array(read, '|') words
$$;

-- Makes history record the changes of a table. The rows that it has already are recorded now.
CREATE OR REPLACE FUNCTION sitewire.keep_history(relation regclass, hidden text[] DEFAULT '{}', quiet text[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    of_resource text := (SELECT sitewire.resource_of(relname) FROM pg_class WHERE oid = relation);
    keys text[] := sitewire.keys_of(relation);
    run text := sitewire.record_call('users.record', relation, hidden);
    louder text := (SELECT string_agg(format('OLD.%1$I IS DISTINCT FROM NEW.%1$I', c), ' OR ') FROM unnest(quiet) c);
BEGIN
    PERFORM sitewire.keep_trigger('record', relation, 'AFTER INSERT OR DELETE', 'FOR EACH ROW ' || run);
    -- A change of quiet columns alone is recorded only if no service made it.
    PERFORM sitewire.keep_trigger('record_update', relation, 'AFTER UPDATE', format('FOR EACH ROW WHEN (OLD IS DISTINCT FROM NEW%s) %s',
        ' AND (NOT (' || louder || ') OR users.believed_caller() IS NULL '
        || format('OR to_jsonb(OLD) - %1$L::text[] IS DISTINCT FROM to_jsonb(NEW) - %1$L::text[])',
                  quiet || '{updated_at,revision}'::text[]), run));
    PERFORM sitewire.keep_truncate(relation, hidden);
    IF NOT EXISTS (SELECT FROM users.history h WHERE h.resource = of_resource) THEN
        PERFORM sitewire.derive();
        EXECUTE format('INSERT INTO users.change (at, actor, resource, key, operation, after, project) '
                       'SELECT coalesce((to_jsonb(t)->>''updated_at'')::timestamptz, now()), ''migration'', $1, '
                       '(SELECT string_agg(to_jsonb(t)->>k, ''/'' ORDER BY n) FROM unnest($2) WITH ORDINALITY x (k, n)), '
                       '''INSERT'', to_jsonb(t) - $3, users.project_of($1, to_jsonb(t)) FROM %s t', sitewire.name_of(relation))
        USING of_resource, keys, hidden;
        INSERT INTO users.history (resource) VALUES (of_resource);
    END IF;
END $$;

-- TRUNCATE fires no row triggers. This records the deletion of each row before it.
CREATE OR REPLACE FUNCTION sitewire.keep_truncate(relation regclass, hidden text[] DEFAULT '{}') RETURNS void
LANGUAGE plpgsql AS $$
BEGIN
    PERFORM sitewire.keep_trigger('record_truncate', relation, 'BEFORE TRUNCATE',
                                  'FOR EACH STATEMENT ' || sitewire.record_call('users.record_truncate', relation, hidden));
END $$;

CREATE OR REPLACE FUNCTION sitewire.record_call(function text, relation regclass, hidden text[]) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT format('EXECUTE FUNCTION %s(%s)', function, string_agg(quote_literal(word), ', ' ORDER BY n))
    FROM pg_class c, unnest(ARRAY[sitewire.resource_of(c.relname), hidden::text] || sitewire.keys_of(relation))
                     WITH ORDINALITY x (word, n)
    WHERE c.oid = relation
$$;

-- Grants the registered privileges to the role of the service, and revokes all others.
CREATE OR REPLACE FUNCTION sitewire.keep_grants(r sitewire.resource) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one record;
BEGIN
    FOR one IN SELECT DISTINCT sitewire.name_of(c.oid) AS relation,
                      CASE a.grantee WHEN 0 THEN 'PUBLIC' ELSE a.grantee::regrole::text END AS grantee
               FROM pg_class c,
                    LATERAL (SELECT x.grantee FROM aclexplode(c.relacl) x
                             UNION SELECT x.grantee FROM pg_attribute t, aclexplode(t.attacl) x
                             WHERE t.attrelid = c.oid AND NOT t.attisdropped) a
               WHERE c.oid IN (to_regclass(r.relation), to_regclass(r.listing)) AND a.grantee <> c.relowner LOOP
        EXECUTE format('REVOKE ALL ON %s FROM %s', one.relation, one.grantee);
    END LOOP;
    EXECUTE format('GRANT USAGE ON SCHEMA %I TO %s', split_part(r.relation, '.', 1), r.service);
    EXECUTE format('GRANT %s ON %s TO %s', array_to_string(r.privileges, ', '), coalesce(r.listing, r.relation), r.service);
END $$;

-- Refuses the login of a service that does not serve a resource: functions that run as their owner
-- and take any resource call it. Other logins have the rights of their own role.
CREATE OR REPLACE FUNCTION sitewire.require_service(resource text) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
BEGIN
    IF current_setting('is_superuser') = 'off' AND pg_has_role(session_user, 'sitewire_service', 'member')
       AND NOT EXISTS (SELECT FROM sitewire.resource r
                       WHERE r.name = require_service.resource AND pg_has_role(session_user, r.service, 'member')) THEN
        PERFORM sitewire.fail('SW005', '', format('the login %s does not serve %s', session_user, resource));
    END IF;
    RETURN true;
END $$;

-- --- Rows by their key ---

-- Splits a key whose parts are joined with `/`; NULL if it has too few parts. Only the middle one
-- of three parts, and the last one of two, may contain a `/`.
CREATE OR REPLACE FUNCTION sitewire.parts_of(keys text[], key text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT CASE cardinality(keys)
        WHEN 1 THEN ARRAY[key]
        WHEN 2 THEN regexp_match(key, '^([^/]*)/(.*)$')
        WHEN 3 THEN regexp_match(key, '^([^/]*)/(.*)/([^/]*)$') END
$$;

-- `docroot = ($1[1])::text AND ...`
CREATE OR REPLACE FUNCTION sitewire.key_condition(relation regclass, keys text[]) RETURNS text
LANGUAGE sql STABLE AS $$
    SELECT string_agg(format('%I = ($1[%s])::%s', k, n, format_type(a.atttypid, a.atttypmod)), ' AND ' ORDER BY n)
    FROM unnest(keys) WITH ORDINALITY x (k, n) JOIN pg_attribute a ON a.attrelid = relation AND a.attname = k
$$;

-- A resource's row by its key, parts joined with `/`; NULL if there is none. Raises SW002 if there
-- is no such resource.
CREATE OR REPLACE FUNCTION sitewire.row_of(resource text, key text) RETURNS jsonb
LANGUAGE plpgsql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
DECLARE
    relation regclass := (SELECT r.relation::regclass FROM sitewire.resource r WHERE r.name = row_of.resource);
    keys text[] := sitewire.keys_of(relation);
    parts text[] := sitewire.parts_of(keys, key);
    found jsonb;
BEGIN
    IF relation IS NULL THEN
        PERFORM sitewire.fail('SW002', 'type', format('there is no resource "%s"; name one such as Website', resource));
    ELSIF parts IS NULL OR EXISTS (
        SELECT FROM unnest(keys, parts) k (name, part) JOIN pg_attribute a ON a.attrelid = relation AND a.attname = k.name
        WHERE a.atttypid <> 'text'::regtype AND k.part !~ '^[0-9]{1,9}$') THEN
        RETURN NULL;
    END IF;
    EXECUTE format('SELECT to_jsonb(t) FROM %s t WHERE %s', relation, sitewire.key_condition(relation, keys))
    INTO found USING parts;
    RETURN found;
END $$;

-- The columns that a row with this key would have, if it does not exist yet: those of the key.
CREATE OR REPLACE FUNCTION sitewire.row_by_key(resource text, key text) RETURNS jsonb LANGUAGE sql STABLE AS $$
    SELECT jsonb_object(k.keys, sitewire.parts_of(k.keys, key))
    FROM sitewire.resource r, LATERAL (SELECT sitewire.keys_of(r.relation::regclass) AS keys) k
    WHERE r.name = resource AND sitewire.parts_of(k.keys, key) IS NOT NULL
$$;

-- The parts of a key in the registry, for methods that take any resource by type and key. Raises
-- SW002 if the type or the shape of the key is wrong, and SW003 if there is no such row that the
-- caller may read; `field` is the argument that holds the key.
CREATE OR REPLACE FUNCTION referential.find(type text, key text, field text) RETURNS text[] LANGUAGE plpgsql STABLE AS $$
DECLARE
    part text[] := string_to_array(key, '/');
    relation regclass := sitewire.registry_table(type);
    keys text[] := sitewire.keys_of(relation);
    found boolean;
BEGIN
    IF relation IS NULL THEN
        PERFORM sitewire.fail('SW002', 'type', format('there is no resource type "%s"; name one such as Website, '
            'Docroot, Server, LoadBalancer, Certificate or HostingProvider', type));
    ELSIF cardinality(part) IS DISTINCT FROM cardinality(keys) OR '' = ANY (part) THEN
        PERFORM sitewire.fail('SW002', field, format('a key of %s has %s, separated by "/"', type,
            CASE cardinality(keys) WHEN 1 THEN 'one part' ELSE cardinality(keys) || ' parts' END));
    END IF;
    EXECUTE format('SELECT EXISTS (SELECT FROM %s WHERE %s)', relation, sitewire.key_condition(relation, keys))
    INTO found USING part;
    IF NOT found THEN
        PERFORM sitewire.fail('SW003', field, format('there is no %s "%s"', type, key));
    END IF;
    RETURN part;
END $$;

CREATE OR REPLACE FUNCTION sitewire.registry_table(type text) RETURNS regclass LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT r.relation::regclass FROM sitewire.resource r
    WHERE r.name = type AND starts_with(r.relation, 'referential.') AND r.listing IS NULL
$$;

-- --- What these files no longer define ---

-- Drops every trigger, policy, view and function in the schemas of sitewire that this transaction
-- has not made, and every registration that it has not made, and records the definitions of the
-- rest. Functions that tables use (in a CHECK or a default) belong to the tables and stay; a
-- changed one is not recorded, so sitewire.altered reports it.
CREATE OR REPLACE FUNCTION sitewire.sweep() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    mine xid := pg_current_xact_id()::xid;
    name text;
BEGIN
    DELETE FROM sitewire.resource r WHERE r.xmin <> mine;
    DELETE FROM users.rule u WHERE NOT EXISTS (SELECT FROM sitewire.resource r WHERE r.name = u.resource);
    PERFORM sitewire.derive();
    FOREACH name IN ARRAY ARRAY(
        SELECT sitewire.name_of(o.catalog, o.object) FROM sitewire.objects() o
        WHERE o.made_by IS DISTINCT FROM mine AND NOT sitewire.belongs_to_table(o.catalog, o.object)
        ORDER BY o.catalog = 'pg_proc'::regclass, o.catalog = 'pg_class'::regclass) -- after what uses them
    LOOP
        EXECUTE 'DROP ' || name;
    END LOOP;
    DELETE FROM sitewire.definition d
    WHERE d.object NOT IN (SELECT sitewire.name_of(o.catalog, o.object) FROM sitewire.objects() o);
    PERFORM sitewire.record_definition(o.catalog, o.object) FROM sitewire.objects() o
    WHERE o.catalog IN ('pg_proc'::regclass, 'pg_class'::regclass)
      AND (o.made_by = mine OR sitewire.name_of(o.catalog, o.object) NOT IN (SELECT d.object FROM sitewire.definition d));
END $$;

-- Resources are guarded by default. One call of sitewire.keep_resource for a table attaches
-- everything that a resource owes (the duties below). A service refuses to serve a table that lacks
-- one of them and says which one and what to do (src/store/schema_check.c). Whatever needs a list of
-- resources reads sitewire.resource.

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

-- A template such as `'website:' || {code}`: each {column} becomes a column, or a value of a JSON
-- row.
CREATE OR REPLACE FUNCTION sitewire.fill(template text, json_row text DEFAULT NULL) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT regexp_replace(template, '\{([a-z_0-9]+)\}',
                          CASE WHEN json_row IS NULL THEN '"\1"' ELSE format('(%s->>''\1'')', json_row) END, 'g')
$$;

CREATE OR REPLACE FUNCTION sitewire.columns_in(template text) RETURNS text[] LANGUAGE sql IMMUTABLE AS $$
    SELECT coalesce(array_agg(DISTINCT m[1]), '{}') FROM regexp_matches(template, '\{([a-z_0-9]+)\}', 'g') m
$$;

-- --- Triggers and policies ---

-- Makes a trigger. Its comment holds the statement that made it, so that the same call again
-- changes nothing; sitewire.sweep drops the triggers that nobody asked for in its transaction.
CREATE OR REPLACE FUNCTION sitewire.keep_trigger(name text, relation regclass, timing text, action text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    definition text := format('CREATE TRIGGER %I %s ON %s %s', name, timing, sitewire.name_of(relation), action);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgname = name AND t.tgenabled = 'O'
                   AND obj_description(t.oid, 'pg_trigger') = definition) THEN
        IF EXISTS (SELECT FROM pg_trigger x WHERE x.tgrelid = relation AND x.tgname = name) THEN
            EXECUTE format('DROP TRIGGER %I ON %s', name, sitewire.name_of(relation));
        END IF;
        EXECUTE definition;
    END IF;
    EXECUTE format('COMMENT ON TRIGGER %I ON %s IS %L', name, sitewire.name_of(relation), definition);
END $$;

-- The same for a policy for the services, on a table with row level security.
CREATE OR REPLACE FUNCTION sitewire.keep_policy(name text, relation regclass, command text, condition text) RETURNS void
LANGUAGE plpgsql AS $$
DECLARE
    definition text := format('CREATE POLICY %I ON %s FOR %s TO sitewire_service %s (%s)', name, sitewire.name_of(relation),
                              command, CASE command WHEN 'INSERT' THEN 'WITH CHECK' ELSE 'USING' END, condition);
BEGIN
    IF NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = relation AND p.polname = name
                   AND obj_description(p.oid, 'pg_policy') = definition) THEN
        IF EXISTS (SELECT FROM pg_policy x WHERE x.polrelid = relation AND x.polname = name) THEN
            EXECUTE format('DROP POLICY %I ON %s', name, sitewire.name_of(relation));
        END IF;
        EXECUTE definition;
    END IF;
    EXECUTE format('COMMENT ON POLICY %I ON %s IS %L', name, sitewire.name_of(relation), definition);
END $$;

-- --- Duties ---

-- What a resource owes, and whether it does; `remedy` says what to do if it does not. This is the
-- one list of duties. A registration may exempt a table from `timestamps`, `guard`, `history` and
-- `as-of`, in plain sight (12_access.sql). For a view the duties are those of the table behind it.
CREATE OR REPLACE FUNCTION sitewire.duties(relation regclass)
RETURNS TABLE (duty text, met boolean, remedy text) LANGUAGE plpgsql STABLE AS $$
DECLARE
    r sitewire.resource;
    it regclass := relation;
    call text;
BEGIN
    SELECT x.* INTO r FROM sitewire.resource x WHERE duties.relation IN (to_regclass(x.relation), to_regclass(x.listing));
    IF NOT FOUND THEN
        RETURN QUERY SELECT 'registration', false, format('register it with sitewire.keep_resource(''%s'', ...) in '
            'sql/schema/12_access.sql, then run `sitewire migrate`', sitewire.name_of(duties.relation));
        RETURN;
    END IF;
    it := to_regclass(r.relation);
    call := 'run `sitewire migrate`, which attaches it again';
    RETURN QUERY
    SELECT d.duty, d.met OR d.duty = ANY (r.exempt), d.remedy FROM (VALUES
        ('timestamps',
         3 = (SELECT count(*) FROM pg_attribute a WHERE a.attrelid = it AND NOT a.attisdropped
              AND a.attname IN ('created_at', 'updated_at', 'revision'))
         AND sitewire.has_trigger(it, 'touch', 'sitewire.touch'),
         'give the table the columns created_at, updated_at and revision if it has none, and ' || call),
        ('guard', sitewire.has_trigger(it, 'guard', 'users.guard') OR NOT sitewire.is_writable(it), call),
        ('row security',
         (SELECT c.relrowsecurity FROM pg_class c WHERE c.oid = it)
         AND (r.listing IS NOT NULL OR EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = it AND p.polname = 'read'))
         AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = it AND p.polpermissive
                         AND (r.listing IS NOT NULL OR obj_description(p.oid, 'pg_policy') IS NULL)),
         call),
        ('rules',
         NOT EXISTS (SELECT FROM (VALUES ('SELECT', 'read'), ('INSERT', 'create'), ('UPDATE', 'update'), ('DELETE', 'delete'))
                                 n (privilege, action)
                     WHERE n.privilege = ANY (r.privileges)
                       AND NOT EXISTS (SELECT FROM users.rule u WHERE u.resource = r.name AND u.action = n.action)),
         call),
        ('history',
         sitewire.has_trigger(it, 'record', 'users.record') AND sitewire.has_trigger(it, 'record_update', 'users.record')
         AND sitewire.has_trigger(it, 'record_truncate', 'users.record_truncate'), call),
        ('as-of', EXISTS (SELECT FROM users.history h WHERE h.resource = r.name), call),
        ('triggers for all rows', sitewire.triggers_reach_all_rows(it),
         'drop the rule, or the table that inherits from it, or enable the triggers of its partition'),
        ('grants', sitewire.has_grants(r),
         format('only %s may have privileges on it: ', r.service) || call)) d (duty, met, remedy);
END $$;

CREATE OR REPLACE FUNCTION sitewire.missing_duties(relation regclass)
RETURNS TABLE (duty text, remedy text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT d.duty, d.remedy FROM sitewire.duties(relation) d WHERE d.met IS NOT TRUE
$$;

-- The name under which a table, or the view in front of it, is registered.
CREATE OR REPLACE FUNCTION sitewire.resource_at(relation regclass) RETURNS SETOF text
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT r.name FROM sitewire.resource r WHERE $1 IN (to_regclass(r.relation), to_regclass(r.listing))
$$;

-- Whether the trigger is there, made by sitewire.keep_trigger, and switched on.
CREATE OR REPLACE FUNCTION sitewire.has_trigger(relation regclass, name text, function regproc) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgname = name AND t.tgfoid = function
                   AND t.tgenabled IN ('O', 'A') AND obj_description(t.oid, 'pg_trigger') IS NOT NULL)
$$;

-- Whether no row escapes the triggers. A rule writes elsewhere with its owner's rights. The rows of a
-- table that inherits appear in its parent, but run their own triggers; partitions have the
-- parent's, each of which can be switched off.
CREATE OR REPLACE FUNCTION sitewire.triggers_reach_all_rows(relation regclass) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT NOT EXISTS (SELECT FROM pg_rewrite w WHERE w.ev_class = relation)
       AND NOT EXISTS (SELECT FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
                       WHERE i.inhparent = relation AND NOT c.relispartition)
       AND NOT EXISTS (SELECT FROM pg_partition_tree(relation) p JOIN pg_trigger t ON t.tgrelid = p.relid
                       WHERE t.tgparentid <> 0 AND t.tgenabled NOT IN ('O', 'A'))
$$;

-- Whether a role of the services can change rows.
CREATE OR REPLACE FUNCTION sitewire.is_writable(relation regclass) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_roles r
                   WHERE pg_has_role(r.oid, 'sitewire_service', 'member') AND NOT r.rolsuper
                     AND (has_table_privilege(r.oid, relation, 'INSERT, UPDATE, DELETE, TRUNCATE')
                          OR has_any_column_privilege(r.oid, relation, 'INSERT, UPDATE')))
$$;

-- Whether the service has the privileges that were registered, and nobody else has any.
CREATE OR REPLACE FUNCTION sitewire.has_grants(r sitewire.resource) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT r.privileges <@ coalesce(array_agg(g.privilege::text) FILTER (WHERE g.served), '{}')
       AND coalesce(bool_and(g.served AND g.grantee = r.service AND g.privilege = ANY (r.privileges)), false)
    FROM (SELECT CASE a.grantee WHEN 0 THEN 'public' ELSE a.grantee::regrole::text END AS grantee, a.privilege_type AS privilege,
                 c.oid = to_regclass(coalesce(r.listing, r.relation)) AS served
          FROM pg_class c,
               LATERAL (SELECT x.* FROM aclexplode(c.relacl) x
                        UNION ALL SELECT x.* FROM pg_attribute t, aclexplode(t.attacl) x
                        WHERE t.attrelid = c.oid AND NOT t.attisdropped) a
          WHERE c.oid IN (to_regclass(r.relation), to_regclass(r.listing)) AND a.grantee <> c.relowner) g
$$;

-- Relations that a service can change although nobody has registered them. The schema `sitewire`
-- holds the machinery itself.
CREATE OR REPLACE FUNCTION sitewire.unregistered() RETURNS TABLE (relation text, remedy text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT sitewire.name_of(u.oid), d.remedy
    FROM (SELECT c.oid FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
          WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f') AND n.nspname NOT IN ('sitewire', 'information_schema')
            AND NOT starts_with(n.nspname, 'pg_') AND NOT EXISTS (
                SELECT FROM sitewire.resource r WHERE c.oid IN (to_regclass(r.relation), to_regclass(r.listing)))
            AND sitewire.is_writable(c.oid)) u, sitewire.duties(u.oid) d
    ORDER BY 1
$$;

-- --- Registration ---

-- Makes a table a resource: registers it and attaches all duties. `relation` has a primary key and
-- the columns created_at, updated_at and revision. Calling it again changes what differs.
-- Arguments:
--
--   service     the role of the service that serves the table
--   privileges  what this role may do to the table itself; rows may also be written by functions
--   read, create, update, delete
--               what the action needs: one or more words, joined with `|`, any of which is enough. An admin
--               needs none of them. NULL: only admins may. The words are:
--                 profile                        any user who is let in
--                 read, deploy, approve, manage  that permission on the row's project; to move a row, on
--                                                both projects; of a secret, on every project that it serves
--                 grant                          manage, and every permission of the role in the row
--                 manager                        manage on any project
--                 own                            a row about oneself
--                 admin                          being an admin
--   project     template of the code of the project that a row belongs to, over its columns
--               (`'website:' || {website}`); NULL: its rows belong to no project
--   projects    instead: a function of the row as JSON that returns all projects with a say
--   owner       template of the user that a row is about
--   visible     SQL condition under which a caller who is no admin may read a row, if it is not the one
--               that follows from `read`, `project` and `owner`
--   past        the same for a change of the row: a template over the row as it was then (`version`), with
--               its `key`, its `project` and the `id` of the change
--   serves      a resource and the columns that hold its key: what stops working when a row goes
--               (Referential.ListImpact); of a link, the side that runs on the others
--   secret      the name of the secret that a row may have (06_secrets.sql)
--   listing     a view that is served instead of the table, which then nobody but the owner can read
--   hidden      columns that history does not keep
--   quiet       columns whose change by a service alone is not recorded in history
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

-- A registration that cannot be right is refused by name.
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

-- The rules of a resource; `wanted` holds pairs of an action and what it needs. Unchanged rules
-- stay, as rules are under history.
CREATE OR REPLACE FUNCTION sitewire.keep_rules(of_resource text, wanted text[]) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    rules users.rule[] := (
        SELECT coalesce(array_agg(ROW(of_resource, wanted[i][1], needs)::users.rule), '{}')
        FROM generate_subscripts(wanted, 1) i, unnest(string_to_array(wanted[i][2], '|')) needs);
BEGIN
    DELETE FROM users.rule x WHERE x.resource = of_resource AND x <> ALL (rules);
    INSERT INTO users.rule SELECT (x).* FROM unnest(rules) x ON CONFLICT DO NOTHING;
END $$;

-- Row level security: `read` decides which rows exist for a caller. What can be read is left to the
-- trigger `guard`, which says why a change is refused.
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
                                    WHEN 'read' THEN format('users.may_read(%s)', sitewire.fill(r.project)) END, ' OR ' ORDER BY n)
        FROM unnest(words) WITH ORDINALITY w (word, n)))) END
    FROM string_to_array(read, '|') words
$$;

-- Puts a table under history, and the rows that it holds already into it.
CREATE OR REPLACE FUNCTION sitewire.keep_history(relation regclass, hidden text[] DEFAULT '{}', quiet text[] DEFAULT '{}')
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    of_resource text := (SELECT sitewire.resource_of(relname) FROM pg_class WHERE oid = relation);
    keys text[] := sitewire.keys_of(relation);
    run text := sitewire.record_call('users.record', relation, hidden);
    louder text := (SELECT string_agg(format('OLD.%1$I IS DISTINCT FROM NEW.%1$I', c), ' OR ') FROM unnest(quiet) c);
BEGIN
    PERFORM sitewire.keep_trigger('record', relation, 'AFTER INSERT OR DELETE', 'FOR EACH ROW ' || run);
    -- Of a change of quiet columns alone only a person's own is recorded.
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

-- TRUNCATE fires no trigger of a row; this records a deletion of each row that it removes.
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

-- Exactly the registered privileges, to exactly one role.
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

-- --- What follows from the registrations ---

-- Makes the functions that know all resources anew. They are plain code, not a look into
-- sitewire.resource, because they run for every change and for every row of history that somebody
-- reads.
CREATE OR REPLACE FUNCTION sitewire.derive() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- The project that a row belongs to, NULL if to none; and the user that it is about.
    PERFORM sitewire.derive_case('users.project_of(resource text, "row" jsonb) RETURNS text', 'NULL',
        (SELECT jsonb_object_agg(r.name, sitewire.fill(r.project, '"row"')) FROM sitewire.resource r WHERE r.project IS NOT NULL));
    PERFORM sitewire.derive_case('users.owner_of(resource text, "row" jsonb) RETURNS text', 'NULL',
        (SELECT jsonb_object_agg(r.name, sitewire.fill(r.owner, '"row"')) FROM sitewire.resource r WHERE r.owner IS NOT NULL));
    -- All projects that have a say on a row: its own, or what a function of the resource says. Runs
    -- as its owner, because rows that the caller may not read count too.
    PERFORM sitewire.derive_case('users.projects_of(resource text, "row" jsonb) RETURNS text[] SECURITY DEFINER',
        'array_remove(ARRAY[users.project_of(resource, "row")], NULL)',
        (SELECT jsonb_object_agg(r.name, r.projects || '("row")') FROM sitewire.resource r WHERE r.projects IS NOT NULL));
    -- Whether an update moved a row from one project to another (or renamed the project).
    PERFORM sitewire.derive_case('users.is_moved(resource text, before jsonb, after jsonb) RETURNS boolean', 'false',
        (SELECT jsonb_object_agg(r.name, (SELECT string_agg(format('before->>%1$L IS DISTINCT FROM after->>%1$L', c), ' OR ')
                                          FROM unnest(sitewire.columns_in(r.project)) c))
         FROM sitewire.resource r WHERE r.project IS NOT NULL));
    -- Whether the caller, no admin, may read one version of a row, by the names of today. `id` is
    -- the change that made the version.
    PERFORM sitewire.derive_case('users.may_read_version(resource text, key text, version jsonb, project text, id bigint) '
                                 'RETURNS boolean', 'false',
        (SELECT jsonb_object_agg(r.name, sitewire.past_condition(r)) FROM sitewire.resource r));
    PERFORM sitewire.derive_impact();
END $$;

CREATE OR REPLACE FUNCTION sitewire.derive_case(header text, otherwise text, cases jsonb) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    EXECUTE format(E'CREATE OR REPLACE FUNCTION %s LANGUAGE plpgsql STABLE PARALLEL SAFE AS $f$\nBEGIN\n'
                   '    CASE resource\n    WHEN '''' THEN RETURN %s;\n%s    ELSE RETURN %2$s;\n    END CASE;\nEND $f$',
                   header, otherwise,
                   (SELECT string_agg(format(E'    WHEN %L THEN RETURN %s;\n', c.key, c.value), '' ORDER BY c.key)
                    FROM jsonb_each_text(cases) c));
END $$;

CREATE OR REPLACE FUNCTION sitewire.past_condition(r sitewire.resource) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(sitewire.fill(r.past, 'version'), string_agg(CASE u.needs
        WHEN 'profile' THEN 'true'
        WHEN 'own' THEN format('coalesce(users.name_now(''User'', %s, id) = users.me(), false)',
                               sitewire.fill(r.owner, 'version'))
        WHEN 'manager' THEN 'users.may_manage(NULL)'
        WHEN 'manage' THEN '(project IS NOT NULL AND users.may_manage(users.name_now(''Project'', project, id)))'
        WHEN 'read' THEN '(project IS NOT NULL AND users.may_read(users.name_now(''Project'', project, id)))'
        ELSE 'false' END, ' OR ' ORDER BY u.needs = 'own' DESC, u.needs), 'false')
    FROM users.rule u WHERE u.resource = r.name AND u.action = 'read'
$$;

-- Referential.ListImpact walks the registry step by step. referential.next_hits holds the steps,
-- which follow from the foreign keys and from `serves`:
--
--   * from a row to the rows that refer to it;
--   * from a row that a link (a table with nothing but its key) refers to, to the side that runs on it;
--   * from a row to what it serves. What is reached in this way does not lead on to the rows that refer to
--     it, unless the walk starts there: a website that is hit does not take its other deployments along.
--
-- PostgreSQL inlines the function, so each step of the walk finds its rows by index.
CREATE OR REPLACE FUNCTION sitewire.derive_impact() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    steps text;
BEGIN
    WITH resource AS MATERIALIZED (
        SELECT r.name, r.relation, r.relation::regclass AS oid, sitewire.keys_of(r.relation::regclass) AS keys, r.serves,
               r.serves IS NOT NULL AND NOT EXISTS (
                   SELECT FROM pg_attribute a
                   WHERE a.attrelid = r.relation::regclass AND a.attnum > 0 AND NOT a.attisdropped
                     AND a.attname <> ALL (sitewire.keys_of(r.relation::regclass)
                                           || '{created_at,updated_at,revision,id}')) AS is_link
        FROM sitewire.resource r WHERE starts_with(r.relation, 'referential.') AND r.listing IS NULL
    ), reference AS (
        SELECT c.name AS child, p.name AS parent, substring(f.conname FROM '__(.*)__ref$') AS via,
               (SELECT string_agg(format('%I = $%s::%s', a.attname, array_position(p.keys, b.attname::text) + 1,
                                         format_type(b.atttypid, b.atttypmod)), ' AND ' ORDER BY k.n)
                FROM unnest(f.conkey, f.confkey) WITH ORDINALITY k (own, other, n), pg_attribute a, pg_attribute b
                WHERE a.attrelid = c.oid AND a.attnum = k.own AND b.attrelid = p.oid AND b.attnum = k.other) AS condition
        FROM pg_constraint f JOIN resource c ON c.oid = f.conrelid JOIN resource p ON p.oid = f.confrelid
        WHERE f.contype = 'f'
    ), step AS (
        SELECT format('%s WHERE $1 = %L AND %s%s', sitewire.hit(c.name, c.keys, f.via, c.relation), f.parent, f.condition,
                      CASE WHEN f.parent IN (SELECT s.serves[1] FROM resource s WHERE NOT s.is_link) THEN ' AND $5' END)
               AS text
        FROM reference f JOIN resource c ON c.name = f.child
        UNION ALL
        SELECT format('%s WHERE $1 = %L AND %s', sitewire.hit(c.serves[1], c.serves[2:], c.name, c.relation), f.parent,
                      f.condition)
        FROM reference f JOIN resource c ON c.name = f.child WHERE c.is_link AND f.parent <> c.serves[1]
        UNION ALL
        SELECT format('%s WHERE $1 = %L AND %s AND num_nulls(%s) = 0',
                      sitewire.hit(c.serves[1], c.serves[2:], c.name, c.relation), c.name,
                      (SELECT string_agg(format('%I = $%s::%s', k, n + 1, format_type(a.atttypid, a.atttypmod)), ' AND '
                                         ORDER BY n)
                       FROM unnest(c.keys) WITH ORDINALITY x (k, n)
                       JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = k),
                      (SELECT string_agg(quote_ident(k), ', ') FROM unnest(c.serves[2:]) k))
        FROM resource c WHERE c.serves IS NOT NULL AND NOT c.is_link
    )
    SELECT string_agg(s.text, E'\n    UNION ALL ' ORDER BY s.text) INTO steps FROM step s;
    EXECUTE format(
        E'CREATE OR REPLACE FUNCTION referential.next_hits(type text, k1 text, k2 text, k3 text, is_start boolean) '
        'RETURNS TABLE (next_type text, next_k1 text, next_k2 text, next_k3 text, via text) '
        'LANGUAGE sql STABLE AS $f$\n    %s\n$f$',
        coalesce(steps, 'SELECT NULL::text, NULL::text, NULL::text, NULL::text, NULL::text WHERE false'));
END $$;

CREATE OR REPLACE FUNCTION sitewire.hit(name text, keys text[], via text, relation text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT format('SELECT %L::text, %s, %L::text FROM %s', name,
                  (SELECT string_agg(CASE WHEN n <= cardinality(keys) THEN format('%I::text', keys[n]) ELSE '''''::text' END,
                                     ', ' ORDER BY n) FROM generate_series(1, 3) n), via, relation)
$$;

-- --- Rows by their key ---

-- The parts of a key that are joined with `/`; NULL if they are too few. Only the middle part of
-- three, and the last one of two, may contain a `/` itself.
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

-- What a row would be that does not exist yet, as far as its key tells.
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

-- Drops every trigger, policy, view and function in sitewire's schemas that the transaction under
-- way has not made, and forgets resources that it has not registered. Functions that tables use (in
-- a CHECK or a default) belong to the tables and stay.
CREATE OR REPLACE FUNCTION sitewire.sweep() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    mine xid := pg_current_xact_id()::xid;
    schemas oid[] := '{sitewire,users,referential,deployment}'::regnamespace[]::oid[];
    command text;
BEGIN
    DELETE FROM sitewire.resource r WHERE r.xmin <> mine;
    DELETE FROM users.rule u WHERE NOT EXISTS (SELECT FROM sitewire.resource r WHERE r.name = u.resource);
    PERFORM sitewire.derive();
    FOREACH command IN ARRAY ARRAY(
        SELECT format('DROP TRIGGER %I ON %s', t.tgname, t.tgrelid::regclass)
        FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
        WHERE NOT t.tgisinternal AND c.relnamespace = ANY (schemas) AND NOT sitewire.is_described('pg_trigger', t.oid, mine)
        UNION ALL
        SELECT format('DROP POLICY %I ON %s', p.polname, p.polrelid::regclass)
        FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
        WHERE c.relnamespace = ANY (schemas) AND NOT sitewire.is_described('pg_policy', p.oid, mine)
        UNION ALL
        SELECT format('DROP VIEW %s', c.oid::regclass)
        FROM pg_class c JOIN pg_rewrite w ON w.ev_class = c.oid
        WHERE c.relkind = 'v' AND c.relnamespace = ANY (schemas) AND w.xmin <> mine
        UNION ALL
        SELECT format('DROP FUNCTION %s', p.oid::regprocedure)
        FROM pg_proc p
        WHERE p.pronamespace = ANY (schemas) AND p.xmin <> mine AND NOT EXISTS (
            SELECT FROM pg_depend d WHERE d.refclassid = 'pg_proc'::regclass AND d.refobjid = p.oid
            AND d.classid IN ('pg_constraint'::regclass, 'pg_attrdef'::regclass)))
    LOOP
        EXECUTE command;
    END LOOP;
END $$;

-- Whether the transaction has set the object's comment, as keep_trigger and keep_policy do.
CREATE OR REPLACE FUNCTION sitewire.is_described(catalog regclass, object oid, by_transaction xid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_description d
                   WHERE d.classoid = catalog AND d.objoid = object AND d.xmin = by_transaction)
$$;

-- The duties: what the table of every resource must have. sitewire.keep_resource attaches it
-- (02_resources.sql). A service does not serve a table that lacks a duty
-- (src/store/schema_check.c), and `sitewire migrate` attaches what is missing.

-- The duties of a table, whether it meets them, and what to do if it does not. This is the only
-- list of duties. A registration may exempt a table from `timestamps`, `guard`, `history` and
-- `as-of` (12_access.sql). The duties of a view are those of the table behind it.
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
         AND NOT EXISTS (SELECT FROM pg_policy p WHERE p.polrelid = it
                         AND (r.listing IS NOT NULL OR NOT sitewire.is_intact('pg_policy', p.oid))),
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

-- Whether the trigger exists, was made by sitewire.keep_trigger, and is enabled.
CREATE OR REPLACE FUNCTION sitewire.has_trigger(relation regclass, name text, function regproc) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_trigger t WHERE t.tgrelid = relation AND t.tgname = name AND t.tgfoid = function
                   AND t.tgenabled IN ('O', 'A') AND sitewire.is_intact('pg_trigger', t.oid))
$$;

-- Whether the triggers run for every row. A rewrite rule can write elsewhere, with the rights of
-- its owner. The rows of an inheriting table appear in its parent, but run only their own triggers.
-- Partitions have the triggers of their parent, and each of these can be disabled.
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

-- Relations that a service can change, but that nobody has registered. The tables of the schema
-- `sitewire` are no resources.
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

-- Functions that know all resources. sitewire.derive generates them from the registrations
-- (02_resources.sql) each time that the schema files are applied.

-- Generates these functions again. They are generated code and do not read sitewire.resource,
-- because they run for every change, and for every row of history that a caller reads.
CREATE OR REPLACE FUNCTION sitewire.derive() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    -- The project that a row belongs to, or NULL; and the user that it is about.
    PERFORM sitewire.derive_case('users.project_of(resource text, "row" jsonb) RETURNS text', 'NULL',
        (SELECT jsonb_object_agg(r.name, sitewire.fill(r.project, '"row"')) FROM sitewire.resource r WHERE r.project IS NOT NULL));
    PERFORM sitewire.derive_case('users.owner_of(resource text, "row" jsonb) RETURNS text', 'NULL',
        (SELECT jsonb_object_agg(r.name, sitewire.fill(r.owner, '"row"')) FROM sitewire.resource r WHERE r.owner IS NOT NULL));
    -- All projects whose rights apply to a row: its own, or those that a function of the resource
    -- returns. Runs as its owner, because rows that the caller may not read count, too.
    PERFORM sitewire.derive_case('users.projects_of(resource text, "row" jsonb) RETURNS text[] SECURITY DEFINER',
        'array_remove(ARRAY[users.project_of(resource, "row")], NULL)',
        (SELECT jsonb_object_agg(r.name, r.projects || '("row")') FROM sitewire.resource r WHERE r.projects IS NOT NULL));
    -- Whether an update moved a row from one project to another (or renamed the project).
    PERFORM sitewire.derive_case('users.is_moved(resource text, before jsonb, after jsonb) RETURNS boolean', 'false',
        (SELECT jsonb_object_agg(r.name, (SELECT string_agg(format('before->>%1$L IS DISTINCT FROM after->>%1$L', c), ' OR ')
                                          FROM unnest(sitewire.columns_in(r.project)) c))
         FROM sitewire.resource r WHERE r.project IS NOT NULL));
    -- Whether a caller who is not an admin may read one version of a row, by the rights of today on
    -- the same project, or the same user: not on those that have got its name since. `id` is the
    -- change that made the version, `row_id` and `project_row` are permanent numbers.
    PERFORM sitewire.derive_case('users.may_read_version(resource text, version jsonb, project text, row_id bigint, '
                                 'project_row bigint, id bigint) RETURNS boolean', 'false',
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
    PERFORM sitewire.record_definition('pg_proc', to_regproc(split_part(header, '(', 1)));
END $$;

CREATE OR REPLACE FUNCTION sitewire.past_condition(r sitewire.resource) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT coalesce(sitewire.fill(r.past, 'version'), string_agg(CASE u.needs
        WHEN 'profile' THEN 'true'
        WHEN 'own' THEN format('coalesce(users.name_of_row(users.row_at(''User'', %s, id)) = users.me(), false)',
                               sitewire.fill(r.owner, 'version'))
        WHEN 'manager' THEN 'users.may_manage(NULL)'
        WHEN 'member' THEN format('coalesce(users.is_member(users.name_of_row(users.row_at(''Group'', version->>%L, id))), false)',
                                  CASE r.name WHEN 'Group' THEN 'code' ELSE 'group' END)
        WHEN 'manage' THEN '(project IS NOT NULL AND users.may_manage_row(project_row))'
        WHEN 'read' THEN '(project IS NOT NULL AND users.may_read_row(project_row))'
        ELSE 'false' END, ' OR ' ORDER BY u.needs = 'own' DESC, u.needs), 'false')
    FROM users.rule u WHERE u.resource = r.name AND u.action = 'read'
$$;

-- Referential.ListImpact walks the registry step by step. referential.next_hits holds the steps.
-- They follow from the foreign keys and from `serves`:
--
--   * from a row to the rows that refer to it;
--   * from a row that a link (a table with only its key) refers to, to the side that runs on it;
--   * from a row to what it serves. From there the walk does not go on to the rows that refer to
--     it, unless it started there: an affected website does not affect its other deployments.
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
    PERFORM sitewire.record_definition('pg_proc', 'referential.next_hits'::regproc);
END $$;

CREATE OR REPLACE FUNCTION sitewire.hit(name text, keys text[], via text, relation text) RETURNS text
LANGUAGE sql IMMUTABLE AS $$
    SELECT format('SELECT %L::text, %s, %L::text FROM %s', name,
                  (SELECT string_agg(CASE WHEN n <= cardinality(keys) THEN format('%I::text', keys[n]) ELSE '''''::text' END,
                                     ', ' ORDER BY n) FROM generate_series(1, 3) n), via, relation)
$$;

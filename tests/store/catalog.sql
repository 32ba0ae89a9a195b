-- Everything that sitewire's schemas consist of, as one text: what two databases of the same
-- version have in common. Used by test_schema_upgrade.c.
WITH mine AS (
    SELECT oid, nspname, nspacl FROM pg_namespace WHERE nspname IN ('sitewire', 'users', 'referential', 'deployment')
), item (kind, name, definition) AS (
    SELECT 'schema', nspname::text, (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(nspacl) x) FROM mine
    UNION ALL
    SELECT 'column', format('%s.%s', a.attrelid::regclass, a.attname),
           concat_ws(' ', a.attnum, format_type(a.atttypid, a.atttypmod), a.attnotnull, a.attidentity, a.attgenerated,
                     a.attstorage, a.attcollation::regcollation, pg_get_expr(d.adbin, d.adrelid), a.attacl)
    FROM pg_attribute a JOIN pg_class c ON c.oid = a.attrelid
    LEFT JOIN pg_attrdef d ON d.adrelid = c.oid AND d.adnum = a.attnum
    WHERE c.relnamespace IN (SELECT oid FROM mine) AND a.attnum > 0 AND NOT a.attisdropped
    UNION ALL
    SELECT 'relation', c.oid::regclass::text,
           concat_ws(' ', c.relkind, c.relrowsecurity, c.relforcerowsecurity, c.reloptions,
                     (SELECT string_agg(x::text, ' ' ORDER BY x::text)
                      FROM unnest(coalesce(c.relacl, acldefault('r', c.relowner))) x),
                     CASE c.relkind WHEN 'v' THEN pg_get_viewdef(c.oid) WHEN 'i' THEN pg_get_indexdef(c.oid) END)
    FROM pg_class c WHERE c.relnamespace IN (SELECT oid FROM mine)
    UNION ALL
    SELECT 'constraint', format('%s.%s', conrelid::regclass, conname), pg_get_constraintdef(oid)
    FROM pg_constraint WHERE connamespace IN (SELECT oid FROM mine)
    UNION ALL
    SELECT 'trigger', format('%s.%s', t.tgrelid::regclass, t.tgname),
           concat_ws(' ', t.tgenabled, pg_get_triggerdef(t.oid), obj_description(t.oid, 'pg_trigger'))
    FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    WHERE NOT t.tgisinternal AND c.relnamespace IN (SELECT oid FROM mine)
    UNION ALL
    SELECT 'policy', format('%s.%s', p.polrelid::regclass, p.polname),
           concat_ws(' ', p.polcmd, p.polpermissive, p.polroles::regrole[], pg_get_expr(p.polqual, p.polrelid),
                     pg_get_expr(p.polwithcheck, p.polrelid), obj_description(p.oid, 'pg_policy'))
    FROM pg_policy p
    UNION ALL
    SELECT 'function', p.oid::regprocedure::text,
           concat_ws(' ', pg_get_functiondef(p.oid), (SELECT string_agg(x::text, ' ' ORDER BY x::text) FROM unnest(p.proacl) x))
    FROM pg_proc p WHERE p.pronamespace IN (SELECT oid FROM mine)
    UNION ALL
    SELECT 'type', t.oid::regtype::text, t.typtype::text FROM pg_type t WHERE t.typnamespace IN (SELECT oid FROM mine)
    UNION ALL
    SELECT 'rule', concat_ws('/', resource, action, needs), '' FROM users.rule
    UNION ALL
    SELECT 'resource', name, r::text FROM sitewire.resource r
    UNION ALL
    SELECT 'history', resource, '' FROM users.history
)
SELECT string_agg(concat_ws(' ', kind, name, definition), E'\n' ORDER BY kind, name) FROM item

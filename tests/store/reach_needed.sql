-- The functions that the login $1 of a service needs, one a line: those that its statements ($2)
-- call, and those that what these run with the login's own rights calls: policies, constraints,
-- views, triggers, and functions that do not run as their owner. Used by test_schema_reach.c.
WITH RECURSIVE f AS (
    SELECT p.oid, format('%I.%I(', n.nspname, p.proname) AS call, p.prosrc, p.prosecdef
    FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
    WHERE n.nspname IN ('sitewire', 'users', 'referential', 'deployment')
), mine AS (
    SELECT to_regclass(r.relation) AS oid FROM sitewire.resource r WHERE r.service = $1
    UNION ALL SELECT 'sitewire.request'::regclass
), source AS (
    SELECT $2 AS text
    UNION ALL
    SELECT concat(pg_get_expr(p.polqual, p.polrelid), pg_get_expr(p.polwithcheck, p.polrelid))
    FROM pg_policy p WHERE p.polrelid IN (SELECT oid FROM mine)
    UNION ALL
    SELECT pg_get_constraintdef(c.oid) FROM pg_constraint c WHERE c.contype = 'c'
    UNION ALL
    SELECT pg_get_viewdef(c.oid) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
    WHERE c.relkind = 'v' AND n.nspname IN ('sitewire', 'users', 'referential', 'deployment')
      AND has_any_column_privilege($1, c.oid, 'SELECT')
    UNION ALL
    SELECT f.prosrc FROM f JOIN pg_trigger t ON t.tgfoid = f.oid
    JOIN sitewire.resource r ON t.tgrelid = to_regclass(r.relation)
    WHERE NOT f.prosecdef AND r.service = $1 AND r.privileges && '{INSERT,UPDATE,DELETE}'
), need AS (
    SELECT f.* FROM f WHERE EXISTS (SELECT FROM source s WHERE strpos(s.text, f.call) > 0)
    UNION
    SELECT g.* FROM need n JOIN f g ON NOT n.prosecdef AND strpos(n.prosrc, g.call) > 0
)
SELECT string_agg(n.oid::regprocedure::text, E'\n') FROM need n

-- Runs as the login of a service: calls each function of the registry with NULLs, and undoes that.
-- Leaves those that are not refused in the setting test.reach, one a line. Used by
-- test_schema_reach.c.
DO $try$
DECLARE
    one record;
    reach text := '';
BEGIN
    FOR one IN
        SELECT p.oid::regprocedure::text AS name, p.proname,
               format('SELECT %I.%I(%s)', n.nspname, p.proname,
                      (SELECT string_agg('NULL::' || format_type(a.type, NULL), ', ' ORDER BY a.n)
                       FROM unnest(p.proargtypes) WITH ORDINALITY a (type, n))) AS statement
        FROM pg_proc p JOIN pg_namespace n ON n.oid = p.pronamespace
        WHERE n.nspname IN ('sitewire', 'users', 'referential', 'deployment', 'public') AND p.prokind = 'f'
          AND p.prorettype <> 'trigger'::regtype
    LOOP
        BEGIN
            EXECUTE one.statement;
            RAISE EXCEPTION USING ERRCODE = 'ZZ001';
        EXCEPTION WHEN others THEN
            IF SQLERRM <> format('permission denied for function %s', one.proname)
               AND SQLERRM NOT LIKE 'permission denied for schema %' THEN
                reach := concat(reach, one.name, E'\n');
            END IF;
        END;
    END LOOP;
    PERFORM set_config('test.reach', reach, false);
END $try$;

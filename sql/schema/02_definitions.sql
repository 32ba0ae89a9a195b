-- The definitions of functions, views, triggers and policies. sitewire.definition holds a checksum
-- of each one as `sitewire migrate` made it. Services and `sitewire migrate` compare them with what
-- is there, so that nobody changes a rule by hand without being noticed. The texts that are
-- compared contain no number of an object, so they survive a dump.
--
-- This finds mistakes and hasty repairs. It cannot find what the owner of the schema hides on
-- purpose: the owner can change the checksums, too.

-- Every function, view, trigger and policy in sitewire's schemas, and the transaction that made it.
-- sitewire.keep_trigger and sitewire.keep_policy set a comment each time; a partition's copy of a
-- trigger belongs to its parent.
CREATE OR REPLACE FUNCTION sitewire.objects() RETURNS TABLE (catalog regclass, object oid, made_by xid)
LANGUAGE sql STABLE AS $$
    WITH mine AS (SELECT oid FROM pg_namespace WHERE nspname IN ('sitewire', 'users', 'referential', 'deployment'))
    SELECT 'pg_proc'::regclass, p.oid, p.xmin FROM pg_proc p WHERE p.pronamespace IN (SELECT oid FROM mine)
    UNION ALL
    SELECT 'pg_class', c.oid, w.xmin FROM pg_class c JOIN pg_rewrite w ON w.ev_class = c.oid AND w.rulename = '_RETURN'
    WHERE c.relkind = 'v' AND c.relnamespace IN (SELECT oid FROM mine)
    UNION ALL
    SELECT 'pg_trigger', t.oid, d.xmin FROM pg_trigger t JOIN pg_class c ON c.oid = t.tgrelid
    LEFT JOIN pg_description d ON d.classoid = 'pg_trigger'::regclass AND d.objoid = t.oid
    WHERE NOT t.tgisinternal AND t.tgparentid = 0 AND c.relnamespace IN (SELECT oid FROM mine)
    UNION ALL
    SELECT 'pg_policy', p.oid, d.xmin FROM pg_policy p JOIN pg_class c ON c.oid = p.polrelid
    LEFT JOIN pg_description d ON d.classoid = 'pg_policy'::regclass AND d.objoid = p.oid
    WHERE c.relnamespace IN (SELECT oid FROM mine)
$$;

-- `function users.may_read(text)`, `trigger guard on referential.website`: DROP understands it.
CREATE OR REPLACE FUNCTION sitewire.name_of(catalog regclass, object oid) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    it record := pg_identify_object(catalog, object, 0);
BEGIN
    RETURN it.type || ' ' || replace(it.identity, 'pg_catalog.', '');
END $$;

-- Functions that tables use (in a CHECK or a default) belong to the tables: numbered migrations
-- make them.
CREATE OR REPLACE FUNCTION sitewire.belongs_to_table(catalog regclass, object oid) RETURNS boolean
LANGUAGE sql STABLE AS $$
    SELECT EXISTS (SELECT FROM pg_depend d WHERE d.refclassid = catalog AND d.refobjid = object
                   AND d.classid IN ('pg_constraint'::regclass, 'pg_attrdef'::regclass))
$$;

-- The text of a definition. A function is described by its columns, because the text of
-- pg_get_functiondef may differ between versions of PostgreSQL. This and the next ones are
-- PL/pgSQL, which plans each statement once in a session.
CREATE OR REPLACE FUNCTION sitewire.definition_of(catalog regclass, object oid) RETURNS text
LANGUAGE plpgsql STABLE SET search_path = pg_catalog, pg_temp AS $$
BEGIN
    CASE catalog
    WHEN 'pg_proc'::regclass THEN
        RETURN (SELECT concat_ws(E'\n', pg_get_function_arguments(p.oid), pg_get_function_result(p.oid), l.lanname, p.prokind,
                                 p.prosecdef, p.proleakproof, p.proisstrict, p.provolatile, p.proparallel, p.proconfig,
                                 p.probin, p.prosrc)
                FROM pg_proc p JOIN pg_language l ON l.oid = p.prolang WHERE p.oid = object);
    WHEN 'pg_class'::regclass THEN
        RETURN (SELECT concat_ws(E'\n', c.reloptions, (SELECT string_agg(pg_get_ruledef(w.oid), E'\n' ORDER BY w.rulename)
                                                       FROM pg_rewrite w WHERE w.ev_class = c.oid))
                FROM pg_class c WHERE c.oid = object);
    WHEN 'pg_trigger'::regclass THEN
        RETURN (SELECT concat_ws(E'\n', t.tgenabled IN ('O', 'A'), pg_get_triggerdef(t.oid))
                FROM pg_trigger t WHERE t.oid = object);
    WHEN 'pg_policy'::regclass THEN
        RETURN (SELECT concat_ws(E'\n', p.polcmd, p.polpermissive,
                                 (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(r)) END, ','
                                                    ORDER BY pg_get_userbyid(r)) FROM unnest(p.polroles) r),
                                 'USING ' || pg_get_expr(p.polqual, p.polrelid),
                                 'WITH CHECK ' || pg_get_expr(p.polwithcheck, p.polrelid))
                FROM pg_policy p WHERE p.oid = object);
    END CASE;
END $$;

CREATE OR REPLACE FUNCTION sitewire.checksum_of(catalog regclass, object oid) RETURNS text LANGUAGE sql STABLE AS $$
    SELECT encode(sha256(convert_to(sitewire.definition_of(catalog, object), 'UTF8')), 'hex')
$$;

CREATE OR REPLACE FUNCTION sitewire.record_definition(catalog regclass, object oid) RETURNS void LANGUAGE sql AS $$
    INSERT INTO sitewire.definition AS d (object, checksum)
    SELECT sitewire.name_of(catalog, object), sitewire.checksum_of(catalog, object) WHERE object IS NOT NULL
    ON CONFLICT ON CONSTRAINT definition__object__key DO UPDATE SET checksum = EXCLUDED.checksum
$$;

-- Whether an object is as it was recorded.
CREATE OR REPLACE FUNCTION sitewire.is_intact(catalog regclass, object oid) RETURNS boolean LANGUAGE plpgsql STABLE AS $$
DECLARE
    name text := sitewire.name_of(catalog, object);
BEGIN
    RETURN EXISTS (SELECT FROM sitewire.definition d
                   WHERE d.object = name AND d.checksum = sitewire.checksum_of($1, $2));
END $$;

-- What is not as it was recorded, and what to do about it.
CREATE OR REPLACE FUNCTION sitewire.altered() RETURNS TABLE (object text, complaint text, remedy text)
LANGUAGE sql STABLE SECURITY DEFINER SET search_path = pg_catalog, pg_temp AS $$
    SELECT coalesce(o.name, d.object),
           CASE WHEN d.object IS NULL THEN 'was not made by sitewire' WHEN o.name IS NULL THEN 'is missing'
                ELSE 'was changed by hand' END,
           CASE WHEN d.object IS NULL THEN 'run `sitewire migrate`, which drops it'
                WHEN sitewire.belongs_to_table(o.catalog, o.object)
                THEN 'define it again as in sql/migrations: CREATE OR REPLACE FUNCTION ...'
                ELSE 'run `sitewire migrate`, which makes it again' END
    FROM (SELECT x.catalog, x.object, sitewire.name_of(x.catalog, x.object) AS name,
                 sitewire.checksum_of(x.catalog, x.object) AS checksum FROM sitewire.objects() x) o
    FULL JOIN sitewire.definition d ON d.object = o.name
    WHERE o.checksum IS DISTINCT FROM d.checksum
      AND (o.name IS NOT NULL OR d.object !~ '^(trigger|policy) ' -- whose table may be gone on purpose
           OR to_regclass(substring(d.object FROM ' on (.*)$')) IS NOT NULL)
    ORDER BY 1
$$;

-- The same, and the duties that registered tables lack: what `sitewire migrate` repairs.
CREATE OR REPLACE FUNCTION sitewire.damage() RETURNS TABLE (object text, complaint text, remedy text)
LANGUAGE sql STABLE AS $$
    SELECT r.relation, 'is not guarded: it lacks ' || string_agg(d.duty, ', '), (array_agg(d.remedy))[1]
    FROM sitewire.resource r, sitewire.missing_duties(to_regclass(r.relation)) d GROUP BY r.relation
    UNION ALL
    SELECT a.object, a.complaint, a.remedy FROM sitewire.altered() a
$$;

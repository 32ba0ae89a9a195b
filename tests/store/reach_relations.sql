-- Runs as the login of a service: tries each statement on each relation of the database. Leaves
-- what is not refused in the setting test.reach, as lines of `relation PRIVILEGE`. EXPLAIN checks
-- privileges as the statement itself does. Used by test_schema_reach.c.
DO $try$
DECLARE
    one record;
    reach text := '';
BEGIN
    FOR one IN
        WITH relation AS (
            SELECT c.oid, c.relkind, format('%I.%I', n.nspname, c.relname) AS name,
                   (SELECT quote_ident(a.attname) FROM pg_attribute a
                    WHERE a.attrelid = c.oid AND a.attnum > 0 AND NOT a.attisdropped AND a.attgenerated = ''
                    ORDER BY a.attnum DESC LIMIT 1) AS last_column
            FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
            WHERE c.relkind IN ('r', 'p', 'v', 'm', 'f', 'S') AND NOT starts_with(n.nspname, 'pg_')
              AND n.nspname <> 'information_schema')
        SELECT r.name, x.privilege, format(x.statement, r.name, r.last_column) AS statement
        FROM relation r, (VALUES
            ('SELECT', 'EXPLAIN SELECT * FROM %1$s'),
            ('INSERT', 'EXPLAIN INSERT INTO %1$s DEFAULT VALUES'),
            ('UPDATE', 'EXPLAIN UPDATE %1$s SET %2$s = NULL'),
            ('DELETE', 'EXPLAIN DELETE FROM %1$s'),
            ('TRUNCATE', 'TRUNCATE %1$s')) x (privilege, statement)
        WHERE r.relkind <> 'S' AND (x.privilege <> 'TRUNCATE' OR r.relkind IN ('r', 'p'))
        UNION ALL
        SELECT r.name, 'SELECT', format('SELECT * FROM %s', r.name) FROM relation r WHERE r.relkind = 'S'
        UNION ALL
        SELECT r.name, 'USAGE', format('SELECT nextval(%L)', r.name) FROM relation r WHERE r.relkind = 'S'
        UNION ALL -- a column, where the whole relation is refused
        SELECT r.name, format('SELECT(%s)', a.attname), format('EXPLAIN SELECT %I FROM %s', a.attname, r.name)
        FROM relation r JOIN pg_attribute a ON a.attrelid = r.oid AND a.attnum > 0 AND NOT a.attisdropped
        WHERE r.relkind <> 'S' AND NOT has_table_privilege(r.oid, 'SELECT')
    LOOP
        BEGIN
            EXECUTE one.statement;
            RAISE EXCEPTION USING ERRCODE = 'ZZ001'; -- undoes it
        EXCEPTION
            -- The latter two: nobody can change this view.
            WHEN insufficient_privilege OR object_not_in_prerequisite_state OR feature_not_supported THEN
                NULL;
            WHEN others THEN
                reach := concat(reach, one.name, ' ', one.privilege, E'\n');
        END;
    END LOOP;
    PERFORM set_config('test.reach', reach, false);
END $try$;

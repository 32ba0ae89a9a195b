-- Deployments.ReadLog: output from a byte on. At most 1024 chunks, of which those after the first
-- one stay within the limit.
WITH asked AS MATERIALIZED (
    SELECT coalesce(:id, 0) AS id, coalesce(:command, 0) AS command,
           CASE WHEN coalesce(:offset, 0) < 0 THEN sitewire.fail('SW002', 'offset', 'offset is 0 or more')::bigint
                ELSE coalesce(:offset, 0) END AS since,
           CASE WHEN coalesce(:limit, 0) < 0 THEN sitewire.fail('SW002', 'limit', 'limit is 0 or more')::bigint
                ELSE least(coalesce(nullif(:limit, 0), 1048576), 8388608) END AS most
), begins AS MATERIALIZED (
    SELECT a.*, coalesce((SELECT l."offset" FROM deployment.deployment_log l
                          WHERE l.deployment = a.id AND l."offset" <= a.since ORDER BY l."offset" DESC LIMIT 1), 0) AS first
    FROM asked a
    WHERE CASE WHEN NOT EXISTS (SELECT FROM deployment.deployment d WHERE d.id = a.id)
               THEN sitewire.fail('SW003', 'id', format('there is no deployment %s', a.id)) IS NOT NULL
               WHEN a.command <> 0
                    AND NOT EXISTS (SELECT FROM deployment.deployment_command c
                                    WHERE c.deployment = a.id AND c.number = a.command)
               THEN sitewire.fail('SW003', 'command', format('deployment %s has no command %s', a.id, a.command)) IS NOT NULL
               ELSE true END
), chunks AS (
    SELECT b.since, b.most, l.*, sum(octet_length(l.bytes)) OVER (ORDER BY l."offset") AS total,
           row_number() OVER (ORDER BY l."offset") AS place
    FROM begins b CROSS JOIN LATERAL (
        SELECT * FROM deployment.deployment_log l
        WHERE l.deployment = b.id AND l."offset" >= b.first AND l."offset" + octet_length(l.bytes) > b.since
          AND (b.command = 0 OR l.command = b.command)
        ORDER BY l."offset" LIMIT 1024) l
)
SELECT deployment, greatest("offset", since) AS "offset", command, attempt, stream, at,
       CASE WHEN "offset" < since THEN substring(bytes FROM (since - "offset")::integer + 1) ELSE bytes END AS bytes,
       created_at, updated_at, revision
FROM chunks
WHERE place = 1 OR total <= most
ORDER BY "offset"

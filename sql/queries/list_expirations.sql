-- Referential.ListExpirations: certificates and domains that expire within some days, and the
-- websites that need them.
WITH RECURSIVE argument AS MATERIALIZED (
    SELECT now() + CASE WHEN :within_days NOT BETWEEN 0 AND 36500
                        THEN sitewire.fail('SW002', 'within_days', 'within_days is 0 to 36500')
                        ELSE coalesce(:within_days, 30)::text END::integer * interval '1 day' AS until
), expiring AS (
    SELECT 'Certificate' AS type, c.code AS key, c.not_after AS expires_at
    FROM argument a JOIN referential.certificate c ON c.not_after <= a.until
    UNION ALL
    SELECT 'Domain', d.fqdn, d.expires_at
    FROM argument a JOIN referential.domain d ON d.expires_at <= a.until
), reached AS (
    -- A certificate is needed by the domains that use it, a domain by itself and those below it.
    (SELECT e.type, e.key, d.fqdn, d.website
    FROM expiring e JOIN referential.domain d ON d.fqdn = e.key
    WHERE e.type = 'Domain'
    UNION ALL
    SELECT e.type, e.key, d.fqdn, d.website
    FROM expiring e JOIN referential.domain d ON d.certificate = e.key
    WHERE e.type = 'Certificate')
    UNION
    SELECT r.type, r.key, d.fqdn, d.website
    FROM reached r JOIN referential.domain d ON d.parent = r.fqdn
    WHERE r.type = 'Domain'
), need AS (
    SELECT type, key, website FROM reached WHERE website IS NOT NULL
    UNION
    SELECT e.type, e.key, w.website
    FROM expiring e JOIN referential.docroot_environment_certificate c ON c.certificate = e.key
    JOIN referential.website_deployed w USING (docroot, environment)
    WHERE e.type = 'Certificate'
), needed AS (
    SELECT type, key, array_agg(website ORDER BY website) AS websites FROM need GROUP BY type, key
)
SELECT type, key, e.expires_at, floor(extract(epoch FROM e.expires_at - now()) / 86400)::integer AS days_left,
       coalesce(n.websites, '{}') AS websites
FROM expiring e LEFT JOIN needed n USING (type, key)
ORDER BY e.expires_at, type, key
LIMIT (SELECT 100000 FROM argument) -- comes first, so arguments are checked even if no row is found

-- Referential.ListImpact: what would be hit if a resource went away.
--
-- A walk from the resource to what refers to it, to what runs on it and to what is reached through it. Keys are carried in
-- parts, so that each step finds its rows by index. Rows of link tables are listed, as they go too, but lead nowhere: what
-- they link is one step from the other side. A website that is hit does not take its other deployments and domains along,
-- unless the walk starts there. So there are no circles, and the few ways to the same resource are thinned out at the end.
WITH RECURSIVE argument AS MATERIALIZED (
    SELECT referential.find(coalesce(:type, ''), coalesce(:key, ''), 'key') AS part,
           CASE WHEN :depth < 0 THEN sitewire.fail('SW002', 'depth', 'depth is 0 or more')
                WHEN coalesce(:depth, 0) = 0 THEN '1000' ELSE :depth::text END::integer AS depth
), hit AS (
    SELECT 0 AS depth, :type::text COLLATE "C" AS type,
           part[1] COLLATE "C" AS k1, coalesce(part[2], '') COLLATE "C" AS k2, coalesce(part[3], '') COLLATE "C" AS k3,
           ''::text AS via, ''::text COLLATE "C" AS from_type, ''::text COLLATE "C" AS from_key
    FROM argument
    UNION
    SELECT h.depth + 1, n.type, n.k1, n.k2, n.k3, n.via, h.type, concat_ws('/', h.k1, nullif(h.k2, ''), nullif(h.k3, ''))
    FROM argument a, hit h, LATERAL (
        SELECT 'Docroot' AS type, code AS k1, '' AS k2, '' AS k3, 'hosting_provider' AS via
        FROM referential.docroot WHERE h.type = 'HostingProvider' AND hosting_provider = h.k1
        UNION ALL
        SELECT 'LoadBalancer', code, '', '', 'hosting_provider'
        FROM referential.load_balancer WHERE h.type = 'HostingProvider' AND hosting_provider = h.k1
        UNION ALL
        SELECT 'Docroot', code, '', '', 'drupal_docroot_core'
        FROM referential.docroot WHERE h.type = 'DrupalDocrootCore' AND drupal_docroot_core = h.k1
        UNION ALL
        SELECT 'DocrootEnvironment', docroot, environment, '', 'docroot'
        FROM referential.docroot_environment WHERE h.type = 'Docroot' AND docroot = h.k1
        UNION ALL
        SELECT 'DocrootEnvironment', docroot, environment, '', 'environment'
        FROM referential.docroot_environment WHERE h.type = 'Environment' AND environment = h.k1
        UNION ALL
        SELECT 'DocrootEnvironment', docroot, environment, '', 'cms'
        FROM referential.docroot_environment WHERE h.type = 'Cms' AND cms = h.k1
        UNION ALL -- from what a docroot environment runs on
        SELECT 'DocrootEnvironment', docroot, environment, '', 'DocrootEnvironmentServer'
        FROM referential.docroot_environment_server WHERE h.type = 'Server' AND server = h.k1
        UNION ALL
        SELECT 'DocrootEnvironmentServer', docroot, environment, server, 'server'
        FROM referential.docroot_environment_server WHERE h.type = 'Server' AND server = h.k1
        UNION ALL
        SELECT 'DocrootEnvironment', docroot, environment, '', 'DocrootEnvironmentCertificate'
        FROM referential.docroot_environment_certificate WHERE h.type = 'Certificate' AND certificate = h.k1
        UNION ALL
        SELECT 'DocrootEnvironmentCertificate', docroot, environment, certificate, 'certificate'
        FROM referential.docroot_environment_certificate WHERE h.type = 'Certificate' AND certificate = h.k1
        UNION ALL
        SELECT 'DocrootEnvironment', docroot, environment, '', 'DocrootEnvironmentLoadBalancer'
        FROM referential.docroot_environment_load_balancer WHERE h.type = 'LoadBalancer' AND load_balancer = h.k1
        UNION ALL
        SELECT 'DocrootEnvironmentLoadBalancer', docroot, environment, load_balancer, 'load_balancer'
        FROM referential.docroot_environment_load_balancer WHERE h.type = 'LoadBalancer' AND load_balancer = h.k1
        UNION ALL -- from a docroot environment
        SELECT 'DocrootEnvironmentServer', docroot, environment, server, 'environment'
        FROM referential.docroot_environment_server
        WHERE h.type = 'DocrootEnvironment' AND docroot = h.k1 AND environment = h.k2
        UNION ALL
        SELECT 'DocrootEnvironmentCertificate', docroot, environment, certificate, 'environment'
        FROM referential.docroot_environment_certificate
        WHERE h.type = 'DocrootEnvironment' AND docroot = h.k1 AND environment = h.k2
        UNION ALL
        SELECT 'DocrootEnvironmentLoadBalancer', docroot, environment, load_balancer, 'environment'
        FROM referential.docroot_environment_load_balancer
        WHERE h.type = 'DocrootEnvironment' AND docroot = h.k1 AND environment = h.k2
        UNION ALL
        SELECT 'WebsiteDeployed', website, docroot, environment, 'environment'
        FROM referential.website_deployed
        WHERE h.type = 'DocrootEnvironment' AND docroot = h.k1 AND environment = h.k2
        UNION ALL -- from and to websites
        SELECT 'WebsiteDeployed', website, docroot, environment, 'website'
        FROM referential.website_deployed WHERE h.type = 'Website' AND h.depth = 0 AND website = h.k1
        UNION ALL
        SELECT 'Website', h.k1, '', '', 'WebsiteDeployed' WHERE h.type = 'WebsiteDeployed'
        UNION ALL
        SELECT 'Domain', fqdn, '', '', 'website'
        FROM referential.domain
        WHERE h.type = 'WebsiteDeployed' AND website = h.k1 AND docroot = h.k2 AND environment = h.k3
        UNION ALL -- from and to domains
        SELECT 'Domain', fqdn, '', '', 'registrar'
        FROM referential.domain WHERE h.type = 'Registrar' AND registrar = h.k1
        UNION ALL
        SELECT 'Domain', fqdn, '', '', 'certificate'
        FROM referential.domain WHERE h.type = 'Certificate' AND certificate = h.k1
        UNION ALL
        SELECT 'Domain', domain, '', '', 'DomainLoadBalancer'
        FROM referential.domain_load_balancer WHERE h.type = 'LoadBalancer' AND load_balancer = h.k1
        UNION ALL
        SELECT 'DomainLoadBalancer', domain, load_balancer, '', 'load_balancer'
        FROM referential.domain_load_balancer WHERE h.type = 'LoadBalancer' AND load_balancer = h.k1
        UNION ALL
        SELECT 'DomainLoadBalancer', domain, load_balancer, '', 'domain'
        FROM referential.domain_load_balancer WHERE h.type = 'Domain' AND domain = h.k1
        UNION ALL
        SELECT 'Domain', fqdn, '', '', 'parent'
        FROM referential.domain WHERE h.type = 'Domain' AND parent = h.k1
        UNION ALL
        SELECT 'Website', website, '', '', 'Domain'
        FROM referential.domain WHERE h.type = 'Domain' AND fqdn = h.k1 AND website IS NOT NULL
    ) n
    WHERE h.depth < a.depth
), nearest AS (
    SELECT DISTINCT ON (type, k1, k2, k3) *
    FROM hit
    ORDER BY type, k1, k2, k3, depth, from_type, from_key, via
)
SELECT depth, type, concat_ws('/', k1, nullif(k2, ''), nullif(k3, '')) AS key, via, from_type, from_key
FROM nearest
WHERE depth > 0
ORDER BY depth, type, k1, k2, k3
LIMIT (SELECT 100000 FROM argument) -- comes first, so arguments are checked even where there is no row

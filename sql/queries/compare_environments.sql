-- Referential.CompareEnvironments: how two environments of a docroot differ. Both sides become rows
-- of (type, key, field, value), where an empty field stands for the whole, and a full join leaves
-- the differences.
WITH argument AS MATERIALIZED (
    SELECT (referential.find('Docroot', coalesce(:docroot, ''), 'docroot'))[1] AS docroot,
           CASE WHEN coalesce(:environment, '') = ''
                THEN sitewire.fail('SW002', 'environment', 'name the environment on the left side')
                WHEN coalesce(:other_environment, '') = ''
                THEN sitewire.fail('SW002', 'other_environment', 'name the environment on the right side')
                WHEN NOT EXISTS (SELECT FROM referential.docroot_environment
                                 WHERE docroot = :docroot AND environment = :environment)
                THEN sitewire.fail('SW003', 'environment',
                                   format('docroot "%s" has no environment "%s"', :docroot::text, :environment::text))
                WHEN NOT EXISTS (SELECT FROM referential.docroot_environment
                                 WHERE docroot = :docroot AND environment = :other_environment)
                THEN sitewire.fail('SW003', 'other_environment',
                                   format('docroot "%s" has no environment "%s"', :docroot::text, :other_environment::text))
           END AS checked
), fact AS (
    SELECT d.environment, 'DocrootEnvironment' AS type, d.docroot AS key, f.field, f.value
    FROM argument, referential.docroot_environment d, LATERAL (VALUES
        ('cms', coalesce(d.cms, '')), ('cms_version', d.cms_version),
        ('drupal_docroot_core_version', d.drupal_docroot_core_version), ('auto_deploy', d.auto_deploy::text),
        ('basic_auth_enabled', d.basic_auth_enabled::text), ('basic_auth_realm', d.basic_auth_realm),
        ('basic_auth_user', d.basic_auth_user)) f (field, value)
    WHERE d.docroot = :docroot
    UNION ALL
    SELECT w.environment, 'Website', w.website, f.field, f.value
    FROM argument, referential.website_deployed w,
         LATERAL (VALUES ('', 'present'), ('website_version', w.website_version)) f (field, value)
    WHERE w.docroot = :docroot
    UNION ALL
    SELECT d.environment, 'Domain', d.fqdn, '', 'present'
    FROM argument, referential.website_deployed w JOIN referential.domain d USING (website, docroot, environment)
    WHERE :all AND w.docroot = :docroot
    UNION ALL
    SELECT environment, 'Server', server, '', 'present'
    FROM argument, referential.docroot_environment_server
    WHERE :all AND docroot_environment_server.docroot = :docroot
    UNION ALL
    SELECT environment, 'Certificate', certificate, '', 'present'
    FROM argument, referential.docroot_environment_certificate
    WHERE :all AND docroot_environment_certificate.docroot = :docroot
    UNION ALL
    SELECT environment, 'LoadBalancer', load_balancer, '', 'present'
    FROM argument, referential.docroot_environment_load_balancer
    WHERE :all AND docroot_environment_load_balancer.docroot = :docroot
), left_side AS (
    SELECT * FROM fact WHERE environment = :environment
), right_side AS (
    SELECT * FROM fact WHERE environment = :other_environment
)
SELECT type, key, field,
       coalesce(l.value, CASE field WHEN '' THEN 'absent' ELSE '' END) AS left,
       coalesce(r.value, CASE field WHEN '' THEN 'absent' ELSE '' END) AS right
FROM left_side l FULL JOIN right_side r USING (type, key, field)
WHERE l.value IS DISTINCT FROM r.value
  AND (field = '' OR num_nulls(l.value, r.value) = 0) -- if the whole is absent, its fields are not listed
ORDER BY type <> 'DocrootEnvironment', type, key, field
LIMIT (SELECT 100000 FROM argument) -- comes first, so arguments are checked even if no row is found

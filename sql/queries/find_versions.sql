-- Referential.FindVersions: where a version of a website, a Drupal docroot core or a CMS runs.
WITH argument AS MATERIALIZED (
    SELECT coalesce(:type, '') AS type, coalesce(:code, '') AS code, coalesce(:version, '') AS version,
           CASE WHEN coalesce(:type, '') NOT IN ('Website', 'DrupalDocrootCore', 'Cms')
                THEN sitewire.fail('SW002', 'type', 'say what to look for: Website, DrupalDocrootCore or Cms')
                WHEN coalesce(:code, '') = '' AND coalesce(:version, '') = ''
                THEN sitewire.fail('SW002', 'code', 'give a code, a version, or both')
                WHEN coalesce(:code, '') <> '' THEN (referential.find(:type, :code, 'code'))[1] END AS found
), running AS (
    SELECT a.type, w.website AS code, w.website_version AS version, w.docroot, w.environment
    FROM argument a, referential.website_deployed w
    WHERE a.type = 'Website' AND a.code IN ('', w.website) AND a.version IN ('', w.website_version)
    UNION ALL
    SELECT a.type, d.drupal_docroot_core, e.drupal_docroot_core_version, e.docroot, e.environment
    FROM argument a, referential.docroot d JOIN referential.docroot_environment e ON e.docroot = d.code
    WHERE a.type = 'DrupalDocrootCore' AND a.code IN ('', d.drupal_docroot_core)
      AND a.version IN ('', e.drupal_docroot_core_version) AND d.drupal_docroot_core IS NOT NULL
    UNION ALL
    SELECT a.type, e.cms, e.cms_version, e.docroot, e.environment
    FROM argument a, referential.docroot_environment e
    WHERE a.type = 'Cms' AND a.code IN ('', e.cms) AND a.version IN ('', e.cms_version) AND e.cms IS NOT NULL
)
SELECT r.type, r.code, r.version, r.docroot, r.environment,
       ARRAY(SELECT w.website FROM referential.website_deployed w
             WHERE w.docroot = r.docroot AND w.environment = r.environment
               AND (r.type <> 'Website' OR w.website = r.code)
             ORDER BY w.website) AS websites
FROM running r
WHERE r.version <> ''
ORDER BY r.code, r.version, r.docroot, r.environment
LIMIT (SELECT 100000 FROM argument) -- comes first, so arguments are checked even if no row is found

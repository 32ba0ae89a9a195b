-- Deployments.GetDeploymentPlan: what a deployment will do, for everybody who may read the
-- deployment.
SELECT p.*
FROM (SELECT coalesce(:id, 0) AS id) asked
LEFT JOIN deployment.deployment d USING (id)
CROSS JOIN LATERAL deployment.plan_of(d) p
WHERE d.id IS NOT NULL OR sitewire.fail('SW003', 'id', format('there is no deployment %s', asked.id)) IS NOT NULL

-- Deployments.ClaimDeployment: the first deployment that is due, or a reply without any field.
SELECT c.*
FROM (SELECT) nothing
LEFT JOIN deployment.claim_next(:runner, :environments, :docroots, :projects, :lease_ms) c ON true

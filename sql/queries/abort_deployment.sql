-- Deployments.AbortDeployment: ends it, or asks its runner to.
SELECT d.* FROM deployment.abort(:id, :reason) d

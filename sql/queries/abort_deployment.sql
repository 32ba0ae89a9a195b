-- Deployments.AbortDeployment: ends a deployment, or asks its runner to end it.
SELECT d.* FROM deployment.abort(:id, :reason) d

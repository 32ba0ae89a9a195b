-- Deployments.ApproveDeployment: somebody other than the requester approves the plan with this
-- hash.
SELECT d.* FROM deployment.approve(:id, :plan_hash) d

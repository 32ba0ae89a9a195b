-- Deployments.ApproveDeployment: somebody else than the requester agrees to the plan that has this hash.
SELECT d.* FROM deployment.approve(:id, :plan_hash) d

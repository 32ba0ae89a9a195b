-- Deployments.RollbackDeployment: a deployment of the version that was there before.
SELECT p.* FROM deployment.rollback(:id, :commands, :reason, :on_lost_lease, coalesce(:validate_only, false)) p

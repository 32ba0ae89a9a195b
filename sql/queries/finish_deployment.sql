-- Deployments.FinishDeployment: the outcome, as the runner reports it.
SELECT d.* FROM deployment.conclude(:id, :fence, :outcome, :failure) d

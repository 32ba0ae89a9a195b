-- Deployments.FinishDeployment: its outcome, as its runner has it.
SELECT d.* FROM deployment.conclude(:id, :fence, :outcome, :failure) d

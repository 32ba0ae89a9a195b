-- Deployments.RemoveOutput: the output of a deployment that is over is deleted.
SELECT d.* FROM deployment.remove_output(:id) d

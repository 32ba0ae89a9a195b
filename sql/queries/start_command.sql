-- Deployments.StartCommand: an attempt at a command begins.
SELECT r.* FROM deployment.start_command(:id, :fence, :number, :attempt) r

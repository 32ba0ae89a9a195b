-- Deployments.RenewLease: the runner keeps its deployment for longer.
SELECT l.* FROM deployment.renew(:id, :fence, :lease_ms) l

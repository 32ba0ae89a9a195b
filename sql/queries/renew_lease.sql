-- Deployments.RenewLease: its runner keeps it for a while more.
SELECT l.* FROM deployment.renew(:id, :fence, :lease_ms) l

-- Deployments.ReadEventPosition: how many events there have been in all.
SELECT r.position FROM deployment.relay r

-- Deployments.AppendLog: output, each chunk where the one before it ends.
SELECT deployment.append_log(:id, :fence, :chunks) AS "offset"

-- Deployments.AppendLog: output; each chunk begins where the previous one ends.
SELECT deployment.append_log(:id, :fence, :chunks) AS "offset"

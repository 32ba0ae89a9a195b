-- Deployments.RequestDeployment: a deployment and its plan, after all checks. If validate_only, it
-- is rolled back.
SELECT p.*
FROM deployment.request(:project, :type, :docroot, :environment, :version, :commands, :reason, :on_lost_lease,
                        coalesce(:validate_only, false), NULL) p

-- Deployments.RequestDeployment: a deployment and its plan, after all checks. It is rolled back if validate_only.
SELECT p.*
FROM deployment.request(:project, :type, :docroot, :environment, :version, :commands, :reason, :on_lost_lease,
                        coalesce(:validate_only, false), NULL) p

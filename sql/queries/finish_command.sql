-- Deployments.FinishCommand: an attempt at a command is over.
SELECT r.*
FROM deployment.finish_command(:id, :fence, :number, :attempt, :exit_code, :signal, :timed_out, :stdout_bytes, :stderr_bytes,
                               :truncated, :failure) r

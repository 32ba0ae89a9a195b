-- compatible
-- Claiming takes the permission `run` from here on, and nobody gets it silently. Those who have
-- claimed lately are named, so that an admin can give robots the role Runner.

DO $$
DECLARE
    claimers text := (SELECT string_agg(DISTINCT d.runner_user, ', ') FROM deployment.deployment d
                      WHERE d.started_at > now() - interval '90 days');
BEGIN
    IF claimers IS NOT NULL THEN
        RAISE NOTICE USING ERRCODE = 'SW100', MESSAGE = format(
            'runners need the permission `run` now, and nobody has it yet: give their users the role Runner on what they '
            'serve. These have claimed deployments in the last 90 days: %s', left(claimers, 4000));
    END IF;
END $$;

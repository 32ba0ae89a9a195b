-- Users.Offboard: ends a person, and says what was done; with validate_only, what would be done.
SELECT o.action, o.resource, o.key, o.detail, o.plan_hash
FROM users.offboard_as_planned(coalesce(:email, ''), coalesce(:keep_as, ''), coalesce(:plan_hash, '')) o

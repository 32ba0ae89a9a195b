-- Users.Offboard: ends a person, and says what was done; with validate_only, what would be done.
SELECT o.action, o.resource, o.key, o.detail FROM users.offboard(coalesce(:email, ''), :keep_as) o

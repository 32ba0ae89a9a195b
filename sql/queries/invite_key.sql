-- Users.InviteKey: makes a one-time code, by the public key of its pair.
SELECT i."for" AS "user", i.expires_at FROM users.invite(:user, :public_key, :label, :lifetime_ms) i

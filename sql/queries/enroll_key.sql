-- Users.EnrollKey: enrolls a key whose possession was proved.
SELECT k.* FROM users.enroll(:public_key, :user, :label, :expires_at, :replaces, :overlap_ms) k

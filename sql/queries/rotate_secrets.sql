-- Referential.RotateSecrets: stores what was sealed anew.
SELECT s.rotated, s.remaining, :key_id::text AS key_id, :next::bigint AS next, :failures::text[] AS failures
FROM referential.reseal_secrets(:key_id, :items) s

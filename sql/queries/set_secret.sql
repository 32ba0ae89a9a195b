-- Referential.SetSecret: stores what was sealed.
SELECT s.*
FROM referential.set_secret(:type, :key, :field, :owner, :owner_revision, :ciphertext, :key_id, :revision) s

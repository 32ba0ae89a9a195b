-- Referential.ReadSecret: the sealed secret; the reading is recorded.
SELECT s.owner, s.ciphertext, s.key_id
FROM referential.read_secret(:type, :key, :field) s

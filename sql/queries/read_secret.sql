-- Referential.ReadSecret: what is to be opened, written down as read.
SELECT s.owner, s.ciphertext, s.key_id
FROM referential.read_secret(:type, :key, :field) s

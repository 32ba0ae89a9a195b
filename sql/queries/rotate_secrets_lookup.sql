-- Referential.RotateSecrets, first: the next secrets that are sealed with another key.
SELECT s.*
FROM referential.secrets_to_reseal(:key_id, coalesce(:after, 0), :batch_size) s

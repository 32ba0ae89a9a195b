-- Referential.GetSealingKey: what its hook has derived; the statement admits callers.
SELECT :key_id::text AS key_id, :public_key::text AS public_key

-- Referential.SetSecret, first: checks that the caller may do it, and returns what to bind the seal
-- to and what the secret must fit.
SELECT o.owner, o.owner_revision, o.certificate, o.csr
FROM referential.look_at_owner(:type, :key, :field) o

-- Users.EnrollKey, first: what its proof is checked with.
SELECT e.secret, e."user" AS caller FROM users.enrolment() e

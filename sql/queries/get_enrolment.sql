-- Users.GetEnrolment: what a proof of possession is made for.
SELECT e.secret, e."user" AS caller FROM users.enrolment() e

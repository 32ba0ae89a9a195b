-- Users.WhoCan: who may do something to a row, and by which row.
SELECT w."user", w.permission, w.project, w.source, w.by_admins
FROM users.who_can(coalesce(:action, ''), coalesce(:type, ''), coalesce(:key, '')) w

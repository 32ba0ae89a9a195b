-- Users.WhoAmI: the caller, as the session knows it.
SELECT u.email, i.profile, u.active, u.first_name, u.last_name, u.company,
       users.count_projects(u.email) AS projects
FROM users."user" u, users.identify('', u.email) i
WHERE u.email = current_setting('sitewire.user', true)

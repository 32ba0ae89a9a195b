-- Users.GetProfile: the profile of a user, for everybody who may read the user.
SELECT u.email, i.profile, u.active, u.first_name, u.last_name, u.company,
       users.count_projects(u.email) AS projects
FROM (SELECT coalesce(:email, '') AS email) asked
LEFT JOIN users."user" u USING (email), users.identify('', u.email) i
WHERE u.email IS NOT NULL OR sitewire.fail('SW003', 'email', format('there is no user "%s"', asked.email)) IS NOT NULL

-- Users.Authenticate: which users these keys belong to, who these users are, and why they are
-- refused, if they are.
SELECT asked.public_key, i."user", i.profile, i.refused, i.expires_at,
       CASE WHEN i.profile = 'USER' AND (asked.public_key = ANY (:subscribers::text[]) OR asked.email = ANY (:subscribers::text[]))
            THEN users.readable(i."user") END AS projects
FROM (SELECT unnest(:public_keys::text[]) AS public_key, '' AS email
      UNION ALL SELECT '', unnest(:users::text[])) asked,
     users.identify(asked.public_key, asked.email) i

-- Users.Authenticate: which users these keys belong to, who these users are, and why they are
-- refused, if they are.
SELECT asked.public_key, coalesce(v.invited, i."user") AS "user", i.profile,
       CASE WHEN v.invited IS NULL THEN i.refused ELSE '' END AS refused, i.expires_at, v.invited IS NOT NULL AS enrolls,
       CASE WHEN i.profile = 'USER' AND (asked.public_key = ANY (:subscribers::text[]) OR asked.email = ANY (:subscribers::text[]))
            THEN users.readable(i."user") END AS projects,
       i.profile = 'USER' AND (asked.public_key = ANY (:subscribers::text[]) OR asked.email = ANY (:subscribers::text[]))
           AND users.reaches_everything(i."user", 'read') AS reads_everything
FROM (SELECT unnest(:public_keys::text[]) AS public_key, '' AS email
      UNION ALL SELECT '', unnest(:users::text[])) asked
     CROSS JOIN LATERAL users.identify(asked.public_key, asked.email) i
     LEFT JOIN LATERAL users.invited(asked.public_key) v (invited) ON i.refused <> '' AND asked.public_key <> ''

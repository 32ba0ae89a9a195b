-- Users.Explain: whether somebody may do something, and why.
SELECT e.allowed, e.step
FROM users.explain(coalesce(:action, ''), coalesce(:type, ''), coalesce(:key, ''),
                   CASE WHEN coalesce(:user, '') IN ('', users.me()) THEN users.me()
                        WHEN users.is_admin() THEN :user
                        ELSE sitewire.fail('SW005', 'user', 'only admins may ask about others') END) e

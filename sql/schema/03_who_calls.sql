-- Who calls, and whether they may call at all: the first statement of every call.

-- The user with a key or, without a key, with an e-mail address that the file system vouches for;
-- and the reason if the user is refused. Only this function decides it. Profiles: ADMIN may do
-- everything but run, USER what its access rights, live grants and memberships allow, NONE nothing.
CREATE OR REPLACE FUNCTION users.identify(key text, email text, OUT "user" text, OUT profile text, OUT refused text,
                               OUT expires_at timestamptz)
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
DECLARE
    k users.key;
    u users."user";
BEGIN
    IF identify.key <> '' THEN
        SELECT * INTO k FROM users.key x WHERE x.public_key = identify.key;
        expires_at := k.expires_at;
    END IF;
    SELECT * INTO u FROM users."user" x WHERE x.email = CASE WHEN identify.key <> '' THEN k."user" ELSE identify.email END;
    "user" := coalesce(u.email, '');
    profile := CASE WHEN u.is_admin THEN 'ADMIN'
                    WHEN EXISTS (SELECT FROM users.access_right a WHERE a."user" = u.email)
                      OR EXISTS (SELECT FROM users.group_member m WHERE m."user" = u.email)
                      OR EXISTS (SELECT FROM users."grant" g WHERE g."user" = u.email
                                 AND (g.expires_at IS NULL OR g.expires_at > now())) THEN 'USER'
                    ELSE 'NONE' END;
    refused := CASE WHEN identify.key <> '' AND k.public_key IS NULL THEN 'this key is not enrolled'
                    WHEN k.revoked_at <= now() THEN format('this key of %s was revoked', u.email)
                    WHEN k.expires_at <= now() THEN format('this key of %s has expired', u.email)
                    WHEN identify.key = '' AND identify.email = '' THEN 'the caller is not identified'
                    WHEN u.email IS NULL THEN format('there is no user "%s"', identify.email)
                    WHEN NOT u.active THEN format('the user %s is not active', u.email)
                    ELSE '' END;
END $$;

-- Begins a call: sets the caller and the reason in the session. `requires` is what the method
-- declares:
--
--   profile   a user with a profile; the rows then decide
--   open      any known user, even one without a profile
--   enroll    the same, or somebody with a one-time code, which is for this alone
--   internal  brokers only, whose name is @broker and who bring no key
--   admin     admins only, as with any other word, or if the method declares nothing
CREATE OR REPLACE FUNCTION sitewire.enter(key text, email text, requires text, call_id text, request_id text, reason text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller record;
BEGIN
    IF key = '' AND email = '@broker' THEN
        SELECT '@broker' AS "user", 'NONE' AS profile, '' AS refused INTO caller;
    ELSE
        SELECT i."user", i.profile, i.refused INTO caller FROM users.identify(key, email) i;
    END IF;
    IF caller.refused <> '' AND requires = 'enroll' AND users.invited(key) IS NOT NULL THEN
        SELECT users.invited(key) AS "user", 'NONE' AS profile, '' AS refused INTO caller;
    END IF;
    IF caller.refused <> '' THEN
        PERFORM sitewire.fail('SW004', '', caller.refused);
    ELSIF requires = 'internal' AND caller."user" <> '@broker' THEN
        PERFORM sitewire.fail('SW005', '', 'only brokers may call this');
    ELSIF requires NOT IN ('internal', 'open', 'enroll') AND caller.profile = 'NONE' THEN
        PERFORM sitewire.fail('SW005', '', format('%s has no access right yet: ask an admin, or somebody who manages a '
                                                  'project, for a role on it', caller."user"));
    ELSIF requires NOT IN ('internal', 'open', 'enroll', 'profile') AND caller.profile <> 'ADMIN' THEN
        PERFORM sitewire.fail('SW005', '', format('%s may not do this: only admins may', caller."user"));
    ELSIF reason <> '' AND NOT sitewire.is_text(reason, 1000) THEN
        PERFORM sitewire.fail('SW002', 'reason', 'a reason has at most 1000 characters, and no control characters');
    END IF;
    IF caller.profile = 'USER' THEN
        PERFORM users.load_reads(caller."user", false);
    ELSE
        PERFORM set_config('sitewire.rights_version', '', false), set_config('sitewire.reads', '', false);
    END IF;
    PERFORM set_config('sitewire.user', caller."user", false),
            set_config('sitewire.key', key, false),
            set_config('sitewire.admin', CASE caller.profile WHEN 'ADMIN' THEN 'on' ELSE '' END, false),
            set_config('sitewire.profile', caller.profile, false),
            set_config('sitewire.call_id', call_id, false),
            set_config('sitewire.request_id', request_id, false),
            set_config('sitewire.reason', reason, false);
END $$;

-- What programs of schema version 20 call.
CREATE OR REPLACE FUNCTION sitewire.enter(key text, email text, open boolean, internal boolean, call_id text, request_id text,
                                          reason text)
RETURNS void LANGUAGE sql AS $$
    SELECT sitewire.enter(key, email, CASE WHEN internal THEN 'internal' WHEN open THEN 'open' ELSE 'profile' END, call_id,
                          request_id, reason)
$$;

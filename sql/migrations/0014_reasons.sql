-- compatible
-- A reason is one line of text, like all texts that people give: history shows it to others, and a line of its own in it could pass
-- for a change that never was.

-- As in 0005_rights.sql, but for the reason.
CREATE OR REPLACE FUNCTION sitewire.enter(key text, email text, open boolean, internal boolean, call_id text, request_id text,
                               reason text)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    caller record;
    version text := pg_sequence_last_value('users.rights_version'::regclass)::text; -- before what it stands for is read
BEGIN
    IF key = '' AND email = '@broker' THEN
        SELECT '@broker' AS "user", 'NONE' AS profile, '' AS refused INTO caller;
    ELSE
        SELECT i."user", i.profile, i.refused INTO caller FROM users.identify(key, email) i;
    END IF;
    IF caller.refused <> '' THEN
        PERFORM sitewire.fail('SW004', '', caller.refused);
    ELSIF internal AND caller."user" <> '@broker' THEN
        PERFORM sitewire.fail('SW005', '', 'only brokers may call this');
    ELSIF NOT internal AND NOT open AND caller.profile = 'NONE' THEN
        PERFORM sitewire.fail('SW005', '', format('%s has no access right yet: ask an admin, or somebody who manages a '
                                                  'project, for a role on it', caller."user"));
    ELSIF reason <> '' AND NOT sitewire.is_text(reason, 1000) THEN
        PERFORM sitewire.fail('SW002', 'reason', 'a reason has at most 1000 characters, none of them a control character');
    END IF;
    PERFORM set_config('sitewire.user', caller."user", false),
            set_config('sitewire.admin', CASE caller.profile WHEN 'ADMIN' THEN 'on' ELSE '' END, false),
            set_config('sitewire.profile', caller.profile, false),
            set_config('sitewire.rights_version', version, false),
            set_config('sitewire.reads', coalesce(CASE caller.profile WHEN 'USER' THEN users.reads_of(caller."user") END, ''), false),
            set_config('sitewire.call_id', call_id, false),
            set_config('sitewire.request_id', request_id, false),
            set_config('sitewire.reason', reason, false);
END $$;

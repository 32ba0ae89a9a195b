-- Keys: how they are enrolled, what they descend from, and how they end.

-- What the enrolling of a key by an admin's CreateKey, or by psql, cannot break either: a user has
-- a bounded number of valid keys, and no key outlives its parent.
CREATE OR REPLACE FUNCTION users.add_key() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    most integer := (SELECT keys_per_user FROM users.key_setting);
BEGIN
    PERFORM pg_advisory_xact_lock(hashtext('users.add_key'), hashtext(NEW."user"));
    IF (SELECT count(*) FROM users.key k WHERE k."user" = NEW."user" AND coalesce(k.revoked_at, 'infinity') > now()
                                           AND coalesce(k.expires_at, 'infinity') > now()
                                           AND k.public_key IS DISTINCT FROM NEW.replaces) >= most THEN
        PERFORM sitewire.fail('SW006', 'key.user', format('%s has %s valid keys, which is the most: revoke one first',
                                                          NEW."user", most));
    END IF;
    NEW.expires_at := least(NEW.expires_at, (SELECT k.expires_at FROM users.key k WHERE k.public_key = NEW.parent));
    NEW.revoked_at := least(NEW.revoked_at, (SELECT k.revoked_at FROM users.key k WHERE k.public_key = NEW.parent));
    RETURN NEW;
END $$;
SELECT sitewire.keep_trigger('add', 'users.key', 'BEFORE INSERT', 'FOR EACH ROW EXECUTE FUNCTION users.add_key()');

-- A key cannot change its user, and a revoked key stays revoked; otherwise history would be wrong.
-- Only rotation, a function of the schema's owner, changes what it descends from.
CREATE OR REPLACE FUNCTION users.keep_key() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    IF NEW.public_key <> OLD.public_key THEN
        PERFORM sitewire.fail('SW002', 'key.public_key', 'a key cannot be changed: create another one');
    ELSIF NEW."user" <> OLD."user" AND EXISTS (SELECT FROM users."user" WHERE email = OLD."user") THEN
        PERFORM sitewire.fail('SW002', 'key.user', 'a key stays with its user: create another key');
    ELSIF OLD.revoked_at <= now() AND NEW.revoked_at IS DISTINCT FROM OLD.revoked_at THEN
        PERFORM sitewire.fail('SW002', 'key.revoked_at', 'a revoked key stays revoked: create another key');
    ELSIF (NEW.parent, NEW.replaces) IS DISTINCT FROM (OLD.parent, OLD.replaces) AND pg_has_role(current_user, 'sitewire_service', 'usage')
          AND NOT (SELECT rolsuper FROM pg_roles WHERE rolname = current_user) THEN
        PERFORM sitewire.fail('SW002', CASE WHEN NEW.parent IS DISTINCT FROM OLD.parent THEN 'key.parent' ELSE 'key.replaces' END,
                              'enrolling and rotating a key set this');
    ELSIF NEW.parent IS NOT NULL AND (NEW.expires_at, NEW.revoked_at) IS DISTINCT FROM (OLD.expires_at, OLD.revoked_at) THEN
        PERFORM users.check_within_parent(NEW.parent, NEW.expires_at, NEW.revoked_at);
    END IF;
    RETURN NEW;
END $$;
SELECT sitewire.keep_trigger('keep', 'users.key', 'BEFORE UPDATE', 'FOR EACH ROW EXECUTE FUNCTION users.keep_key()');

CREATE OR REPLACE FUNCTION users.check_within_parent(parent text, expires_at timestamptz, revoked_at timestamptz)
RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    p users.key;
BEGIN
    SELECT * INTO p FROM users.key k WHERE k.public_key = check_within_parent.parent;
    IF coalesce(p.expires_at, 'infinity') < coalesce(expires_at, 'infinity') THEN
        PERFORM sitewire.fail('SW002', 'key.expires_at', format('the key ends with the key that enrolled it, at %s', p.expires_at));
    ELSIF coalesce(p.revoked_at, 'infinity') < coalesce(revoked_at, 'infinity') THEN
        PERFORM sitewire.fail('SW002', 'key.revoked_at', format('the key ends with the key that enrolled it, at %s', p.revoked_at));
    END IF;
END $$;

-- The keys that a key has enrolled end when it ends; and so on for theirs, by this same trigger.
CREATE OR REPLACE FUNCTION users.end_children() RETURNS trigger LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE users.key c SET expires_at = least(c.expires_at, NEW.expires_at), revoked_at = least(c.revoked_at, NEW.revoked_at)
    WHERE c.parent = NEW.public_key AND coalesce(c.revoked_at, 'infinity') > now()
      AND (coalesce(c.expires_at, 'infinity') > coalesce(NEW.expires_at, 'infinity')
           OR coalesce(c.revoked_at, 'infinity') > coalesce(NEW.revoked_at, 'infinity'));
    RETURN NULL;
END $$;
SELECT sitewire.keep_trigger('end_children', 'users.key', 'AFTER UPDATE OF expires_at, revoked_at',
                             'FOR EACH ROW EXECUTE FUNCTION users.end_children()');

-- --- Enrolling ---

-- The secret key that opens proofs of possession (src/service/enrolment.c), and the user for whom
-- the caller would enroll a key.
CREATE OR REPLACE FUNCTION users.enrolment(OUT secret bytea, OUT "user" text) LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT s.enrolment_secret, users.me() FROM users.key_setting s
$$;

-- The user of a one-time code that is still good, by the public key of its pair; NULL if there is
-- none.
CREATE OR REPLACE FUNCTION users.invited(key text) RETURNS text LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT i."user" FROM users.invitation i JOIN users."user" u ON u.email = i."user" AND u.active
    WHERE i.hash = sha256(convert_to(invited.key, 'UTF8')) AND i.used_at IS NULL AND i.expires_at > now()
$$;

-- The caller's own key, as sitewire.enter has set it; NULL on ipc, or if it is a one-time code.
CREATE OR REPLACE FUNCTION users.my_key() RETURNS users.key LANGUAGE sql STABLE SECURITY DEFINER AS $$
    SELECT k FROM users.key k WHERE k.public_key = current_setting('sitewire.key', true)
$$;

-- Ends the one-time code of the call, if the call has one, and returns who made it. A code works
-- once: of two calls at the same time, the second one waits for the first, and fails.
CREATE OR REPLACE FUNCTION users.use_invitation("user" text) RETURNS text LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    key text := coalesce(current_setting('sitewire.key', true), '');
    maker text;
BEGIN
    IF key = '' OR EXISTS (SELECT FROM users.key k WHERE k.public_key = key) THEN
        RETURN NULL;
    END IF;
    UPDATE users.invitation i SET used_at = now()
    WHERE i.hash = sha256(convert_to(key, 'UTF8')) AND i.used_at IS NULL AND i.expires_at > now() AND i."user" = use_invitation."user"
    RETURNING i.made_by INTO maker;
    IF NOT FOUND THEN
        PERFORM sitewire.fail('SW004', '', 'this one-time code is for another user, or was used, or has expired');
    END IF;
    RETURN maker;
END $$;

-- Whoever may make keys for a user: the user, and admins.
CREATE OR REPLACE FUNCTION users.require_keys_of("user" text) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT users.is_admin() AND "user" IS DISTINCT FROM users.me() THEN
        PERFORM sitewire.fail('SW005', 'user', format('%s may not make keys for %s: only admins may', users.me(), "user"));
    END IF;
END $$;

-- The key that is to be replaced, locked. A key has one successor, so that a thief cannot make
-- another one unseen.
CREATE OR REPLACE FUNCTION users.look_at_replaced(old text, "user" text) RETURNS users.key LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    o users.key;
BEGIN
    SELECT * INTO o FROM users.key k WHERE k.public_key = old AND k."user" = look_at_replaced."user" FOR UPDATE;
    IF NOT FOUND THEN
        PERFORM sitewire.fail('SW003', 'replaces', format('%s has no key %s', "user", old));
    ELSIF o.revoked_at <= now() OR o.expires_at <= now() THEN
        PERFORM sitewire.fail('SW006', 'replaces', 'the key to replace has ended: enroll a new one with `sitewire key enroll`');
    ELSIF EXISTS (SELECT FROM users.key k WHERE k.replaces = old) THEN
        PERFORM sitewire.fail('SW006', 'replaces',
                              'this key has a successor already: `sitewire key list` shows it; revoke it if you do not know it');
    END IF;
    RETURN o;
END $$;

-- The successor takes the place of a key in its family, and the key ends after `overlap`.
CREATE OR REPLACE FUNCTION users.succeed(old text, fresh text, overlap interval) RETURNS void LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    UPDATE users.key k SET parent = fresh, expires_at = least(k.expires_at, f.expires_at)
    FROM users.key f WHERE f.public_key = fresh AND k.parent = old;
    UPDATE users.key k SET revoked_at = least(k.revoked_at, now() + overlap) WHERE k.public_key = old;
END $$;

-- Enrolls a key whose possession was proved. Enrolling the same key again changes nothing, so that
-- a call can be repeated.
CREATE OR REPLACE FUNCTION users.enroll(public_key text, "user" text, label text, expires_at timestamptz, replaces text,
                             overlap_ms bigint) RETURNS users.key
LANGUAGE plpgsql SECURITY DEFINER AS $$
#variable_conflict use_column
DECLARE
    owner text := coalesce(nullif(enroll."user", ''), users.me());
    mine users.key := users.my_key();
    old users.key;
    made users.key;
    maker text;
BEGIN
    PERFORM users.require_keys_of(owner);
    SELECT * INTO made FROM users.key k WHERE k.public_key = enroll.public_key AND k."user" = owner AND k.revoked_at IS NULL;
    IF FOUND AND (coalesce(enroll.replaces, '') = '' OR made.replaces = enroll.replaces) THEN
        RETURN made;
    ELSIF FOUND AND (made.parent IS NOT NULL OR made.replaces IS NOT NULL) THEN
        PERFORM sitewire.fail('SW006', 'replaces', 'this key is enrolled already, and does not replace that one');
    ELSIF coalesce(overlap_ms, 0) NOT BETWEEN 0 AND 30 * 86400000::bigint THEN
        PERFORM sitewire.fail('SW002', 'overlap_ms', 'an overlap is 0 to 30 days');
    END IF;
    maker := users.use_invitation(owner);
    IF maker IS NOT NULL THEN
        PERFORM set_config('sitewire.reason', 'with a one-time code of ' || maker, true);
    END IF;
    IF coalesce(enroll.replaces, '') <> '' THEN
        old := users.look_at_replaced(enroll.replaces, owner);
    END IF;
    IF made.public_key IS NOT NULL THEN -- enrolled otherwise, such as by an admin
        UPDATE users.key k SET replaces = old.public_key WHERE k.public_key = made.public_key RETURNING * INTO made;
        PERFORM users.succeed(old.public_key, made.public_key, coalesce(overlap_ms, 0) * interval '1 ms');
        RETURN made;
    END IF;
    INSERT INTO users.key (public_key, "user", label, expires_at, parent, replaces)
    VALUES (enroll.public_key, owner, coalesce(enroll.label, ''), enroll.expires_at,
            CASE WHEN old.public_key IS NULL THEN mine.public_key ELSE old.parent END, old.public_key)
    RETURNING * INTO made;
    IF old.public_key IS NOT NULL THEN
        PERFORM users.succeed(old.public_key, made.public_key, coalesce(overlap_ms, 0) * interval '1 ms');
    END IF;
    RETURN made;
END $$;

-- Makes a one-time code for a user: the public key of a pair that the caller has made.
CREATE OR REPLACE FUNCTION users.invite("user" text, public_key text, label text, lifetime_ms bigint, OUT "for" text, OUT expires_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    owner text := coalesce(nullif("user", ''), users.me());
    most integer := (SELECT s.keys_per_user FROM users.key_setting s);
    left_ms bigint := coalesce(nullif(lifetime_ms, 0), 3600000);
BEGIN
    PERFORM users.require_keys_of(owner);
    IF NOT sitewire.is_public_key(public_key) THEN
        PERFORM sitewire.fail('SW002', 'public_key', 'a public key has 40 characters of Z85');
    ELSIF left_ms NOT BETWEEN 1000 AND 7 * 86400000::bigint THEN
        PERFORM sitewire.fail('SW002', 'lifetime_ms', 'a code works for 1 second to 7 days');
    ELSIF NOT EXISTS (SELECT FROM users."user" u WHERE u.email = owner AND u.active) THEN
        PERFORM sitewire.fail('SW003', 'user', format('there is no active user "%s"', owner));
    ELSIF EXISTS (SELECT FROM users.key k WHERE k.public_key = invite.public_key) THEN
        PERFORM sitewire.fail('SW002', 'public_key', 'this key is enrolled; a code has a key of its own');
    END IF;
    PERFORM pg_advisory_xact_lock(hashtext('users.add_key'), hashtext(owner));
    DELETE FROM users.invitation i WHERE i.ctid = ANY (ARRAY(
        SELECT o.ctid FROM users.invitation o WHERE o.expires_at < now() - interval '1 day' LIMIT 100));
    IF (SELECT count(*) FROM users.invitation i WHERE i."user" = owner AND i.used_at IS NULL AND i.expires_at > now()) >= most THEN
        PERFORM sitewire.fail('SW006', 'user', format('%s has %s unused codes, which is the most: wait until some expire', owner, most));
    END IF;
    INSERT INTO users.invitation AS i (hash, "user", label, made_by, expires_at)
    VALUES (sha256(convert_to(public_key, 'UTF8')), owner, coalesce(label, ''), users.me(), now() + left_ms * interval '1 ms')
    ON CONFLICT (hash) DO NOTHING; -- the call was repeated
    SELECT i."user", i.expires_at INTO "for", invite.expires_at FROM users.invitation i
    WHERE i.hash = sha256(convert_to(public_key, 'UTF8'));
END $$;

-- --- The runner of `sitewire up` ---

-- Makes sure that the runner that `sitewire up --runner` starts has a user, with this key. A new
-- user gets the role Runner on everything; what admins change or delete afterwards stays so. True
-- if the user was made. For the owner of the database.
CREATE OR REPLACE FUNCTION users.admit_runner(public_key text) RETURNS boolean LANGUAGE plpgsql AS $$
#variable_conflict use_column
DECLARE
    robot CONSTANT text := 'runner@localhost';
    is_new boolean;
BEGIN
    PERFORM set_config('sitewire.reason', 'sitewire up --runner', true);
    INSERT INTO users."user" (email, kind) VALUES (robot, 'ROBOT') ON CONFLICT (email) DO NOTHING;
    is_new := FOUND;
    IF is_new THEN
        INSERT INTO users."grant" (code, role, "user", everything)
        VALUES ('up-runner', 'Runner', robot, true) ON CONFLICT (code) DO NOTHING;
    ELSIF EXISTS (SELECT FROM users."user" u WHERE u.email = robot AND (u.kind <> 'ROBOT' OR u.is_admin)) THEN
        PERFORM sitewire.fail('SW006', 'user', format('%s is to be a robot that is no admin: the runner of `sitewire up` has its key',
                                                      robot));
    END IF;
    INSERT INTO users.key (public_key, "user", label)
    SELECT admit_runner.public_key, robot, 'sitewire up' WHERE NOT EXISTS (
        SELECT FROM users.key k WHERE k.public_key = admit_runner.public_key);
    RETURN is_new;
END $$;

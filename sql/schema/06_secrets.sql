-- Secrets: what the methods of sitewire.referential.v1 do with them.
--
-- No role but the owner can read the table. sitewire_referential sees what a secret is about
-- through a view, and a sealed secret through functions, which check rights (users.rule) and record
-- who has read it. The other services get none of these.

-- Everything about secrets but their content. The view belongs to the owner of the table, so its
-- users need no right on the table.
CREATE OR REPLACE VIEW referential.secret_listing WITH (security_barrier) AS
SELECT type, key, field, key_id, set_at, set_by, created_at, updated_at, revision
FROM referential.secret
WHERE users.is_admin() OR users.may_read_secret(concat_ws('/', type, key, field));

-- Raises unless a row of this type has such a secret, and the caller may do this with it.
CREATE OR REPLACE FUNCTION referential.need_secret(action text, type text, key text, field text) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    has text := (SELECT r.secret FROM sitewire.resource r WHERE r.name = need_secret.type);
BEGIN
    IF has IS NULL THEN
        PERFORM sitewire.fail('SW002', 'type', 'only these have secrets: ' || (
            SELECT string_agg(r.name, ', ' ORDER BY r.name) FROM sitewire.resource r WHERE r.secret IS NOT NULL));
    ELSIF field IS DISTINCT FROM has THEN
        PERFORM sitewire.fail('SW002', 'field', format('the secret of a %s is its %s', type, has));
    END IF;
    PERFORM users.require(action, 'Secret', NULL, jsonb_build_object('type', type, 'key', key));
END $$;

-- The row that a secret belongs to, with what the secret must fit. With `hold`, the row is locked
-- until the transaction ends.
CREATE OR REPLACE FUNCTION referential.owner_of_secret(type text, key text, hold boolean, OUT owner bigint, OUT owner_revision bigint,
                                            OUT certificate text, OUT csr text)
LANGUAGE plpgsql AS $$
BEGIN
    IF type = 'Certificate' THEN
        IF hold THEN
            PERFORM FROM referential.certificate c WHERE c.code = owner_of_secret.key FOR SHARE;
        END IF;
        SELECT c.id, c.revision, c.certificate, c.csr INTO owner, owner_revision, certificate, csr
        FROM referential.certificate c WHERE c.code = owner_of_secret.key;
    ELSE
        IF hold THEN
            PERFORM FROM referential.docroot_environment e
            WHERE e.docroot || '/' || e.environment = owner_of_secret.key
              AND e.docroot = split_part(owner_of_secret.key, '/', 1) FOR SHARE;
        END IF;
        SELECT e.id, 0 INTO owner, owner_revision FROM referential.docroot_environment e
        WHERE e.docroot || '/' || e.environment = owner_of_secret.key
          AND e.docroot = split_part(owner_of_secret.key, '/', 1);
    END IF;
    IF owner IS NULL THEN
        PERFORM sitewire.fail('SW003', 'key', format('there is no %s "%s"', type, key));
    END IF;
END $$;

-- Runs before a secret is sealed: returns what it is bound to, and what it must fit.
CREATE OR REPLACE FUNCTION referential.look_at_owner(type text, key text, field text, OUT owner bigint, OUT owner_revision bigint,
                                          OUT certificate text, OUT csr text)
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM referential.need_secret('update', type, key, field);
    SELECT o.* INTO owner, owner_revision, certificate, csr FROM referential.owner_of_secret(type, key, false) o;
END $$;

-- Stores a sealed secret. Fails if its row has changed since the secret was sealed.
CREATE OR REPLACE FUNCTION referential.set_secret(type text, key text, field text, owner bigint, owner_revision bigint, ciphertext bytea,
                                       key_id text, expected bigint)
RETURNS SETOF referential.secret_listing
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    now_is record;
BEGIN
    PERFORM referential.need_secret('update', type, key, field);
    SELECT o.owner, o.owner_revision INTO now_is FROM referential.owner_of_secret(type, key, true) o;
    IF (now_is.owner, now_is.owner_revision) IS DISTINCT FROM (set_secret.owner, set_secret.owner_revision) THEN
        PERFORM sitewire.fail('SW001', '', format('the %s "%s" was changed in the meantime: try again', type, key));
    ELSIF nullif(expected, 0) IS NOT NULL AND NOT EXISTS (
        SELECT FROM referential.secret s
        WHERE (s.type, s.key, s.field) = (set_secret.type, set_secret.key, set_secret.field)) THEN
        PERFORM sitewire.fail('SW003', 'revision', 'there is no such secret yet: leave out the revision');
    END IF;
    INSERT INTO referential.secret AS s (docroot, environment, certificate, field, ciphertext, key_id, set_by)
    VALUES (CASE WHEN type <> 'Certificate' THEN split_part(key, '/', 1) END,
            CASE WHEN type <> 'Certificate' THEN split_part(key, '/', 2) END,
            CASE WHEN type = 'Certificate' THEN key END, field, ciphertext, key_id,
            (SELECT u.email FROM users."user" u WHERE u.email = users.me()))
    ON CONFLICT ON CONSTRAINT secret__field__key DO UPDATE
    SET ciphertext = excluded.ciphertext, key_id = excluded.key_id, set_at = now(), set_by = excluded.set_by,
        revision = sitewire.next_revision(s.revision, nullif(set_secret.expected, 0));
    RETURN QUERY SELECT l.* FROM referential.secret_listing l
        WHERE (l.type, l.key, l.field) = (set_secret.type, set_secret.key, set_secret.field);
END $$;

-- A sealed secret for the caller to read; history records it.
CREATE OR REPLACE FUNCTION referential.read_secret(type text, key text, field text, OUT owner bigint, OUT ciphertext bytea, OUT key_id text)
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM referential.need_secret('read', type, key, field);
    SELECT o.owner INTO owner FROM referential.owner_of_secret(type, key, false) o;
    SELECT s.ciphertext, s.key_id INTO ciphertext, key_id FROM referential.secret s
    WHERE (s.type, s.key, s.field) = (read_secret.type, read_secret.key, read_secret.field);
    IF NOT FOUND THEN
        PERFORM sitewire.fail('SW003', 'key', format('the %s "%s" has no %s: `sitewire secret set` gives it one', type, key,
                                                     field));
    END IF;
    PERFORM users.record_read('Secret', concat_ws('/', type, key, field));
END $$;

CREATE OR REPLACE FUNCTION referential.need_admin() RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF NOT users.is_admin() THEN
        PERFORM sitewire.fail('SW005', '', format('%s may not do this: only admins may', coalesce(users.me(), 'nobody')));
    END IF;
END $$;

-- The next secrets that are not sealed with this key.
CREATE OR REPLACE FUNCTION referential.secrets_to_reseal(key_id text, after bigint, most integer)
RETURNS SETOF referential.sealed_secret
LANGUAGE plpgsql STABLE SECURITY DEFINER AS $$
BEGIN
    PERFORM referential.need_admin();
    RETURN QUERY
        SELECT s.id, s.type, s.key, s.field, coalesce(c.id, e.id), s.ciphertext, s.key_id, s.revision
        FROM referential.secret s
        LEFT JOIN referential.certificate c ON c.code = s.certificate
        LEFT JOIN referential.docroot_environment e ON e.docroot = s.docroot AND e.environment = s.environment
        WHERE s.key_id <> secrets_to_reseal.key_id AND s.id > secrets_to_reseal.after
        ORDER BY s.id LIMIT most;
END $$;

-- Stores secrets that were sealed again. A secret that was set in the meantime stays as it is.
-- `remaining` is the number of secrets that are sealed with another key.
CREATE OR REPLACE FUNCTION referential.reseal_secrets(key_id text, items referential.sealed_secret[], OUT rotated integer,
                                           OUT remaining bigint)
LANGUAGE plpgsql SECURITY DEFINER AS $$
BEGIN
    PERFORM referential.need_admin();
    -- In the order of their ids, so that two sessions cannot deadlock.
    PERFORM FROM referential.secret s WHERE s.id IN (SELECT i.id FROM unnest(items) i) ORDER BY s.id FOR UPDATE;
    UPDATE referential.secret s SET ciphertext = i.ciphertext, key_id = reseal_secrets.key_id
    FROM unnest(items) i WHERE s.id = i.id AND s.revision = i.revision;
    GET DIAGNOSTICS rotated = ROW_COUNT;
    SELECT count(*) INTO remaining FROM referential.secret s WHERE s.key_id <> reseal_secrets.key_id;
END $$;

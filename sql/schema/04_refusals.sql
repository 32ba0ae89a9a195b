-- Refusals: users.refusal lists refused calls, connections and registrations, for admins. Equal
-- ones of an hour share a row. What callers can cause is bounded: 200 rows an hour for each user,
-- 1,000 for all strangers; what goes beyond is counted in one row. Rows go after 30 days, and the
-- oldest ones beyond 100,000.

-- Adds refusals: an array of {caller, key, address, process, method, code, reason, count}, all but
-- `code` may be absent. Services and brokers call it.
CREATE OR REPLACE FUNCTION users.record_refusals(refusals jsonb) RETURNS integer LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    this_hour CONSTANT timestamptz := date_trunc('hour', now(), 'UTC');
    one users.refusal;
    added integer := 0;
BEGIN
    FOR one IN
        SELECT NULL, now(), now(), greatest(coalesce(r.count, 1), 1), left(coalesce(r.caller, ''), 300),
               left(coalesce(r.key, ''), 64), left(coalesce(r.address, ''), 100), left(coalesce(r.process, ''), 64),
               left(coalesce(r.method, ''), 300), left(coalesce(r.code, ''), 40), left(coalesce(r.reason, ''), 400), this_hour, NULL
        FROM jsonb_to_recordset(refusals) r (caller text, key text, address text, process text, method text, code text,
                                             reason text, count bigint) LIMIT 1000
    LOOP
        one.fingerprint := users.refusal_fingerprint(one);
        added := added + 1;
        -- An INSERT that becomes an UPDATE would use up a number of the 100,000.
        UPDATE users.refusal x SET count = x.count + one.count, last_at = now()
        WHERE x.hour = this_hour AND x.fingerprint = one.fingerprint;
        CONTINUE WHEN FOUND;
        IF (SELECT count(*) FROM users.refusal x WHERE x.hour = this_hour AND x.caller = one.caller)
           >= (CASE one.caller WHEN '' THEN 1000 ELSE 200 END) THEN
            one.key := '';
            one.address := '';
            one.method := '';
            one.code := '';
            one.reason := 'further refusals in the same hour';
            one.fingerprint := users.refusal_fingerprint(one);
            UPDATE users.refusal x SET count = x.count + one.count, last_at = now()
            WHERE x.hour = this_hour AND x.fingerprint = one.fingerprint;
            CONTINUE WHEN FOUND;
        END IF;
        INSERT INTO users.refusal (count, caller, key, address, process, method, code, reason, hour, fingerprint)
        VALUES (one.count, one.caller, one.key, one.address, one.process, one.method, one.code, one.reason, this_hour,
                one.fingerprint)
        ON CONFLICT ON CONSTRAINT refusal__fingerprint__unique
        DO UPDATE SET count = users.refusal.count + excluded.count, last_at = now();
    END LOOP;
    DELETE FROM users.refusal x WHERE x.id IN (
        SELECT o.id FROM (SELECT y.id, y.last_at FROM users.refusal y ORDER BY y.id LIMIT 2000) o
        WHERE o.last_at < now() - interval '30 days' OR o.id <= (SELECT max(z.id) FROM users.refusal z) - 100000);
    RETURN added;
END $$;

CREATE OR REPLACE FUNCTION users.refusal_fingerprint(r users.refusal) RETURNS bytea LANGUAGE sql IMMUTABLE AS $$
    SELECT sha256(convert_to(jsonb_build_array(r.caller, r.key, r.address, r.process, r.method, r.code, r.reason)::text, 'UTF8'))
$$;

-- What a broker reports.
CREATE OR REPLACE FUNCTION users.record_reports(items users.refusal_report[]) RETURNS integer LANGUAGE sql SECURITY DEFINER AS $$
    SELECT users.record_refusals(coalesce(jsonb_agg(to_jsonb(i) || '{"process": "sitewire-broker"}'), '[]')) FROM unnest(items) i
$$;

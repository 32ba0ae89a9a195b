-- The output of deployments: how runners store it, how events announce it, its limits, and its
-- removal. The limits are a row that admins change (OutputLimit).
--
-- Small chunks join the chunk before them, and events announce many of them together. So what a
-- burst costs follows its bytes and its time, and not the number of its calls.

-- Where the output of a deployment ends.
CREATE OR REPLACE FUNCTION deployment.log_end(id bigint) RETURNS bigint LANGUAGE plpgsql STABLE AS $$
BEGIN
    RETURN coalesce((SELECT l."offset" + octet_length(l.bytes) FROM deployment.deployment_log l
                     WHERE l.deployment = log_end.id ORDER BY l."offset" DESC LIMIT 1), 0);
END $$;

-- The last chunk, without its bytes if there are more than `most`; and where it ends.
CREATE OR REPLACE FUNCTION deployment.last_log(id bigint, most integer, OUT l deployment.deployment_log, OUT ends_at bigint)
LANGUAGE plpgsql STABLE AS $$
BEGIN
    SELECT x.deployment, x."offset", x.command, x.attempt, x.stream, x.fence, x.number, x.announced, x.announce_at,
           CASE WHEN octet_length(x.bytes) <= most THEN x.bytes END, x."offset" + octet_length(x.bytes)
    INTO l.deployment, l."offset", l.command, l.attempt, l.stream, l.fence, l.number, l.announced, l.announce_at,
         l.bytes, ends_at
    FROM deployment.deployment_log x WHERE x.deployment = last_log.id ORDER BY x."offset" DESC LIMIT 1;
    l.number := coalesce(l.number, 0);
    l.announced := coalesce(l.announced, ends_at, 0);
    l.announce_at := coalesce(l.announce_at, '-infinity');
    ends_at := coalesce(ends_at, 0);
END $$;

-- Stores a chunk, or what has joined it since it was stored.
CREATE OR REPLACE FUNCTION deployment.put_log(l deployment.deployment_log, stored boolean) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF stored THEN
        UPDATE deployment.deployment_log x
        SET bytes = coalesce(l.bytes, x.bytes), number = l.number, announced = l.announced, announce_at = l.announce_at
        WHERE x.deployment = l.deployment AND x."offset" = l."offset";
    ELSE
        INSERT INTO deployment.deployment_log (deployment, "offset", command, attempt, stream, bytes, fence, number, announced,
                                               announce_at)
        VALUES (l.deployment, l."offset", l.command, l.attempt, l.stream, l.bytes, l.fence, l.number, l.announced, l.announce_at);
    END IF;
END $$;

-- Stored output; shorter than `size` if there is less of it.
CREATE OR REPLACE FUNCTION deployment.stored_output(id bigint, since bigint, size integer) RETURNS bytea LANGUAGE plpgsql STABLE AS $$
DECLARE
    first bigint := (SELECT l."offset" FROM deployment.deployment_log l
                     WHERE l.deployment = stored_output.id AND l."offset" <= since ORDER BY l."offset" DESC LIMIT 1);
BEGIN
    RETURN (SELECT substring(string_agg(l.bytes, '' ORDER BY l."offset") FROM (since - first)::integer + 1 FOR size)
            FROM deployment.deployment_log l
            WHERE l.deployment = stored_output.id AND l."offset" >= first AND l."offset" < since + size);
END $$;

-- --- Events ---

-- The event for the output from `since` to `until`, of which `l` is the last chunk. It names the
-- command, the attempt and the stream, unless the output is of several.
CREATE OR REPLACE FUNCTION deployment.announce(project text, l deployment.deployment_log, since bigint, until bigint)
RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    one_attempt boolean := true;
    one_stream boolean := true;
BEGIN
    IF since < l."offset" THEN
        SELECT bool_and((x.command, x.attempt) = (l.command, l.attempt)), bool_and(x.stream = l.stream)
        INTO one_attempt, one_stream
        FROM deployment.deployment_log x
        WHERE x.deployment = l.deployment AND x."offset" >= since AND x."offset" < l."offset";
    END IF;
    INSERT INTO deployment.outbox (project, deployment, kind, payload)
    VALUES (project, l.deployment, 'log', jsonb_strip_nulls(jsonb_build_object(
        'command', CASE WHEN one_attempt THEN l.command END, 'attempt', CASE WHEN one_attempt THEN l.attempt END,
        'stream', CASE WHEN one_stream THEN l.stream END, 'offset', since, 'size', until - since))::text);
END $$;

-- Announces what has not been announced yet. The caller has locked the deployment.
CREATE OR REPLACE FUNCTION deployment.announce_output(d deployment.deployment) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    last record := deployment.last_log(d.id, 0);
    l deployment.deployment_log := last.l;
BEGIN
    IF l.announced < last.ends_at THEN
        PERFORM deployment.announce(d.project, l, l.announced, last.ends_at);
        l.number := l.number + 1;
        l.announced := last.ends_at;
        PERFORM deployment.put_log(l, true);
    END IF;
END $$;

-- Announces the rest of bursts that are over. The sweep calls it each second.
CREATE OR REPLACE FUNCTION deployment.announce_rests() RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    d deployment.deployment;
BEGIN
    FOR d IN SELECT x.* FROM deployment.deployment x CROSS JOIN LATERAL (
                 SELECT l.announced, l."offset" + octet_length(l.bytes) AS ends_at FROM deployment.deployment_log l
                 WHERE l.deployment = x.id ORDER BY l."offset" DESC LIMIT 1) l
             WHERE x.status = 'IN_PROGRESS' AND l.announced < l.ends_at
             ORDER BY x.id FOR NO KEY UPDATE OF x SKIP LOCKED LOOP
        PERFORM deployment.announce_output(d);
    END LOOP;
END $$;

-- --- Limits ---

-- Refuses output beyond a limit, before and after which the deployment has `was` and `l` chunks and
-- events. A project's day is charged 64 KiB at a time, so deployments of one project seldom wait
-- for each other. A chunk or an event counts as 512 bytes.
CREATE OR REPLACE FUNCTION deployment.charge_output(d deployment.deployment, began_at bigint, ends_at bigint, was integer,
                                                    number integer) RETURNS void LANGUAGE plpgsql AS $$
DECLARE
    most deployment.output_limit;
    block bigint := 65536;
    before bigint := (began_at + was * 512::bigint + block - 1) / block;
    after bigint := (ends_at + number * 512::bigint + block - 1) / block;
    today date := (clock_timestamp() AT TIME ZONE 'UTC')::date;
    used bigint;
BEGIN
    SELECT * INTO most FROM deployment.output_limit x WHERE x.code = 'default';
    IF ends_at > most.deployment_bytes THEN
        PERFORM sitewire.fail('SW008', 'chunks', format('deployment %s has stored %s of %s bytes of output that a deployment may: '
            'write less, or let an admin raise OutputLimit.deployment_bytes', d.id, began_at, most.deployment_bytes));
    ELSIF number > most.deployment_chunks THEN
        PERFORM sitewire.fail('SW008', 'chunks', format('deployment %s has stored %s of %s pieces of output that a deployment may: '
            'write more at a time, or let an admin raise OutputLimit.deployment_chunks', d.id, was, most.deployment_chunks));
    ELSIF after > before THEN
        INSERT INTO deployment.output_usage AS u (project, day, bytes) VALUES (d.project, today, (after - before) * block)
        ON CONFLICT (project, day) DO UPDATE SET bytes = u.bytes + excluded.bytes
        RETURNING u.bytes INTO used;
        IF used > most.project_day_bytes THEN
            PERFORM sitewire.fail('SW008', 'chunks', format('the deployments of %s have used the %s bytes of output that a project has '
                'for a day (UTC): wait until tomorrow, or let an admin raise OutputLimit.project_day_bytes', d.project,
                most.project_day_bytes));
        ELSIF used = (after - before) * block THEN -- the first of the day
            DELETE FROM deployment.output_usage u WHERE u.project = d.project AND u.day < today - 7;
        END IF;
    END IF;
END $$;

-- --- Methods ---

-- Each chunk begins where the previous one ends. A chunk that is already stored with the same bytes
-- is a repeated request, and accepted. A chunk joins those before it in the same request up to 64
-- KiB. It joins a chunk stored earlier up to 2,000 bytes only, since that one is written again.
--
-- An event follows at once unless there were 20 within the last second. Then it follows with later
-- output, with the end of the command, or within a second.
CREATE OR REPLACE FUNCTION deployment.append_log(id bigint, by_fence bigint, chunks deployment.log_chunk[]) RETURNS bigint
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.held(id, by_fence);
    most integer := 2000;
    last record := deployment.last_log(d.id, most);
    l deployment.deployment_log := last.l;
    ends_at bigint := last.ends_at;
    began_at bigint := last.ends_at;
    was integer := l.number;
    stored boolean := true; -- whether l has a row
    changed boolean := false; -- and whether it lacks something
    c deployment.log_chunk;
BEGIN
    IF cardinality(chunks) > 4096 THEN
        PERFORM sitewire.fail('SW002', 'chunks', 'a request has at most 4096 chunks');
    END IF;
    FOREACH c IN ARRAY coalesce(chunks, '{}') LOOP
        IF coalesce(octet_length(c.bytes), 0) NOT BETWEEN 1 AND 1048576 THEN
            PERFORM sitewire.fail('SW002', 'chunks.bytes', 'a chunk has 1 to 1048576 bytes');
        ELSIF coalesce(c.stream, '') NOT IN ('stdout', 'stderr') THEN
            PERFORM sitewire.fail('SW002', 'chunks.stream', 'a stream is stdout or stderr');
        ELSIF coalesce(c."offset", 0) = ends_at THEN
            IF octet_length(l.bytes) + octet_length(c.bytes) <= most AND l.fence = d.fence
               AND (l.command, l.attempt, l.stream) = (coalesce(c.command, 0), coalesce(c.attempt, 0), c.stream) THEN
                l.bytes := l.bytes || c.bytes;
            ELSE
                IF changed THEN
                    PERFORM deployment.put_log(l, stored);
                END IF;
                l.deployment := d.id;
                l."offset" := ends_at;
                l.command := coalesce(c.command, 0);
                l.attempt := coalesce(c.attempt, 0);
                l.stream := c.stream;
                l.bytes := c.bytes;
                l.fence := d.fence;
                l.number := l.number + 1;
                stored := false;
                most := 65536;
            END IF;
            changed := true;
            ends_at := ends_at + octet_length(c.bytes);
        ELSE
            IF changed THEN
                PERFORM deployment.put_log(l, stored);
                stored := true;
                changed := false;
            END IF;
            IF deployment.stored_output(d.id, coalesce(c."offset", 0), octet_length(c.bytes)) IS DISTINCT FROM c.bytes THEN
                PERFORM sitewire.fail('SW006', 'chunks.offset', format('deployment %s has %s bytes of output: the next chunk begins '
                                                                       'there, not at %s', d.id, ends_at, coalesce(c."offset", 0)));
            END IF;
        END IF;
    END LOOP;
    IF ends_at > began_at THEN
        IF l.announce_at > clock_timestamp() + interval '2 s' THEN -- by the clock of another server
            l.announce_at := '-infinity';
        END IF;
        IF l.announce_at <= clock_timestamp() + interval '1 s' THEN
            PERFORM deployment.announce(d.project, l, l.announced, ends_at);
            l.announced := ends_at;
            l.announce_at := greatest(l.announce_at, clock_timestamp()) + interval '50 ms';
            l.number := l.number + 1;
        END IF;
        PERFORM deployment.charge_output(d, began_at, ends_at, was, l.number);
        PERFORM deployment.put_log(l, stored);
    END IF;
    RETURN ends_at;
END $$;

-- Removes the output of a deployment that is over, and records who did it.
CREATE OR REPLACE FUNCTION deployment.remove_output(id bigint) RETURNS deployment.deployment
LANGUAGE plpgsql SECURITY DEFINER AS $$
DECLARE
    d deployment.deployment := deployment.find(id);
    lacks text := (deployment.rights_of(users.me(), deployment.projects_of(d), '{manage}', d.environment)).lacks;
BEGIN
    IF lacks IS NOT NULL THEN
        PERFORM sitewire.fail('SW005', '', format('removing its output takes %s, which %s does not have', lacks, users.me()));
    ELSIF d.finished_at IS NULL THEN
        PERFORM sitewire.fail('SW006', 'id', format('deployment %s is %s: its output can be removed when it is over', d.id, d.status));
    ELSIF d.output_removed_at IS NOT NULL THEN
        RETURN d;
    END IF;
    UPDATE deployment.deployment x SET output_removed_at = clock_timestamp(), output_remover = users.me() WHERE x.id = d.id
    RETURNING * INTO d;
    DELETE FROM deployment.deployment_log l WHERE l.deployment = d.id;
    RETURN d;
END $$;

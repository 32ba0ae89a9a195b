-- Referential.ListImpact: what would be hit if a resource went away.
--
-- A walk from the resource to what refers to it, to what runs on it and to what is reached through
-- it, one step at a time. The steps follow from the schema (referential.next_hits). Keys are
-- carried in parts, so each step finds its rows by index. There are no cycles, and of several ways
-- to a resource the shortest is kept.
WITH RECURSIVE argument AS MATERIALIZED (
    SELECT referential.find(coalesce(:type, ''), coalesce(:key, ''), 'key') AS part,
           CASE WHEN :depth < 0 THEN sitewire.fail('SW002', 'depth', 'depth is 0 or more')
                WHEN coalesce(:depth, 0) = 0 THEN '1000' ELSE :depth::text END::integer AS depth
), hit AS (
    SELECT 0 AS depth, :type::text COLLATE "C" AS type,
           part[1] COLLATE "C" AS k1, coalesce(part[2], '') COLLATE "C" AS k2, coalesce(part[3], '') COLLATE "C" AS k3,
           ''::text AS via, ''::text COLLATE "C" AS from_type, ''::text COLLATE "C" AS from_key
    FROM argument
    UNION
    SELECT h.depth + 1, n.next_type, n.next_k1, n.next_k2, n.next_k3, n.via, h.type,
           concat_ws('/', h.k1, nullif(h.k2, ''), nullif(h.k3, ''))
    FROM argument a, hit h, LATERAL referential.next_hits(h.type, h.k1, h.k2, h.k3, h.depth = 0) n
    WHERE h.depth < a.depth
), nearest AS (
    SELECT DISTINCT ON (type, k1, k2, k3) *
    FROM hit
    ORDER BY type, k1, k2, k3, depth, from_type, from_key, via
)
SELECT depth, type, concat_ws('/', k1, nullif(k2, ''), nullif(k3, '')) AS key, via, from_type, from_key
FROM nearest
WHERE depth > 0
ORDER BY depth, type, k1, k2, k3
LIMIT (SELECT 100000 FROM argument) -- comes first, so arguments are checked even if no row is found

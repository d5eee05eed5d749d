-- A page of sessions by completed_at, newest first, incomplete ones last; $14 and $15 are the last page's last key
-- and id. The index has only the complete sessions, in order; the others are read when those are too few.
WITH complete AS (
SELECT *
  FROM sessions
 WHERE
\ir session_filter.sql
   AND completed_at IS NOT NULL
   AND ($15::text IS NULL
        OR (completed_at <= $14::text::timestamptz
            AND (completed_at < $14::text::timestamptz OR session_id > $15)))
 ORDER BY completed_at DESC NULLS LAST, session_id  -- no row has null here: the order is the index's
 LIMIT $12::bigint + $13::bigint
), incomplete AS (
SELECT *
  FROM sessions
 WHERE
\ir session_filter.sql
   AND completed_at IS NULL
   AND ($15::text IS NULL OR $14 IS NOT NULL OR session_id > $15)
   AND (SELECT count(*) FROM complete) < $12 + $13
 ORDER BY session_id
 LIMIT $12 + $13
)
SELECT
\ir record.sql
     , to_json(completed_at) #>> '{}' AS position
  FROM (SELECT * FROM complete
         UNION ALL
        SELECT * FROM incomplete
         ORDER BY completed_at DESC NULLS LAST, session_id
         LIMIT $12 OFFSET $13) AS page
 ORDER BY page.completed_at DESC NULLS LAST, page.session_id;

-- A page of sessions by completed_at, newest first, incomplete ones last; $14 and $15 are the last page's last key and id.
SELECT
\ir session_columns.sql
  FROM sessions
 WHERE
\ir session_filter.sql
   AND ($15::text IS NULL
        OR completed_at < $14::timestamptz
        OR (completed_at IS NOT DISTINCT FROM $14 AND session_id > $15)
        OR (completed_at IS NULL AND $14 IS NOT NULL))
 ORDER BY completed_at DESC NULLS LAST, session_id
 LIMIT $12 OFFSET $13;

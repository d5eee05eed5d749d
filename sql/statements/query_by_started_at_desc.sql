-- A page of sessions by started_at, newest first; $14 and $15 are the last page's last key and id.
SELECT
\ir session_columns.sql
  FROM sessions
 WHERE
\ir session_filter.sql
   AND ($15::text IS NULL
        OR (started_at <= $14::timestamptz AND (started_at < $14 OR session_id > $15)))
 ORDER BY started_at DESC, session_id
 LIMIT $12 OFFSET $13;

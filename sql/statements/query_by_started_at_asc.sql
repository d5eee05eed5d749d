-- A page of sessions by started_at, oldest first; $14 and $15 are the last page's last key and id. The inner query
-- works on stored rows, so only the rows of the page become text.
SELECT
\ir record.sql
     , to_json(started_at) #>> '{}' AS position
  FROM (SELECT *
          FROM sessions
         WHERE
\ir session_filter.sql
   AND ($15::text IS NULL
        OR (started_at >= $14::text::timestamptz
            AND (started_at > $14::text::timestamptz OR session_id > $15)))
         ORDER BY started_at ASC, session_id
         LIMIT $12 OFFSET $13) AS page
 ORDER BY page.started_at ASC, page.session_id;

-- A page of sessions by updated_at, newest first; $14 and $15 are the last page's last key and id. No index has
-- updated_at, so this sorts all rows that pass the filter; only the rows of the page become text.
SELECT
\ir record.sql
     , to_json(updated_at) #>> '{}' AS position
  FROM (SELECT *
          FROM sessions
         WHERE
\ir session_filter.sql
   AND ($15::text IS NULL
        OR updated_at < $14::text::timestamptz
        OR (updated_at IS NOT DISTINCT FROM $14::text::timestamptz AND session_id > $15)
        OR (updated_at IS NULL AND $14 IS NOT NULL))
         ORDER BY updated_at DESC NULLS LAST, session_id
         LIMIT $12 OFFSET $13) AS page
 ORDER BY page.updated_at DESC NULLS LAST, page.session_id;

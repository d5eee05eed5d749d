-- At most $1 sessions with a time that no answer can represent, and the columns. Reads the whole table.
SELECT session_id, string_agg(name, ', ' ORDER BY place) AS columns
  FROM sessions,
       LATERAL (VALUES (1, 'started_at', started_at), (2, 'completed_at', completed_at), (3, 'created_at', created_at),
                       (4, 'updated_at', updated_at)) AS time (place, name, moment)
 WHERE moment NOT BETWEEN '0001-01-01 00:00:00+00' AND '9999-12-31 23:59:59.999999+00'
 GROUP BY session_id
 ORDER BY session_id
 LIMIT $1;

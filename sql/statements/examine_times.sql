-- At most $1 sessions whose start or end no answer can represent, and the columns. Indexes find them.
SELECT session_id, string_agg(name, ', ' ORDER BY name DESC) AS columns
  FROM (SELECT session_id, 'started_at' AS name FROM sessions WHERE started_at < '0001-01-01 00:00:00+00'
         UNION ALL
        SELECT session_id, 'started_at' FROM sessions WHERE started_at > '9999-12-31 23:59:59.999999+00'
         UNION ALL
        SELECT session_id, 'completed_at' FROM sessions WHERE completed_at < '0001-01-01 00:00:00+00'
         UNION ALL
        SELECT session_id, 'completed_at' FROM sessions WHERE completed_at > '9999-12-31 23:59:59.999999+00') AS odd
 GROUP BY session_id
 ORDER BY session_id
 LIMIT $1;

-- The missing partitions, $1 wide (day, week, month or year), from $2 (now, where null) to $3 of them after now. Also
-- those for which the default partition has at least $4 sessions; in a conversion ($5) all sessions count. Each row
-- has the bounds, cut to the gap between the existing partitions.
WITH made AS (
SELECT starts, ends
  FROM (
\ir session_partitions.sql
       ) AS known
 WHERE starts IS NOT NULL
), wanted AS (
SELECT generate_series(date_trunc($1::text, coalesce($2::timestamptz, now())),
                       now() + $3::integer * ('1 ' || $1)::interval,
                       ('1 ' || $1)::interval) AS starts
 UNION
SELECT date_trunc($1, started_at)
  FROM (SELECT started_at FROM sessions WHERE $5::boolean
         UNION ALL
        SELECT started_at FROM sessions_default WHERE NOT $5) AS loose
 WHERE started_at BETWEEN '0001-01-01 00:00:00+00' AND '9999-01-01 00:00:00+00' -- the years for which Python has a datetime
 GROUP BY 1
HAVING count(*) >= $4::bigint
), clear AS (
SELECT greatest(wanted.starts, (SELECT max(made.ends) FROM made WHERE made.starts <= wanted.starts)) AS starts,
       least(wanted.starts + ('1 ' || $1)::interval,
             (SELECT min(made.starts) FROM made WHERE made.starts > wanted.starts)) AS ends
  FROM wanted
)
SELECT starts, ends
  FROM clear
 WHERE starts < ends
 ORDER BY starts;

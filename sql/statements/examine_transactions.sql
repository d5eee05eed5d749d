-- Transactions of this database that are older than $1 seconds, oldest first, and the number of sessions that wait
-- for each. Transactions that wait for a lock are left out: they are the victims.
SELECT activity.pid,
       activity.usename AS role,
       activity.application_name AS application,
       activity.state LIKE 'idle in transaction%' AS is_idle,
       extract(epoch FROM clock_timestamp() - activity.xact_start)::float8 AS seconds,
       (SELECT count(*) FROM pg_stat_activity AS waiting
         WHERE waiting.wait_event_type = 'Lock' AND activity.pid = ANY (pg_blocking_pids(waiting.pid))) AS waiting
  FROM pg_stat_activity AS activity
 WHERE activity.datname = current_database()
   AND activity.pid <> pg_backend_pid()
   AND activity.wait_event_type IS DISTINCT FROM 'Lock'
   AND activity.backend_type = 'client backend'
   AND activity.xact_start < clock_timestamp() - make_interval(secs => $1)
 ORDER BY activity.xact_start

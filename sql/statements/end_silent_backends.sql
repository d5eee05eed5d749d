-- Of these backends ($1, process ids) those that exist, and whether each works. A backend that has waited for its
-- client for a second is ended: the client waits for it too, so the connection between them is silent.
SELECT pid, works, NOT works AND pg_terminate_backend(pid) AS ended
  FROM (SELECT pid, state IS NULL OR state = 'disabled' OR state_change > clock_timestamp() - interval '1 second'
                    OR state IN ('active', 'fastpath function call') AND wait_event_type IS DISTINCT FROM 'Client' AS works
          FROM pg_stat_activity
         WHERE pid = ANY ($1::integer[]) AND usename = session_user) AS backend

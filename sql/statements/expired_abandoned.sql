-- Incomplete sessions that no event has changed for more than $1 days, and their revisions, in no order.
SELECT session_id, revision
  FROM sessions
 WHERE completed_at IS NULL
   AND coalesce(updated_at, created_at, started_at) < now() - make_interval(days => $1);

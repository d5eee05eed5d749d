-- Sessions that are not complete and that no event has touched for more than $1 days, and their revisions, in no order.
SELECT session_id, revision
  FROM sessions
 WHERE completed_at IS NULL
   AND coalesce(updated_at, created_at, started_at) < now() - make_interval(days => $1);

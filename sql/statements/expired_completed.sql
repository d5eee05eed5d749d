-- Sessions that were completed more than $1 days ago, and their revisions, in no order.
SELECT session_id, revision
  FROM sessions
 WHERE completed_at < now() - make_interval(days => $1);

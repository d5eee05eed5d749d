-- The next $2 sessions after $1 that the conversion has not copied yet.
SELECT session_id
  FROM session_ledger
 WHERE session_id > $1
   AND outcome = 'stored'
   AND started_at IS NULL
 ORDER BY session_id
 LIMIT $2;

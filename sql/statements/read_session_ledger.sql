-- The revision of the latest event applied to a session, live or deleted; no row when there was none.
SELECT revision
  FROM session_ledger
 WHERE session_id = $1;

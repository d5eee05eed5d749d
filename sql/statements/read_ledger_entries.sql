-- The latest event applied to each of these sessions, live or deleted, in no order.
SELECT session_id, revision, event_id, outcome
  FROM session_ledger
 WHERE session_id = ANY ($1::text[]);

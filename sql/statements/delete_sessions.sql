-- Judges and applies deletes of distinct sessions; one row a delete, in no order.
SELECT session_id, outcome, prior_revision, prior_event_id, prior_outcome
  FROM delete_sessions($1, $2, $3, $4);

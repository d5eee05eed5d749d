-- Judges and applies events of distinct sessions; one row an event, in no order.
-- Times come as text: the driver sends the first and the last moment of its calendar as infinity.
SELECT session_id, outcome, prior_revision, prior_event_id, prior_outcome
  FROM apply_session_events($1, $2, $3, $4, $5, $6, $7, $8, $9,
                            $10::text[]::timestamptz[], $11::text[]::timestamptz[],
                            $12::text[]::timestamptz[]);

-- As apply_session_events, on Citus: of distinct sessions of the one bucket $1 (sql/citus).
SELECT session_id, outcome, prior_revision, prior_event_id, prior_outcome
  FROM apply_session_events_of($1, $2, $3, $4, $5, $6, $7, $8, $9, $10,
                               $11::text[]::timestamptz[], $12::text[]::timestamptz[]);

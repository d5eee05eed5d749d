-- At most $1 sessions that differ between the two tables, or are not at the place that the ledger names; all of one
-- snapshot.
SELECT session_id
  FROM sessions AS plain
  FULL JOIN sessions_by_date AS dated USING (session_id, started_at)
  LEFT JOIN session_ledger AS entry USING (session_id)
 WHERE plain IS DISTINCT FROM dated
    OR entry.started_at IS DISTINCT FROM dated.started_at
 LIMIT $1;

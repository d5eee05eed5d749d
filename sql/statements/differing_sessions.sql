-- At most $1 sessions that are not the same in both tables, or are not where the ledger says; all of one snapshot.
SELECT session_id
  FROM sessions AS plain
  FULL JOIN sessions_by_date AS dated USING (session_id, started_at)
  LEFT JOIN session_ledger AS entry USING (session_id)
 WHERE plain IS DISTINCT FROM dated
    OR entry.started_at IS DISTINCT FROM dated.started_at
 LIMIT $1;

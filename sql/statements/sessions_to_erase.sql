-- 500 sessions of player $1 up to revision $2: each one's id, the revision at which it goes, and the one that a delete
-- has to expect. A row that the storage plugin wrote may be in the table and not, or as deleted, in the ledger.
SELECT session_id,
       greatest(sessions.revision, entry.revision) AS revision,
       CASE WHEN entry.outcome = 'stored' THEN entry.revision ELSE 0 END AS expected
  FROM sessions
  LEFT JOIN session_ledger AS entry USING (session_id)
 WHERE player_id = $1
   AND greatest(sessions.revision, entry.revision) <= $2
 LIMIT 500;

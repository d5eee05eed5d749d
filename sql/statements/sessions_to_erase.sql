-- 500 sessions of player $1 up to revision $2: the id, the revision of the removal, and the revision that a delete
-- must expect. The ledger may have no entry for a row that the storage plugin wrote, or an entry of a delete.
SELECT session_id,
       greatest(sessions.revision, entry.revision) AS revision,
       CASE WHEN entry.outcome = 'stored' THEN entry.revision ELSE 0 END AS expected
  FROM sessions
  LEFT JOIN session_ledger AS entry USING (session_id)
 WHERE player_id = $1
   AND greatest(sessions.revision, entry.revision) <= $2
 LIMIT 500;

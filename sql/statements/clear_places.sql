-- Clears the place in 5,000 ledger entries that have one: the plain layout does not use it. Returns the number of
-- entries.
WITH cleared AS (
UPDATE session_ledger
   SET started_at = NULL
 WHERE session_id = ANY (ARRAY(
       SELECT session_id
         FROM session_ledger
        WHERE session_id IN (SELECT session_id FROM session_ledger WHERE started_at IS NOT NULL LIMIT 5000)
        ORDER BY session_id COLLATE "C"
          FOR UPDATE))
RETURNING 1
)
SELECT count(*) FROM cleared;

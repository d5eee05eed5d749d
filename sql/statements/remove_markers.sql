-- Forgets that these sessions were deleted, where that is still more than $2 days ago; one row for each that is gone.
-- Locked in the order in which events lock them, so that neither waits for the other in a circle.
DELETE FROM session_ledger
 WHERE session_id = ANY (ARRAY(
       SELECT session_id
         FROM session_ledger
        WHERE session_id = ANY ($1::text[])
          AND deleted_at < now() - make_interval(days => $2)
        ORDER BY session_id COLLATE "C"
          FOR UPDATE))
RETURNING session_id;

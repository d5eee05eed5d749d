-- The sessions removed since player $1 was marked last, not all of them the player's.
SELECT session_id, revision FROM removed_since_erasure($1);

-- The sessions removed since the last erasure marker of player $1; some of them may be other players'.
SELECT session_id, revision FROM removed_since_erasure($1);

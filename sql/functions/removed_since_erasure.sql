-- removed_since_erasure: the sessions that were removed since the player's last erasure marker: those of that
-- erasure, and those that other removals deleted meanwhile. A repeated erasure calls this function and announces
-- them. It reads the whole ledger, because an index for it would end HOT updates there. The minute allows for servers
-- with different clocks.

CREATE OR REPLACE FUNCTION removed_since_erasure(p_player_id text)
RETURNS TABLE (session_id text, revision bigint)
LANGUAGE sql STABLE SECURITY DEFINER
AS $function$
    SELECT entry.session_id::text, entry.revision
      FROM session_ledger AS entry
     WHERE entry.event_id = 'ffffffff-ffff-ffff-ffff-ffffffffffff'
       AND entry.deleted_at >= (SELECT erasure.erased_at - interval '1 minute'
                                  FROM session_erasures AS erasure
                                 WHERE erasure.player_digest = sha256(convert_to(p_player_id, 'UTF8')))
$function$;

DO $rights$
BEGIN
    EXECUTE format('ALTER FUNCTION removed_since_erasure SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION removed_since_erasure FROM PUBLIC;
END
$rights$;

-- What a worker asks that begins an erasure again, which a crash has cut off: see the function.

-- The sessions that nothing but a removal has touched since a player was marked as erased last: those of that erasure,
-- and what others removed meanwhile. An erasure that is done again asks, and announces them. It reads the whole ledger:
-- an index for it would end HOT updates there. A minute is for servers whose clocks differ.
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

DO $install$
DECLARE
    eraser text;
BEGIN
    EXECUTE format('ALTER FUNCTION removed_since_erasure SET search_path = %I, pg_temp', current_schema());

    -- Whoever may erase may ask, so that no worker lacks a right between this and roles.sql.
    REVOKE ALL ON FUNCTION removed_since_erasure FROM PUBLIC;
    FOR eraser IN
        SELECT CASE WHEN held.grantee = 0 THEN 'PUBLIC' ELSE quote_ident(pg_get_userbyid(held.grantee)) END
          FROM pg_proc, aclexplode(proacl) AS held
         WHERE pg_proc.oid = 'mark_erasure'::regproc AND held.privilege_type = 'EXECUTE'
           AND held.grantee <> pg_proc.proowner
    LOOP
        EXECUTE format('GRANT EXECUTE ON FUNCTION removed_since_erasure TO %s', eraser);
    END LOOP;
END
$install$;

INSERT INTO session_store_migrations (version, name) VALUES (10, 'removed_since_erasure') ON CONFLICT DO NOTHING;

-- mark_erasure: keeps out the writes of a player up to a revision, or up to the greater revision of an earlier
-- erasure. Returns that revision and the time of this call. It waits until every transaction that applies events has
-- ended. New ones wait until its own transaction ends.

CREATE OR REPLACE FUNCTION mark_erasure(p_player_id text, p_revision bigint)
RETURNS TABLE (revision bigint, erased_at timestamptz)
LANGUAGE plpgsql SECURITY DEFINER
AS $function$
#variable_conflict use_column
BEGIN
    LOCK TABLE session_erasures IN EXCLUSIVE MODE;
    RETURN QUERY
    INSERT INTO session_erasures AS known (player_digest, revision)
    VALUES (sha256(convert_to(p_player_id, 'UTF8')), p_revision)
        ON CONFLICT (player_digest) DO UPDATE
       SET revision = greatest(known.revision, excluded.revision),
           erased_at = excluded.erased_at
    RETURNING known.revision, known.erased_at;
END
$function$;

DO $rights$
BEGIN
    EXECUTE format('ALTER FUNCTION mark_erasure SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION mark_erasure FROM PUBLIC;
END
$rights$;

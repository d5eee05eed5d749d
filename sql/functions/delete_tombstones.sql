-- delete_tombstones: deletes the ledger entries of these sessions that were deleted more than this number of days
-- ago, one day at least. Returns the sessions whose entry is gone. It locks rows in the order of the events, so that
-- the two never deadlock.

CREATE OR REPLACE FUNCTION delete_tombstones(p_session_ids text[], p_days integer) RETURNS SETOF text
LANGUAGE plpgsql SECURITY DEFINER
SET enable_seqscan = off
AS $function$
BEGIN
    RETURN QUERY
    DELETE FROM session_ledger
     WHERE session_id = ANY (ARRAY(
           SELECT session_id
             FROM session_ledger
            WHERE session_id = ANY (p_session_ids)
              AND deleted_at < now() - make_interval(days => greatest(p_days, 1))
            ORDER BY session_id COLLATE "C"
              FOR UPDATE))
    RETURNING session_id::text;
END
$function$;

DO $rights$
BEGIN
    EXECUTE format('ALTER FUNCTION delete_tombstones SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION delete_tombstones FROM PUBLIC;
END
$rights$;

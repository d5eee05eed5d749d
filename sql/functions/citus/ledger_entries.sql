-- ledger_entries: as ../ledger_entries.sql, on Citus. Each statement is for one bucket, which is one task on one
-- node.

DO $layout$ BEGIN IF to_regclass('session_buckets') IS NOT NULL THEN

CREATE OR REPLACE FUNCTION ledger_entries(p_session_ids text[])
RETURNS TABLE (session_id text, revision bigint, event_id uuid, outcome text)
LANGUAGE plpgsql STABLE
SET plan_cache_mode = auto  -- Citus finds the node by the actual values
AS $function$
#variable_conflict use_column
DECLARE
    share record;
BEGIN
    FOR share IN
        SELECT session_bucket(id) AS bucket, array_agg(id) AS session_ids
          FROM unnest(p_session_ids) AS id
         GROUP BY session_bucket(id)
    LOOP
        RETURN QUERY
        SELECT session_id::text, revision, event_id, outcome
          FROM session_ledger
         WHERE bucket = share.bucket AND session_id = ANY (share.session_ids);
    END LOOP;
END
$function$;

END IF; END $layout$;

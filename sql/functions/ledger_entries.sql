-- ledger_entries: the ledger entries of these sessions, in no order; sessions without an entry are left out. Only
-- apply_session_events calls it. Citus has its own: citus/ledger_entries.sql.

DO $layout$ BEGIN IF to_regclass('session_buckets') IS NULL THEN

CREATE OR REPLACE FUNCTION ledger_entries(p_session_ids text[])
RETURNS TABLE (session_id text, revision bigint, event_id uuid, outcome text)
LANGUAGE plpgsql STABLE
AS $function$
#variable_conflict use_column
BEGIN
    RETURN QUERY
    SELECT session_id::text, revision, event_id, outcome
      FROM session_ledger
     WHERE session_id = ANY (p_session_ids);
END
$function$;

END IF; END $layout$;

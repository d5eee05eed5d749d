-- delete_sessions: applies deletes and no other event, as apply_session_events does. It is for a login that removes
-- old sessions and must not write any.

CREATE OR REPLACE FUNCTION delete_sessions(
    p_session_ids        text[],
    p_revisions          bigint[],
    p_event_ids          uuid[],
    p_expected_revisions bigint[]
)
RETURNS TABLE (session_id text, outcome text, prior_revision bigint, prior_event_id uuid, prior_outcome text)
LANGUAGE sql SECURITY DEFINER
AS $function$
    SELECT applied.*
      FROM (SELECT array_fill(true, ARRAY[cardinality(p_session_ids)]) AS deletes,
                   array_fill(NULL::text, ARRAY[cardinality(p_session_ids)]) AS texts,
                   array_fill(NULL::timestamptz, ARRAY[cardinality(p_session_ids)]) AS times) AS no,
           LATERAL apply_session_events(p_session_ids, p_revisions, p_event_ids, p_expected_revisions, deletes,
                                        texts, texts, texts, texts, times, times) AS applied
$function$;

DO $rights$
BEGIN
    EXECUTE format('ALTER FUNCTION delete_sessions SET search_path = %I, pg_temp', current_schema());
    REVOKE ALL ON FUNCTION delete_sessions FROM PUBLIC;
END
$rights$;

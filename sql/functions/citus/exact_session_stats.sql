-- exact_session_stats: as ../exact_session_stats.sql, on Citus, where no trigger maintains the totals: all sessions
-- are counted.

DO $layout$ BEGIN IF to_regclass('session_buckets') IS NOT NULL THEN

CREATE OR REPLACE FUNCTION exact_session_stats(p_player_id varchar DEFAULT NULL)
RETURNS TABLE (
    total_sessions bigint,
    completed_sessions bigint,
    active_sessions bigint,
    avg_completion_time_seconds numeric
)
LANGUAGE plpgsql STABLE  -- Citus plans no SQL function with parameters
AS $function$
BEGIN
    RETURN QUERY
    SELECT count(*), count(completed_at), count(*) - count(completed_at),
           sum(session_seconds(started_at, completed_at)) / nullif(count(completed_at), 0)
      FROM sessions
     WHERE p_player_id IS NULL OR player_id = p_player_id;
END
$function$;

END IF; END $layout$;

-- get_session_stats: the statistics of all sessions or of one player's sessions, in the form of the storage plugin:
-- the average is rounded to two places. Workers answer with the exact average.

CREATE OR REPLACE FUNCTION get_session_stats(p_player_id varchar DEFAULT NULL)
RETURNS TABLE (
    total_sessions bigint,
    completed_sessions bigint,
    active_sessions bigint,
    avg_completion_time_seconds numeric
)
LANGUAGE sql STABLE
AS $function$
    SELECT total_sessions, completed_sessions, active_sessions, round(avg_completion_time_seconds, 2)
      FROM exact_session_stats(p_player_id)
$function$;

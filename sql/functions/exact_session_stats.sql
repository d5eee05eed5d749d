-- exact_session_stats: the statistics of all sessions, from the totals, or of one player's, counted. The average is not rounded,
-- and null when no session is complete. Citus has another: citus/exact_session_stats.sql.
--
-- TRUNCATE locks sessions and then session_totals, so this names them in that order. Each half has its condition
-- outside, where it is not even planned when it is false: a plan of all sessions is dear enough to be compiled.

DO $layout$ BEGIN IF to_regclass('session_buckets') IS NULL THEN

CREATE OR REPLACE FUNCTION exact_session_stats(p_player_id varchar DEFAULT NULL)
RETURNS TABLE (
    total_sessions bigint,
    completed_sessions bigint,
    active_sessions bigint,
    avg_completion_time_seconds numeric
)
LANGUAGE sql STABLE
AS $function$
    SELECT sessions, completed, sessions - completed, seconds / nullif(completed, 0)
      FROM (SELECT *
              FROM (SELECT count(*), count(completed_at), sum(session_seconds(started_at, completed_at))
                      FROM sessions
                     WHERE player_id = p_player_id) AS counted
             WHERE p_player_id IS NOT NULL
             UNION ALL
            SELECT *
              FROM (SELECT coalesce(sum(sessions), 0)::bigint, coalesce(sum(completed), 0)::bigint, sum(seconds)
                      FROM session_totals) AS kept
             WHERE p_player_id IS NULL) AS totals (sessions, completed, seconds)
$function$;

END IF; END $layout$;

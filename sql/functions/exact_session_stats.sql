-- exact_session_stats: the statistics of all sessions, from the totals, or of one player's sessions, counted. The
-- average is not rounded, and null when no session is complete. Citus has its own: citus/exact_session_stats.sql.
--
-- TRUNCATE locks sessions and then session_totals, so this function names them in that order. The condition of each
-- half is outside of it: a half whose condition is false is not even planned. A plan over all sessions has such a
-- high cost that PostgreSQL compiles it.

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

-- The sessions from before the totals were kept are counted, while everybody writes: both halves of the difference are of
-- one snapshot. Running this file again counts again, and puts right what triggers that were switched off missed.

WITH counted AS (
    SELECT count(*) AS sessions, count(completed_at) AS completed,
           coalesce(sum(session_seconds(started_at, completed_at)), 0) AS seconds
      FROM sessions
), kept AS (
    SELECT coalesce(sum(sessions), 0)::bigint AS sessions, coalesce(sum(completed), 0)::bigint AS completed,
           coalesce(sum(seconds), 0) AS seconds
      FROM session_totals
)
INSERT INTO session_totals (sessions, completed, seconds)
SELECT counted.sessions - kept.sessions, counted.completed - kept.completed, counted.seconds - kept.seconds
  FROM counted, kept
 WHERE counted <> kept;

-- Everybody's are the totals; a player's are counted. The average is null when no session is complete.
-- TRUNCATE locks sessions and then session_totals, so this names them in that order. Each half has its condition
-- outside, where it is not even planned when it is false: a plan of all sessions is dear enough to be compiled.
CREATE OR REPLACE FUNCTION get_session_stats(p_player_id varchar DEFAULT NULL)
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

INSERT INTO session_store_migrations (version, name) VALUES (7, 'get_session_stats') ON CONFLICT DO NOTHING;

-- Totals of one player, or of all when $1 is null.
SELECT total_sessions, completed_sessions, active_sessions, avg_completion_time_seconds
  FROM exact_session_stats($1::text);

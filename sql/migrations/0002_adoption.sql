-- Writes ledger entries for the rows that were in `sessions` before 0001, or that other programs wrote since, and
-- counts them. It runs while all programs continue. It may run again at any time: after the storage plugin was
-- stopped, or after triggers were disabled for a while.

-- The entry of a row that no event wrote: an event of the row's revision stored it.
\ir ../statements/adopt_sessions.sql

-- Both sides of the difference are of one snapshot.
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

INSERT INTO session_store_migrations (version, name) VALUES (2, 'adoption') ON CONFLICT DO NOTHING;

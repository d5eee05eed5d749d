-- One session by id; no row when it does not exist.
SELECT
\ir record.sql
  FROM sessions
 WHERE session_id = $1;

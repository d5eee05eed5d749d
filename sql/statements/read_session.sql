-- One session by id; no row when it is not there.
SELECT
\ir record.sql
  FROM sessions
 WHERE session_id = $1;
